"""Keep the history of flaky tests and tell it with them: in the ledger, or beside the caches where there is no ledger."""

import contextlib
import json
import os
from pathlib import Path

from pydantic import ValidationError

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.flaky import FlakyTest, again, seen, with_history
from forge_dagster.domain.results import GateResult
from forge_dagster.ports import Services

HISTORY_FILE = "flaky.json"
_KEPT = 200
"""Tests in the file; the ones seen last stay."""
_LIMIT = 4 * 1024 * 1024


def remembered(services: Services, attempt: Attempt, result: GateResult) -> GateResult:
    """The result, with what the ledger knows of its flaky tests; each attempt counts once. Raises LedgerError."""
    tests = seen(result)
    if not tests:
        return result
    now = services.clock.now()
    history = services.ledger.note_flaky(attempt.repository, tests, attempt_id=attempt.id, head_sha=attempt.head_sha, at=now)
    return with_history(result, history)


def remembered_locally(folder: Path | None, result: GateResult, *, repository: str, head: str | None, at: float) -> GateResult:
    """The same for `forge check`, in a file of `folder`; None, or a folder that cannot be written: nothing is known."""
    tests = seen(result)
    if folder is None or not tests:
        return result
    path = folder / HISTORY_FILE
    history = _read(path)
    for fingerprint, test in tests.items():
        known = history.pop(fingerprint, None)
        history[fingerprint] = again(known, repository=repository, fingerprint=fingerprint, test=test, head=head, at=at)
    _write(path, dict(list(history.items())[-_KEPT:]))
    return with_history(result, history)


def _read(path: Path) -> dict[str, FlakyTest]:
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LIMIT))
        return {name: FlakyTest.model_validate(body) for name, body in data.items()}
    except (OSError, ValueError, RecursionError, AttributeError, ValidationError):
        return {}


def _write(path: Path, history: dict[str, FlakyTest]) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({name: test.model_dump(mode="json") for name, test in history.items()}))
        partial.replace(path)
