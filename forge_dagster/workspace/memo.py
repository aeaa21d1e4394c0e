"""Answers of gates in a folder: one folder per key, written whole or not at all, the oldest forgotten first."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from forge_dagster.domain.memo import SCHEMA
from forge_dagster.domain.results import GateResult
from forge_dagster.ports import Remembered

KEPT = 2_000
"""Answers kept of one repository and job: about a hundred changes."""
ARTIFACT_LIMIT = 64 * 1024 * 1024
"""Bytes of an artifact that are copied; an answer with a larger one is not kept."""
_RECORD = "memo.json"


class FolderMemo:
    """Memo (ports) in `folder`. Several processes may share it."""

    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        self._folder, self._kept = folder, kept

    def get(self, key: str) -> Remembered | None:
        """The answer with artifacts that are still there, or None."""
        place = self._folder / key
        try:
            record = json.loads((place / _RECORD).read_bytes())
            if record["schema"] != SCHEMA or record["key"] != key:
                return None
            result = GateResult.model_validate(record["result"])
            kept = {name: place / file for name, file in record["files"].items()}
            run, at = str(record["run"]), float(record["at"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        if not all(path.is_file() for path in kept.values()):
            return None
        with contextlib.suppress(OSError):
            os.utime(place)
        artifacts = {**result.artifacts, **{name: str(path) for name, path in kept.items()}}
        return Remembered(result=result.model_copy(update={"artifacts": artifacts}), run=run, at=at)

    def put(self, key: str, remembered: Remembered) -> None:
        """Keep it, with copies of its artifacts; a full disk only means that the gate is asked again."""
        place = self._folder / key
        if place.exists():
            return
        partial: Path | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".part-", dir=self._folder))
            files = _copied(remembered.result, partial)
            if files is None:
                return
            record = {
                "schema": SCHEMA,
                "key": key,
                "run": remembered.run,
                "at": remembered.at,
                "files": files,
                "result": remembered.result.model_dump(mode="json"),
            }
            (partial / _RECORD).write_text(json.dumps(record), encoding="utf-8")
            partial.rename(place)
            self._forget()
        except (OSError, ValueError):
            return
        finally:
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)

    def _forget(self) -> None:
        """Drop the least recently used beyond the number kept, a tenth at once, so that it is seldom done."""
        entries = [entry for entry in os.scandir(self._folder) if entry.is_dir(follow_symlinks=False)]
        if len(entries) <= self._kept:
            return
        entries.sort(key=lambda entry: entry.stat().st_mtime)
        for entry in entries[: len(entries) - self._kept + self._kept // 10]:
            shutil.rmtree(entry.path, ignore_errors=True)


def _copied(result: GateResult, folder: Path) -> dict[str, str] | None:
    """Artifact -> name of its copy in `folder`; what names no file stays a word. None where one is too large or a folder."""
    files: dict[str, str] = {}
    for number, (name, location) in enumerate(result.artifacts.items()):
        path = Path(location)
        if not path.is_absolute() or not path.exists():
            continue
        if not path.is_file() or path.stat().st_size > ARTIFACT_LIMIT:
            return None
        files[name] = f"{number}{path.suffix}"
        shutil.copyfile(path, folder / files[name])
    return files
