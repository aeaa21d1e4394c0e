"""The tests that a runner really collects, on base and head: what is left out though its source is still there.

A test whose source is gone is seen without running anything (suites.py). What parameters a test has is told by its text as
well, so how often it is collected only counts where the change leaves its file alone. A JavaScript test may have a title that
only its run makes: of those, too, only the number is compared.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.tampering.python_source import Unreadable
from forge_dagster.domain.tampering.script_source import parse
from forge_dagster.domain.tampering.script_tests import script_tests
from forge_dagster.domain.tampering.signs import Sign, asks, found

_NAMED = 5
_NOWHERE = "None"
"""In the place of a file that is not known."""


def left_out(
    base: Iterable[str],
    head: Iterable[str],
    *,
    renamed: Mapping[str, str],
    changed: Collection[str],
    text: Callable[[str], str | None],
) -> tuple[Finding, ...]:
    """One finding for each file. `base` and `head` are ids of pytest's, with files from the root.

    `renamed`: path in the base -> path in the head; `changed`: the head's files that the change touches; `text` gives one of
    them, None where there is no such file.
    """
    before, after = _counts(base, renamed), _counts(head, {})
    lost: dict[str, list[str]] = defaultdict(list)
    for (file, test), count in before.items():
        now = after[file, test]
        if now >= count or (now and file in changed):
            continue
        source = text(file)
        if source is not None and re.search(rf"\bdef\s+{re.escape(test)}\b", source):
            lost[file].append(f"{test} ({now} of {count} cases)" if now else test)
    return tuple(found(_sign(tests), file) for file, tests in lost.items())


def scripts_left_out(
    base: Iterable[str],
    head: Iterable[str],
    *,
    renamed: Mapping[str, str],
    changed: Collection[str],
    text: Callable[[str], str | None],
    files: Iterable[str] = (),
) -> tuple[Finding, ...]:
    """The same for JavaScript: `base` and `head` are files from the root, `::`, and the full names of tests.

    A runner may not say in which file a test is (None); then it is looked for in `files`, the head's tests.
    """
    before, after = _by_file(base, renamed), _by_file(head, {})
    unplaced, loose = before.pop(_NOWHERE, Counter()), after.pop(_NOWHERE, Counter())
    gone = {test for test in unplaced if test not in loose and not any(test in tests for tests in after.values())}
    findings = []
    for file, tests in before.items():
        there = after.get(file, Counter())
        elsewhere = (tests - there) & loose
        loose, there = loose - elsewhere, there + elsewhere
        source = text(file) if tests - there else None
        if source is None:
            continue
        lost = _lost(tests, there, _written(source, file), touched=file in changed)
        if lost:
            findings.append(found(_sign(lost), file))
    for file in files if gone else ():
        here = sorted(gone & _written(text(file) or "", file))
        gone -= set(here)
        if here:
            findings.append(found(_sign(here), file))
    return tuple(findings)


def _lost(before: Counter[str], after: Counter[str], written: Collection[str], *, touched: bool) -> list[str]:
    lost = []
    named = 0
    for test, count in before.items():
        now = after[test]
        if now >= count or test not in written or (now and touched):
            continue
        named += count - now
        lost.append(f"{test} ({now} of {count} cases)" if now else test)
    fewer = 0 if touched else before.total() - after.total() - named
    made = [test for test in before if test not in written and after[test] < before[test]]
    return lost + made[: max(fewer, 0)]


def _written(source: str, path: str) -> frozenset[str]:
    """The names of tests that stand in a file, as far as they do."""
    try:
        return frozenset(_plain(test.id) for test in script_tests(parse(source, path)))
    except Unreadable:
        return frozenset()


def _by_file(tests: Iterable[str], renamed: Mapping[str, str]) -> dict[str, Counter[str]]:
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for test in tests:
        file, _, name = test.partition("::")
        files[renamed.get(file, file)][_plain(name)] += 1
    return files


def _plain(name: str) -> str:
    """A test's name as all of the runners and the comparison of sources would write it: groups are told by spaces."""
    return " ".join(name.replace(" > ", " ").split())


def _counts(tests: Iterable[str], renamed: Mapping[str, str]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for test in tests:
        file, _, inner = test.partition("::")
        counts[renamed.get(file, file), inner.partition("[")[0].rpartition("::")[2]] += 1
    return counts


def _sign(tests: list[str]) -> Sign:
    names = ", ".join(one_line(test, 80) for test in tests[:_NAMED])
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    what = "a test that runs on the base is" if len(tests) == 1 else f"{len(tests)} tests that run on the base are"
    message = f"{what} not collected any more, though the source is there: {names}{more}"
    return asks("test-not-collected", message, fix="have it collected, or say in the pull request why it is not to run")
