"""Whether the tests execute what a change adds, and no less of the whole than before."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.coverage_report import Coverage, FileCoverage, merge_coverage
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.policy_gates import CoverageSection
from forge_dagster.domain.sources import code_lines, is_test

DECREASE = "overall-decrease"
"""Rule of the finding that the whole is less covered than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageJudgement:
    """What the coverage gate answers. `metrics` holds percentages, and only those that mean something."""

    outcome: Outcome
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """So many of so many lines or branches."""

    covered: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        return 100.0 * self.covered / self.total

    def reaches(self, threshold: float) -> bool:
        """Nothing to cover reaches any threshold."""
        return self.total == 0 or self.percent >= threshold - 1e-9

    def __add__(self, other: "_Share") -> "_Share":
        return _Share(covered=self.covered + other.covered, total=self.total + other.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewCode:
    """The coverable changed lines of one file. `report_lacks_it`: no test so much as imported the file."""

    file: str
    covered: frozenset[int]
    uncovered: frozenset[int]
    excluded: frozenset[int]
    branches: Mapping[int, tuple[int, int]]
    report_lacks_it: bool

    @property
    def lines(self) -> _Share:
        return _Share(covered=len(self.covered), total=len(self.covered) + len(self.uncovered))

    @property
    def arms(self) -> _Share:
        return _Share(covered=sum(t for t, _ in self.branches.values()), total=sum(n for _, n in self.branches.values()))


def judge_coverage(
    change: Change,
    head: Coverage,
    base: Coverage | None,
    section: CoverageSection,
    is_source: Callable[[str], bool],
    sources: Mapping[str, str] | None = None,
    *,
    whole: Coverage | None = None,
    left_out: Collection[str] = (),
) -> CoverageJudgement:
    """Judge new code and the whole (specification, stage 2: 90% line, 80% branch of new code, no overall decrease).

    Only lines that the change adds or edits and that can be executed count as new code; none of them is "not applicable",
    never 0%. A changed source file that `head` lacks counts as uncovered (its lines by `code_lines` of `sources`), and so does
    a file that only `base` has, unless the change removed it. The whole has decreased when its percentage is lower than
    `base`'s and more of its lines are uncovered: deleting covered code alone is no decrease. `whole` is what is compared with
    `base`, where `head` holds more than the tests that `base` was measured by (see `comparable`). `left_out` are files that the
    repository does not have measured (coverage_settings.py): where `head` lacks one, its lines are shown as excluded.
    """
    texts = sources or {}
    new = [
        _new_code(file, head, texts.get(file.path, ""), measured=file.path not in left_out)
        for file in change.files
        if file.status != "removed" and is_source(file.path)
    ]
    lines = sum((one.lines for one in new), _Share())
    arms = sum((one.arms for one in new), _Share())
    faults, findings = [], []
    if not lines.reaches(section.new_lines):
        faults.append(f"{lines.percent:.1f}% of the new lines are covered, {section.new_lines:g}% are asked for")
    if not arms.reaches(section.new_branches):
        faults.append(f"{arms.percent:.1f}% of the new branches are taken, {section.new_branches:g}% are asked for")
    for one in new:
        text = texts.get(one.file, "").splitlines()
        findings += _line_findings(one, text, _weight(lines.reaches(section.new_lines)))
        findings += _branch_findings(one, text, _weight(arms.reaches(section.new_branches)))
    like = head if whole is None else whole
    overall = overall_lines({**_forgotten(change, like, base or {}), **like}, is_source)
    before = overall_lines(base or {}, is_source)
    if before.total and not section.allow_decrease and _decreased(before, overall):
        faults.append(f"overall line coverage falls from {before.percent:.2f}% to {_percent(overall):.2f}%")
        findings.append(_decrease(before, overall))
    shares = {
        "new_line_coverage": lines,
        "new_branch_coverage": arms,
        "overall_line_coverage": overall,
        "base_line_coverage": before,
    }
    metrics = {name: round(share.percent, 2) for name, share in shares.items() if share.total}
    outcome, reason = Outcome.PASSED, f"{lines.covered} of {lines.total} new lines are covered"
    if faults:
        outcome, reason = Outcome.FAILED, "; ".join(faults)
    elif not lines.total:
        outcome, reason = Outcome.SKIPPED, "not applicable: the change adds no line that a test could execute"
    return CoverageJudgement(outcome=outcome, reason=reason, metrics=metrics, findings=tuple(findings))


def comparable(unit: Coverage, integration: Coverage, change: Change, integration_tests: Collection[str]) -> Coverage:
    """What of the head is to be compared with the base, of which only the unit tests can be run (no services are there for it).

    What integration tests execute counts on the lines that the change adds, which they may be the only ones to cover; and
    everywhere where the change touches such a test, since coverage may then have moved from one kind to the other.
    """
    if not set(integration_tests).isdisjoint(change.paths):
        return merge_coverage([unit, integration])
    added = {file.path: file.added_lines for file in change.files}
    new = {
        path: FileCoverage(path=path, executed=one.executed & added[path], missing=one.missing & added[path])
        for path, one in integration.items()
        if path in added
    }
    return merge_coverage([unit, new])


def may_decrease(change: Change, head: Coverage, is_source: Callable[[str], bool]) -> bool:
    """Whether the whole's coverage could be lower than the base's. To know the base's costs a run of its tests.

    It cannot by a change that touches neither product code nor an existing test; nor by one that leaves the existing tests
    alone, while every line of the product is covered.
    """
    touched = [(path, f.status) for f in change.files for path in (f.path, f.previous_path) if path is not None]
    if any(is_test(path) and status != "added" for path, status in touched):
        return True
    whole = overall_lines(head, is_source)
    return whole.covered < whole.total and any(is_source(path) for path, _ in touched)


def overall_lines(coverage: Coverage, is_source: Callable[[str], bool]) -> _Share:
    """Covered and coverable lines of all product code in a report; tests do not count as covered code."""
    files = [one for one in coverage.values() if is_source(one.path)]
    return _Share(covered=sum(len(one.executed) for one in files), total=sum(len(one.coverable) for one in files))


def _forgotten(change: Change, head: Coverage, base: Coverage) -> Coverage:
    """Files that the base's tests reached and the head's no longer do, though they are still there: uncovered."""
    gone = {f.path for f in change.files if f.status == "removed"} | {
        f.previous_path for f in change.files if f.status == "renamed"
    }
    return {
        path: FileCoverage(path=path, missing=one.coverable)
        for path, one in base.items()
        if path not in head and path not in gone
    }


def _new_code(file: ChangedFile, head: Coverage, text: str, *, measured: bool) -> _NewCode:
    known = head.get(file.path)
    lines = code_lines(file.path, text) if text else file.added_lines
    alone = FileCoverage(path=file.path, missing=lines) if measured else FileCoverage(path=file.path, excluded=lines)
    one = known or alone
    added = file.added_lines
    return _NewCode(
        file=file.path,
        covered=one.executed & added,
        uncovered=(one.missing - one.executed) & added,
        excluded=one.excluded & added,
        branches={line: counts for line, counts in one.branches.items() if line in added},
        report_lacks_it=known is None,
    )


def _decreased(before: _Share, after: _Share) -> bool:
    lower = _percent(after) < before.percent - 0.005
    return lower and after.total - after.covered > before.total - before.covered


def _percent(share: _Share) -> float:
    return share.percent if share.total else 0.0


def _weight(enough: bool) -> Severity:
    return Severity.NOTE if enough else Severity.ERROR


def _decrease(before: _Share, after: _Share) -> Finding:
    uncovered = (after.total - after.covered) - (before.total - before.covered)
    return Finding(
        tool="coverage",
        rule=DECREASE,
        category=Category.COVERAGE,
        attribution=Attribution.NEW,
        message=f"overall line coverage falls from {before.percent:.2f}% to {_percent(after):.2f}%, "
        f"{uncovered} more lines are uncovered",
        suggested_fix="cover the new code, and restore tests that the change removed or that no longer reach the code",
    )


def _line_findings(one: _NewCode, text: list[str], severity: Severity) -> list[Finding]:
    findings = []
    for first, last in runs_of(one.uncovered, one.covered):
        where = f"line {first} is" if first == last else f"lines {first} to {last} are"
        why = ": the tests' report does not know this file, so none of them imports it" if one.report_lacks_it else ""
        findings.append(
            Finding(
                tool="coverage",
                rule="uncovered-lines",
                category=Category.COVERAGE,
                severity=severity,
                attribution=Attribution.NEW,
                file=one.file,
                line=first,
                message=f"{where} not covered by any test{why}",
                suggested_fix=f"add a test that executes {one.file}:{first}" + ("" if first == last else f"-{last}"),
                snippet=text[first - 1] if first <= len(text) else "",
            )
        )
    if one.excluded:
        findings.append(
            Finding(
                tool="coverage",
                rule="excluded-lines",
                category=Category.COVERAGE,
                severity=Severity.WARNING,
                attribution=Attribution.NEW,
                file=one.file,
                line=min(one.excluded),
                message=f"{len(one.excluded)} of the changed lines are excluded from coverage",
                suggested_fix="remove the exclusion, or let a person judge it",
            )
        )
    return findings


def _branch_findings(one: _NewCode, text: list[str], severity: Severity) -> list[Finding]:
    return [
        Finding(
            tool="coverage",
            rule="uncovered-branch",
            category=Category.COVERAGE,
            severity=severity,
            attribution=Attribution.NEW,
            file=one.file,
            line=line,
            message=f"{total - taken} of {total} branches that start at line {line} are never taken",
            suggested_fix=f"add a test for each way that {one.file}:{line} can go",
            snippet=text[line - 1] if line <= len(text) else "",
        )
        for line, (taken, total) in sorted(one.branches.items())
        if taken < total and line not in one.uncovered
    ]


def runs_of(uncovered: frozenset[int], covered: frozenset[int]) -> list[tuple[int, int]]:
    """Uncovered lines as (first, last), one run as long as no covered line and no gap of more than 3 lines lies between."""
    runs: list[tuple[int, int]] = []
    for line in sorted(uncovered):
        if runs and line - runs[-1][1] <= 4 and covered.isdisjoint(range(runs[-1][1], line)):
            runs[-1] = (runs[-1][0], line)
        else:
            runs.append((line, line))
    return runs
