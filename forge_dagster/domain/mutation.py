"""Whether tests notice faults that are planted into the code a change adds (mutation testing)."""

import ast
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.sources import code_lines

LEAST_SAMPLE = 10
"""Mutants that are judged whatever the budget: a share of fewer says nothing."""
TIME_SHARE = 0.8
"""Of the gate's time limit that may be used, so that what was judged by then is not lost."""
SEED = 20_240_229
"""Seed of property-based tests while mutants are judged: the same examples for each, or the score would be a throw of dice."""

_SHOWN_LINES = 6
"""Lines of a mutant's diff that are shown."""


class Fate(StrEnum):
    """What became of a mutant. A timeout counts as noticed, as mutation tools count it; INVALID ones do not count at all."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    NO_COVERAGE = "no-coverage"
    INVALID = "invalid"


NOTICED = frozenset({Fate.KILLED, Fate.TIMEOUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault that was planted: where, by which rule of the tool, as lines that went and came, and what became of it."""

    file: str
    line: int
    kind: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    fate: Fate

    @property
    def diff(self) -> str:
        """The mutation as a diff of a few lines."""
        lines = [*(f"- {line.strip()}" for line in self.removed), *(f"+ {line.strip()}" for line in self.added)]
        return "\n".join([*lines[:_SHOWN_LINES], *(["..."] if len(lines) > _SHOWN_LINES else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationJudgement:
    """What follows from the mutants of one tool."""

    outcome: Outcome
    reason: str
    examined: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def lines_to_mutate(
    change: Change, is_source: Callable[[str], bool], endings: tuple[str, ...], directory: str = ""
) -> Mapping[str, frozenset[int]]:
    """The lines of product code that the change adds or edits, per file with one of these endings below `directory`."""
    prefix = f"{directory}/" if directory else ""
    return {
        file.path: file.added_lines
        for file in change.files
        if file.status != "removed"
        and file.added_lines
        and file.path.startswith(prefix)
        and file.path.endswith(endings)
        and is_source(file.path)
    }


def mutable_lines(path: str, text: str) -> frozenset[int]:
    """Lines of a file on which code stands, with all lines of a statement that takes several; no comments, no docstrings."""
    if not path.endswith(".py"):
        return code_lines(path, text)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code_lines(path, text)
    found: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        body = getattr(node, "body", None)
        found.update(range(node.lineno, max(body[0].lineno, node.lineno + 1) if body else (node.end_lineno or node.lineno) + 1))
    return frozenset(found)


def ranges(lines: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Lines as ranges (first, last), in order."""
    found: list[tuple[int, int]] = []
    for line in sorted(set(lines)):
        if found and line == found[-1][1] + 1:
            found[-1] = (found[-1][0], line)
        else:
            found.append((line, line))
    return tuple(found)


def sample_order(keys: Iterable[str], seed: str) -> tuple[str, ...]:
    """The keys in an order that looks random and is the same for the same seed: any beginning of it is a fair sample."""
    return tuple(sorted(set(keys), key=lambda key: (hashlib.sha256(f"{seed}\0{key}".encode()).digest(), key)))


def affordable(total: int, *, seconds_each: float, budget_s: float, limit_s: float = math.inf) -> int:
    """How many of `total` mutants can be judged within the budget: LEAST_SAMPLE at least, all at most.

    `limit_s`: seconds that there are at all, in which fewer have to do, but one.
    """
    if total * seconds_each <= min(budget_s, limit_s):
        return total
    wanted = max(LEAST_SAMPLE, int(budget_s / seconds_each))
    possible = total if limit_s == math.inf else max(1, int(limit_s / seconds_each))
    return min(total, wanted, possible)


def seed_of(change: Change) -> str:
    """What the sample is drawn by: the head's commit, so that judging the same head again judges the same mutants."""
    return change.head_sha or change.base_sha or ""


def score(fates: Iterable[Fate]) -> float | None:
    """Noticed mutants in percent of all valid ones; None where there are none."""
    counts = Counter(fates)
    valid = sum(counts.values()) - counts[Fate.INVALID]
    return None if valid == 0 else 100.0 * sum(counts[fate] for fate in NOTICED) / valid


def combined(metrics: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The metrics of several tools as those of one."""
    every = [one for one in metrics if one.get("sampled")]
    if not every:
        return {}
    sums = {name: sum(one[name] for one in every) for name in ("mutants", "sampled", "killed", "survived")}
    return {"mutation_score": round(100.0 * sums["killed"] / sums["sampled"], 2), **sums}


def judge_mutants(
    tool: str, mutants: Sequence[Mutant], *, found: int, minimum: float, budget_s: float, note: str = ""
) -> MutationJudgement:
    """Judge what became of the `mutants` that were planted, of `found` that the change offers (specification, stage 3: 75%).

    Those that no test notices are findings: errors where the score is below the minimum, else warnings. Mutants that no test
    executes count as not noticed. Where the change offers none, the gate does not apply.
    """
    valid = [mutant for mutant in mutants if mutant.fate is not Fate.INVALID]
    if not valid:
        return MutationJudgement(outcome=Outcome.SKIPPED, reason="nothing in the change that can be mutated")
    percent = score(mutant.fate for mutant in valid)
    assert percent is not None
    alive = [mutant for mutant in valid if mutant.fate not in NOTICED]
    enough = percent >= minimum - 1e-9
    offered = max(found - (len(mutants) - len(valid)), len(valid))
    reason = f"tests notice {len(valid) - len(alive)} of {len(valid)} planted faults ({percent:.1f}%)"
    if not enough:
        reason += f", {minimum:g}% are asked for"
    if offered > len(valid):
        reason += f"; sampled {len(valid)} of {offered} mutants, for which the budget of {budget_s:.0f} s is enough"
    if note:
        reason += f"; {note}"
    severity = Severity.WARNING if enough else Severity.ERROR
    return MutationJudgement(
        outcome=Outcome.PASSED if enough else Outcome.FAILED,
        reason=reason,
        examined=len(valid),
        metrics={
            "mutation_score": round(percent, 2),
            "mutants": float(offered),
            "sampled": float(len(valid)),
            "killed": float(len(valid) - len(alive)),
            "survived": float(len(alive)),
        },
        findings=tuple(_finding(tool, mutant, severity) for mutant in sorted(alive, key=lambda m: (m.file, m.line, m.kind))),
    )


def _finding(tool: str, mutant: Mutant, severity: Severity) -> Finding:
    lacking = mutant.fate is Fate.NO_COVERAGE
    what = (
        "no test executes this line, so none would notice" if lacking else "every test still passes with this fault in the code"
    )
    return Finding(
        tool=tool,
        rule=mutant.fate.value,
        message=f"{what} ({mutant.kind}):\n{mutant.diff}",
        category=Category.MUTATION,
        file=mutant.file,
        line=mutant.line,
        severity=severity,
        attribution=Attribution.NEW,
        suggested_fix=f"write a test that notices it: one that fails once {mutant.file}:{mutant.line} reads as shown",
        snippet="\n".join((mutant.kind, mutant.diff)),
    )
