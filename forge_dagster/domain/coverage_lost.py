"""Where a decrease of the overall coverage lies: lines that the base's tests execute and the change's do not any more."""

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher

from forge_dagster.domain.changes import Change
from forge_dagster.domain.coverage import runs_of
from forge_dagster.domain.coverage_report import Coverage
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Severity

MOST = 20
"""Places that are named."""
_LONGEST = 20_000
"""Lines of a changed file up to which it is followed. What is repeated often is no anchor (difflib, "autojunk"), so that the
time of a comparison stays in proportion.
"""
Texts = Callable[[str], str | None]


def lost_coverage(
    change: Change,
    base: Coverage,
    head: Coverage,
    is_source: Callable[[str], bool],
    *,
    base_text: Texts,
    head_text: Texts,
) -> tuple[Finding, ...]:
    """A finding per run of lines that are still there, were covered and are not; at most MOST, in the order of files.

    Lines of a file that the change touches are followed through it by their text (`base_text`, `head_text`: a file's text, None
    for what cannot be read, of which nothing is said).
    """
    former = {file.path: file.previous_path or file.path for file in change.files if file.status != "removed"}
    found: list[Finding] = []
    for path in sorted(path for path in head if is_source(path)):
        before = base.get(former.get(path, path))
        if before is None or not head[path].missing:
            continue
        same = _same_lines(base_text(former[path]), head_text(path)) if path in former else None
        if path in former and same is None:
            continue
        executed = before.executed if same is None else frozenset(same[line] for line in before.executed if line in same)
        lost = executed & head[path].missing
        text = (head_text(path) or "").splitlines()
        found += [_finding(path, first, last, text) for first, last in runs_of(lost, head[path].executed)]
    return tuple(found[:MOST])


def _same_lines(before: str | None, after: str | None) -> Mapping[int, int] | None:
    """Line of the former text -> line of the present one, for those that stand in both."""
    if before is None or after is None:
        return None
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _LONGEST:
        return None
    blocks = SequenceMatcher(None, old, new).get_matching_blocks()
    return {block.a + step + 1: block.b + step + 1 for block in blocks for step in range(block.size)}


def _finding(path: str, first: int, last: int, text: list[str]) -> Finding:
    where = f"line {first} is" if first == last else f"lines {first} to {last} are"
    return Finding(
        tool="coverage",
        rule="no-longer-covered",
        category=Category.COVERAGE,
        severity=Severity.WARNING,
        attribution=Attribution.NEW,
        file=path,
        line=first,
        message=f"{where} not covered any more: the base's tests execute {'it' if first == last else 'them'}",
        suggested_fix=f"restore the test that executed {path}:{first}, or remove the code if nothing reaches it any more",
        snippet=text[first - 1] if first <= len(text) else "",
    )
