"""Whose doing a failure is: what follows from comparing with the base and from running a failed test alone."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import TEST_RULES, Finding, identity
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.sources import is_test

MANY_FAILING = 0.8
"""Share of a suite's tests above which failing at once speaks of its surroundings, not of the change."""

MANY_TESTS = 5
"""A smaller suite can fail as a whole by one fault in the code."""

MAX_COMPARED = 20_000
"""Findings of one tool that are compared with the base's; of a tool that reports more, the rest stays UNKNOWN."""

NO_TESTS = "no-tests"
"""Rule of a suite in which nothing runs: demanded of every tree, whatever the base is like."""

NOT_KEPT = 3
"""From so many times on that a base breaks a rule of style that nobody chose, it is taken for none of the repository's."""

IMPOSED = "which nobody here chose"
"""What every reason says that tells of such a tool."""

DECLARED = "is a declared dependency"
"""How the reason ends why a tool counts as chosen of which nothing but this is seen: no settings, no task, no hook."""

_NAMED = 3
"""Flaky tests named in a reason; the findings tell them all."""


def suspicious(failed: int, total: int) -> bool:
    """Whether so many of a suite's tests fail at once that its surroundings may be at fault: over 80% of at least five."""
    return total >= MANY_TESTS and failed / total > MANY_FAILING


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the same tool says of the base: how often each `mark` is there, and how often each rule is broken.

    `infrastructure`: nearly all of the base's tests fail at once, too. `problem`: why the base could not be examined.
    """

    marks: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    infrastructure: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a tool's part comes to."""

    outcome: Outcome
    reason: str


