"""The decision: merge, ask a person, or reject. Pure; nothing else in Forge decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from forge_dagster.domain.check_report import LANGUAGE_FREE
from forge_dagster.domain.decisions import Approval, Decision, Risk, TrustLevel, Verdict
from forge_dagster.domain.graph import GateSpec, blocked
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.trust import merges_alone, why_not

MAX_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a verdict rests on.

    `specs` are the gates that must answer (without the verdict's own). `authors` are the logins of who wrote and who pushed
    the change: their own approval is void. `kind_declared`: the policy says what the project is ([project].kind). `light`: the
    change touches documents only (domain.light), so that nothing had to look at code.
    """

    attempt_id: int
    repository: str
    number: int
    head_sha: str
    specs: tuple[GateSpec, ...]
    results: Mapping[str, GateResult]
    risk: Risk
    trust: TrustLevel
    approvals: tuple[Approval, ...] = ()
    authors: frozenset[str] = frozenset()
    kind_declared: bool = False
    light: bool = False


def complete(specs: tuple[GateSpec, ...], results: Mapping[str, GateResult]) -> dict[str, GateResult]:
    """One result for each gate: a missing one is NOT_RUN where an earlier gate explains it, else ERRORED."""
    outcomes = {spec.name: results[spec.name].outcome for spec in specs if spec.name in results}
    stopped = blocked(specs, outcomes)
    whole: dict[str, GateResult] = {}
    for spec in specs:
        if spec.name in results:
            whole[spec.name] = results[spec.name]
        elif spec.name in stopped:
            whole[spec.name] = gate_result(spec.name, Outcome.NOT_RUN, reason=f"{stopped[spec.name]} did not pass")
        else:
            whole[spec.name] = gate_result(
                spec.name, Outcome.ERRORED, reason="the gate gave no result: its run ended before it"
            )
    return whole


def give_verdict(case: Case) -> Verdict:
    """Decide.

    Any FAILED gate rejects, but an advisory one, which can at most ask for a person. A person's rejection of this head rejects.
    A gate that neither passed nor was skipped makes the outcome ERRORED, which no approval can merge: the machinery is to run
    again. What all gates let through merges by risk and trust, or by the approval of a person who is not the author; else it
    waits for that person. So does a failure that the base has too: it blames nobody, and nobody may overlook it.
    """
    everything = complete(case.specs, case.results)
    results = {spec.name: everything[spec.name] for spec in case.specs if not spec.advisory}
    failed = [result for result in results.values() if result.outcome is Outcome.FAILED]
    if failed:
        return _verdict(case, Outcome.FAILED, Decision.REJECT, (result.summary for result in failed))
    words = _words(case)
    refusals = [word for word in words if not word.approved]
    stuck = [result for result in results.values() if not result.outcome.lets_through]
    outcome = Outcome.ERRORED if stuck or not results else Outcome.PASSED
    if refusals:
        reasons = (f"{word.by} rejected it" + (f": {word.comment}" if word.comment else "") for word in refusals)
        return _verdict(case, outcome, Decision.REJECT, reasons)
    if outcome is Outcome.ERRORED:
        ordered = sorted(stuck, key=lambda result: result.outcome is Outcome.NOT_RUN)
        summaries = [result.summary for result in ordered] or ["no gate examined the change"]
        return _verdict(case, outcome, Decision.REVIEW, summaries)
    opinions = [everything[spec.name] for spec in case.specs if spec.advisory]
    asks = tuple(_why_a_person(case, results, opinions))
    if not asks:
        return _verdict(case, outcome, Decision.MERGE, ("every gate let it through", _trusted(case)))
    approver = next((word.by for word in words if word.approved), None)
    if approver is not None:
        return _verdict(case, outcome, Decision.MERGE, (f"approved by {approver}", *asks), approved_by=approver)
    return _verdict(case, outcome, Decision.REVIEW, asks)


def _why_a_person(case: Case, results: Mapping[str, GateResult], opinions: Iterable[GateResult]) -> Iterable[str]:
    passed = {name for name, result in results.items() if result.outcome is Outcome.PASSED}
    if not passed:
        yield "nothing examined it: every gate was skipped"
    elif passed <= LANGUAGE_FREE and not case.kind_declared and not case.light:
        yield "nothing but secrets and integrity examined it: no recognised language, and forge.toml has no [project].kind"
    for result in results.values():
        for finding in result.findings:
            if finding.category is Category.INTEGRITY and finding.severity is not Severity.NOTE:
                yield f"{result.gate} asks for a person: {finding.place} {finding.message}".replace(":  ", ": ")
        red = [f for f in result.findings if f.severity is Severity.ERROR and f.attribution is Attribution.PREEXISTING]
        if red:
            more = f", and {len(red) - 1} more like it" if len(red) > 1 else ""
            yield f"the base is broken already: {result.gate}, {red[0].place} {one_line(red[0].message, 300)}{more}"
    yield from _opinions(opinions)
    if not merges_alone(case.trust, case.risk):
        yield why_not(case.trust, case.risk)


def _opinions(results: Iterable[GateResult]) -> Iterable[str]:
    """What advisory gates object to. One that failed to answer says nothing, neither for the change nor against it."""
    for result in results:
        errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
        for finding in errors:
            yield f"{result.gate} asks for a person: {finding.place} {finding.message}".replace(":  ", ": ")
        if result.outcome is Outcome.FAILED and not errors:
            yield f"{result.gate} asks for a person: {result.reason or 'it objects'}"


def _trusted(case: Case) -> str:
    return f"{case.risk.level.value} risk, and the author is at trust level L{case.trust.value}"


def _words(case: Case) -> list[Approval]:
    """The latest valid word of each person: on this very head, and not by an author (logins ignore case)."""
    authors = {author.casefold() for author in case.authors}
    latest: dict[str, Approval] = {}
    for word in sorted(case.approvals, key=lambda word: word.at):
        here = (word.repository, word.number, word.head_sha) == (case.repository, case.number, case.head_sha)
        if here and word.by.casefold() not in authors:
            latest[word.by.casefold()] = word
    return list(latest.values())


def _verdict(
    case: Case, outcome: Outcome, decision: Decision, reasons: Iterable[str], *, approved_by: str | None = None
) -> Verdict:
    told = [one_line(reason, 500) for reason in reasons]
    if len(told) > MAX_REASONS:
        told = [*told[: MAX_REASONS - 1], f"and {len(told) - MAX_REASONS + 1} more"]
    return Verdict(
        attempt_id=case.attempt_id,
        outcome=outcome,
        decision=decision,
        reasons=tuple(told),
        risk=case.risk,
        trust=case.trust,
        approved_by=approved_by,
    )


def verdict_result(verdict: Verdict, *, note: str = "") -> GateResult:
    """The verdict as the result of its gate: FAILED for a rejection, ERRORED where the machinery failed, else PASSED.

    `note` says what followed: merged, judged again, waiting.
    """
    if verdict.decision is Decision.REJECT:
        outcome = Outcome.FAILED
    elif verdict.outcome is Outcome.PASSED:
        outcome = Outcome.PASSED
    else:
        outcome = Outcome.ERRORED
    reason = ": ".join((verdict.decision.value, *verdict.reasons[:1]))
    return gate_result(
        "verdict",
        outcome,
        reason=f"{reason} ({note})" if note else reason,
        metrics={"risk": float(list(type(verdict.risk.level)).index(verdict.risk.level)), "trust": float(verdict.trust)},
    )
