"""How often a reviewer may be asked in a day, over all repositories of a home."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from forge_dagster.errors import ToolError


class DailyBudget:
    """Counts calls in a file, by UTC day. Several processes may share it."""

    def __init__(self, path: Path, *, limit: int, now: Callable[[], float]) -> None:
        self._path, self._limit, self._now = path, limit, now

    def spend(self) -> None:
        """Count one call. Raises ToolError when the day's are used up, or cannot be counted."""
        today = datetime.fromtimestamp(self._now(), UTC).date().isoformat()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock"), timeout=10):
                used = self._used(today)
                if used >= self._limit:
                    raise ToolError(
                        f"its budget of {self._limit} calls for {today} is spent",
                        hint="raise daily_calls under [reviewer] in settings.toml, or wait for tomorrow",
                    )
                self._path.write_text(json.dumps({"day": today, "calls": used + 1}), encoding="utf-8")
        except (OSError, TimeoutError) as error:
            raise ToolError(f"its calls cannot be counted in {self._path}: {error}", hint="free disk space") from error

    def _used(self, today: str) -> int:
        try:
            record = json.loads(self._path.read_text("utf-8"))
            return int(record["calls"]) if record["day"] == today else 0
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError):
            return self._limit  # a count that cannot be read may hide that all is spent
