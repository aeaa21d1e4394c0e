"""Recorded expectations that change together with the code that they are to guard."""

import re
from collections.abc import Iterator, Sequence

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.sources import is_test
from forge_dagster.domain.tampering.files import FilePair
from forge_dagster.domain.tampering.signs import asks, found

_RECORDED = re.compile(
    r"(^|/)(__snapshots__|__image_snapshots__|snapshots?|goldens?|golden[_-]files|testdata|expected|expectations"
    r"|cassettes|baselines?)/"
    r"|\.(snap|ambr|snapshot|golden|approved\.\w+|expected(\.\w+)?)$|(^|/)expected[_-][^/]*$|[_-](expected|golden)\.\w+$",
    re.IGNORECASE,
)
_NAMED = 3


def is_recorded(path: str) -> bool:
    """Whether a file holds what tests compare with."""
    return _RECORDED.search(path) is not None and not path.endswith((".py", ".md"))


def snapshot_findings(pairs: Sequence[FilePair], *, source_changed: bool) -> Iterator[Finding]:
    """One finding for all expectations that changed or went, where the change touches code that is no test."""
    changed = [pair for pair in pairs if _was_there(pair) and (is_recorded(pair.path) or _is_data(pair.path))]
    if not changed or not source_changed:
        return
    names = ", ".join(pair.path for pair in changed[:_NAMED])
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    message = f"what tests compare with changed together with the code: {names}{more}"
    yield found(asks("snapshot-changed", message, fix="a person says whether the new output is right"), changed[0].path)


def _was_there(pair: FilePair) -> bool:
    return pair.base is not None or bool(pair.previous) or (pair.head is None and not pair.content)


def _is_data(path: str) -> bool:
    """Whether it is a file of data beside tests."""
    return is_test(path) and path.endswith((".json", ".yaml", ".yml", ".txt", ".xml", ".html", ".csv", ".out", ".svg"))