def mark(finding: Finding) -> str:
    """Stands for what a finding is about (findings.identity): 24 hex digits that show nothing of the line's text."""
    return hashlib.sha256("\0".join(identity(finding)).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def baseline(findings: Iterable[Finding]) -> Baseline:
    """What there is to compare with, from the findings in the base. A test that is flaky there is no failure there."""
    listed = tuple(findings)
    firm = [finding for finding in listed[:MAX_COMPARED] if finding.attribution is not Attribution.FLAKY]
    suspected = any(finding.attribution is Attribution.INFRASTRUCTURE for finding in listed)
    rules = Counter(finding.rule for finding in firm if finding.severity is Severity.ERROR)
    return Baseline(marks=Counter(mark(finding) for finding in firm), rules=rules, infrastructure=suspected)


def to_compare(findings: Iterable[Finding]) -> bool:
    """Whether it takes the base to know whose doing these are: there is an error that nobody has attributed yet."""
    open_ones = (Attribution.UNKNOWN, Attribution.INFRASTRUCTURE)
    return any(f.severity is Severity.ERROR and f.attribution in open_ones and f.rule != NO_TESTS for f in findings)


def compared(
    findings: Sequence[Finding], base: Baseline, *, change: Change, folders: Iterable[str] = ("",)
) -> tuple[Finding, ...]:
    """The findings, with each error PREEXISTING that the base has too and NEW that it has not; the others as they are.

    Files are known by their names in the base. Where the base has fewer of the same than the head, those in places that the
    change did not touch come first. What is on an added line stays NEW, except for a failed test, which is known by its id.
    `folders` are those that ids of tests may be relative to.
    """
    if base.problem:
        return tuple(findings)
    renamed = {f.path: f.previous_path for f in change.files if f.previous_path is not None and f.previous_path != f.path}
    names = _names(renamed, folders)
    left = Counter(base.marks)
    given: dict[int, Attribution] = {}
    asked = [number for number, finding in enumerate(findings[:MAX_COMPARED]) if _is_asked(finding, base)]
    for number in sorted(asked, key=lambda n: (findings[n].attribution is Attribution.NEW, findings[n].file in renamed)):
        known_as = mark(_in_base(findings[number], renamed, names))
        left[known_as] -= 1
        given[number] = Attribution.PREEXISTING if left[known_as] >= 0 else Attribution.NEW
    return tuple(
        finding.model_copy(update={"attribution": given[number]}) if number in given else finding
        for number, finding in enumerate(findings)
    )


def _is_asked(finding: Finding, base: Baseline) -> bool:
    if finding.severity is not Severity.ERROR or finding.rule == NO_TESTS:
        return False
    if finding.attribution is Attribution.INFRASTRUCTURE:
        return not base.infrastructure
    return finding.attribution is Attribution.UNKNOWN or (finding.attribution is Attribution.NEW and of_a_test(finding))


def of_a_test(finding: Finding) -> bool:
    """Whether it is about a test, whose id is the finding's snippet."""
    return finding.category is Category.TEST and finding.rule in TEST_RULES and bool(finding.snippet.strip())


def _names(renamed: Mapping[str, str], folders: Iterable[str]) -> Mapping[str, str]:
    """New names of files -> old ones, as ids of tests have them: also relative to `folders`."""
    names = dict(renamed)
    for folder in folders:
        inner = f"{folder}/"
        if folder:
            pairs = ((n.removeprefix(inner), o.removeprefix(inner)) for n, o in renamed.items() if n.startswith(inner))
            names |= dict(pairs)
    return names


def _in_base(finding: Finding, renamed: Mapping[str, str], names: Mapping[str, str]) -> Finding:
    """The finding as it would be called in the base."""
    update: dict[str, str] = {}
    if finding.file is not None and finding.file in renamed:
        update["file"] = renamed[finding.file]
    if finding.category is Category.TEST and names:
        file, rest = file_of_test(finding.snippet)
        if file in names:
            update["snippet"] = names[file] + rest
    return finding.model_copy(update=update) if update else finding


def file_of_test(test: str) -> tuple[str, str]:
    """The file in the id of a test ("tests/test_a.py::test_b", "a.test.ts > b", "a.test.ts"), and what follows it."""
    ends = [position for word in ("::", " > ", " › ") if (position := test.find(word)) > 0]
    end = min(ends, default=len(test))
    return test[:end], test[end:]


def touches(finding: Finding, change: Change, *, folders: Iterable[str] = ("",)) -> bool:
    """Whether the change touches the file of the finding's test. `folders`: what its id may be relative to."""
    paths = set(change.paths)
    own, _ = file_of_test(finding.snippet.strip())
    if own and any((f"{folder}/{own}" if folder else own) in paths for folder in folders):
        return True
    return finding.file is not None and finding.file in paths and is_test(finding.file)


def conclude(
    errors: Sequence[Finding], *, reason: str, is_touched: Callable[[Finding], bool], examined: bool = True
) -> Conclusion:
    """What follows for a tool that failed, from its errors as they are attributed by now. `reason` is its own.

    New and unattributed ones FAIL it, and so does a flaky test in a file that the change touches. Else what is flaky, or has
    its cause in the surroundings, is ERRORED: nobody knows, so it neither passes nor blames the change. What the base has too
    lets it pass, unless nothing but that was looked at (`examined`).
    """
    by = Counter(finding.attribution for finding in errors)
    flaky = [finding for finding in errors if finding.attribution is Attribution.FLAKY]
    own = [finding for finding in flaky if is_touched(finding)]
    old = by[Attribution.PREEXISTING]
    also = f"; {_findings(old)} that the base has too {'does' if old == 1 else 'do'} not count" if old else ""
    if by[Attribution.INFRASTRUCTURE]:
        return Conclusion(outcome=Outcome.ERRORED, reason=_surroundings(reason))
    if by[Attribution.NEW] or by[Attribution.UNKNOWN] or not errors:
        return Conclusion(outcome=Outcome.FAILED, reason=f"{reason}{also}".removeprefix("; "))
    if own:
        where = "in a file that the change touches, so it is the change's to mend"
        return Conclusion(outcome=Outcome.FAILED, reason=f"flaky: {_tests(own)} failed, then passed alone, {where}{also}")
    if flaky:
        what = f"flaky: {_tests(flaky)} failed, then passed alone on the same input"
        return Conclusion(outcome=Outcome.ERRORED, reason=f"{what}; run it again{also}")
    red = f"baseline red: {_findings(old)} that the base has too"
    if not examined:
        return Conclusion(outcome=Outcome.ERRORED, reason=f"{red}, and nothing else could be looked at; mend the base first")
    return Conclusion(outcome=Outcome.PASSED, reason=red)


def _surroundings(reason: str) -> str:
    said = f" ({reason})" if reason else ""
    return f"more than 80% failing at once{said}: the surroundings are suspected, not the change; look at them and run it again"


def _findings(count: int) -> str:
    return f"{count} finding{'' if count == 1 else 's'}"


def _tests(flaky: Sequence[Finding]) -> str:
    names = [one_line(finding.snippet or finding.message, 120) for finding in flaky]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def softened(finding: Finding, broken: Mapping[str, int]) -> Finding:
    """An error of a tool that nobody chose: a warning, where the base has it too, or breaks that rule time and again: then the
    rule is none of the repository's, and nobody wants it mended. `broken`: rule -> times, of rules that may be so.
    """
    not_theirs = broken.get(finding.rule, 0) >= NOT_KEPT
    if finding.severity is Severity.ERROR and (finding.attribution is Attribution.PREEXISTING or not_theirs):
        return finding.model_copy(update={"severity": Severity.WARNING})
    return finding


def imposed(findings: Iterable[Finding], *, who: str) -> tuple[tuple[Finding, ...], str]:
    """What such a tool says where nothing is known to compare with: warnings, and the reason why they are no more. `who` is how
    a reason names it.

    A tool that the repository did not choose is never imposed on what was there before.
    """
    listed = tuple(findings)
    errors = sum(finding.severity is Severity.ERROR for finding in listed)
    soft = tuple(
        finding.model_copy(update={"severity": Severity.WARNING}) if finding.severity is Severity.ERROR else finding
        for finding in listed
    )
    what = f"so its {_findings(errors)} {'does' if errors == 1 else 'do'} not fail"
    return soft, f"{who}; nothing to compare with, {what}"


def fixtures(findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], str]:
    """Credentials with nothing to compare with: those in tests, which are commonly made up for them, are warnings. With the
    reason; "" where there is none such.
    """
    listed = tuple(findings)
    soft = tuple(
        finding.model_copy(update={"severity": Severity.WARNING})
        if finding.severity is Severity.ERROR and finding.file is not None and is_test(finding.file)
        else finding
        for finding in listed
    )
    changed = sum(new is not old for new, old in zip(soft, listed, strict=True))
    what = "1 finding in tests does" if changed == 1 else f"{changed} findings in tests do"
    return soft, f"nothing to compare with, so {what} not fail: a change that adds one would" if changed else ""
