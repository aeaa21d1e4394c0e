"""The tests that a runner really collects, on base and head: what is left out though its source is still there.

A test whose source is gone is seen without running anything (suites.py). What parameters a test has is told by its text as
well, so how often it is collected only counts where the change leaves its file alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.tampering.signs import Sign, asks, found

_NAMED = 5


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
