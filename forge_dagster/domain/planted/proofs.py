"""What the answers of the gates prove, now that it is known what they should have found."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.attribution import IMPOSED
from forge_dagster.domain.findings import FILE_RULES, Finding
from forge_dagster.domain.graph import GATES, gate_spec
from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.planted.faults import Fault, Unplanted
from forge_dagster.domain.project import Language
from forge_dagster.domain.results import GateResult, ToolRun, gate_result

SCHEMA = "forge.doctor-gates/1"
_SHOWN = 300
_ORDER = {spec.name: number for number, spec in enumerate(GATES)}
_OLD = (Attribution.PREEXISTING, Attribution.FLAKY, Attribution.INFRASTRUCTURE)


class Proof(StrEnum):
    """PROVEN: the gate found the fault. NOT_PROVEN: it answered, and did not. CANNOT: it gave no answer."""

    PROVEN = "proven"
    NOT_PROVEN = "not_proven"
    CANNOT = "cannot"


class Proved(BaseModel):
    """What came of one fault. `found_by`: the tools that told of it; `duration_s`: what its gate took; `part` as in Fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str
    proof: Proof
    what: str = ""
    reason: str = ""
    language: Language | None = None
    part: str = ""
    found_by: tuple[str, ...] = ()
    warned_by: tuple[str, ...] = ()
    """Tools that told of it and let it pass, as the repository weighs it."""
    errored: bool = False
    """CANNOT, because the gate broke down over the copy: it lets nothing pass, and proves nothing."""
    duration_s: float = 0.0

    @property
    def is_alarm(self) -> bool:
        """Whether something has to be done about this gate."""
        return self.errored or self.proof is Proof.NOT_PROVEN


def unproved(one: Unplanted) -> Proved:
    """What is known of a gate for which nothing could be planted."""
    return Proved(gate=one.gate, proof=Proof.CANNOT, reason=one.reason, language=one.language, part=one.part)


def proved(
    fault: Fault,
    places: Mapping[str, frozenset[int] | None],
    result: GateResult,
    *,
    speaks: Mapping[str, Language | None],
) -> Proved:
    """Judge what the gate said of the copy that holds the fault.

    `places` are the fault's own lines by file, `speaks` tool -> the language it looks at (None: all). Only an error in these
    lines, or one that tells the drawn mark, proves anything: a gate that fails whatever it is shown has found nothing.
    """
    told = [finding for finding in result.findings if _tells(finding, fault, places)]
    by = tuple(dict.fromkeys(finding.tool for finding in told if finding.severity is Severity.ERROR))
    if result.outcome is Outcome.FAILED and by:
        return _proved(fault, result, Proof.PROVEN, _also(fault, result, by, speaks), by)
    if result.outcome in (Outcome.ERRORED, Outcome.SKIPPED, Outcome.NOT_RUN):
        said = _proved(fault, result, Proof.CANNOT, f"{result.outcome.value}: {result.reason or result.summary}")
        return said.model_copy(update={"errored": result.outcome is Outcome.ERRORED})
    runs = _of_language(fault, result.tools, speaks)
    answered = [run for run in runs if run.outcome in (Outcome.PASSED, Outcome.FAILED)]
    if result.tools and not answered:
        silent = "; ".join(f"{run.tool} {run.outcome.value}: {run.reason}" for run in runs) or "no tool of it ran here"
        said = _proved(fault, result, Proof.CANNOT, silent)
        return said.model_copy(update={"errored": any(run.outcome is Outcome.ERRORED for run in runs)})
    warned = tuple(dict.fromkeys(finding.tool for finding in told))
    if warned:
        reason = f"{', '.join(warned)} only warns of {fault.what}, and warnings pass here"
        proof = Proof.NOT_PROVEN
        if all(IMPOSED in run.reason for run in runs if run.tool in warned):
            proof, reason = (
                Proof.CANNOT,
                f"{reason}: it runs in a way {IMPOSED}; name one in forge.toml, [gates.{fault.gate}] tools",
            )
        return _proved(fault, result, proof, reason).model_copy(update={"warned_by": warned})
    names = ", ".join(dict.fromkeys(run.tool for run in answered))
    if result.outcome is Outcome.PASSED:
        return _proved(fault, result, Proof.NOT_PROVEN, f"passed in spite of {fault.what}{f' ({names})' if names else ''}")
    return _proved(fault, result, Proof.NOT_PROVEN, f"failed, but says nothing of {fault.what}: {result.summary}")


def _proved(fault: Fault, result: GateResult, proof: Proof, reason: str, by: tuple[str, ...] = ()) -> Proved:
    return Proved(
        gate=fault.gate,
        proof=proof,
        what=fault.what,
        reason=one_line(reason, _SHOWN),
        language=fault.language,
        part=fault.part,
        found_by=by,
        duration_s=result.duration_s,
    )


def _tells(finding: Finding, fault: Fault, places: Mapping[str, frozenset[int] | None]) -> bool:
    if finding.attribution in _OLD:
        return False
    if any(fault.mark.lower() in said.lower() for said in (finding.message, finding.snippet)):
        return True
    if finding.file is None or finding.file not in places:
        return False
    lines = places[finding.file]
    return lines is None or finding.line is None or finding.line in lines or finding.rule in FILE_RULES


def _of_language(fault: Fault, runs: Iterable[ToolRun], speaks: Mapping[str, Language | None]) -> list[ToolRun]:
    """The runs that could have found it; of those for a further project, only its own, where it has any."""
    found = [run for run in runs if fault.language is None or speaks.get(run.tool) in (None, fault.language)]
    own = [run for run in found if fault.part and run.chosen_because.startswith(f"{fault.part}: ")]
    return own or found


def _also(fault: Fault, result: GateResult, by: Collection[str], speaks: Mapping[str, Language | None]) -> str:
    """Which tools of the gate said nothing, though another found it: for people to know."""
    silent = [run.tool for run in _of_language(fault, result.tools, speaks) if run.outcome is Outcome.PASSED]
    others = ", ".join(name for name in dict.fromkeys(silent) if name not in by)
    return f"not by {others}" if others else ""


def proven_otherwise(first: Proved, second: Proved) -> Proved:
    """What follows for a gate that only warned of its first fault, from a second one that is an error everywhere."""
    if second.proof is not Proof.PROVEN:
        return first
    return second.model_copy(update={"reason": first.reason, "duration_s": first.duration_s + second.duration_s})


def in_order(proofs: Iterable[Proved]) -> tuple[Proved, ...]:
    """By the graph's order of gates, then as given."""
    return tuple(sorted(proofs, key=lambda one: _ORDER[one.gate]))


def all_proven(proofs: Iterable[Proved]) -> bool:
    """Whether some gate found its fault, and none let it through or broke down. One that does not apply is no alarm."""
    listed = tuple(proofs)
    return any(one.proof is Proof.PROVEN for one in listed) and not any(one.is_alarm for one in listed)


def alarm(one: Proved) -> Finding:
    """A gate that is not proven, as a finding of the nightly run."""
    named = [*([one.language.value] if one.language is not None else []), *([one.part] if one.part else [])]
    about = f" ({', '.join(named)})" if named else ""
    return Finding(
        tool="proof",
        rule=f"not-proven-{one.gate}",
        category=Category.INTEGRITY,
        message=f"gate {one.gate}{about} {one.reason}",
        suggested_fix=advice(one),
        snippet=f"{one.gate} {one.what} {one.part}".strip(),
    )


def proof_result(proofs: Iterable[Proved]) -> GateResult:
    """What a nightly run says: ERRORED where a gate let its fault through or broke down: the machinery is at fault."""
    listed = tuple(proofs)
    numbers = Counter(one.proof for one in listed)
    alarms = [one for one in listed if one.is_alarm]
    reason = (
        f"{numbers[Proof.PROVEN]} planted faults found, {numbers[Proof.NOT_PROVEN]} got through, "
        f"{numbers[Proof.CANNOT]} could not be asked"
    )
    outcome = Outcome.PASSED if numbers[Proof.PROVEN] else Outcome.SKIPPED
    if alarms:
        named = ", ".join(dict.fromkeys(one.gate for one in alarms))
        outcome, reason = Outcome.ERRORED, f"{reason}: {named}\n  -> {advice(alarms[0])}"
    metrics = {proof.value: float(numbers[proof]) for proof in Proof}
    return gate_result("proof", outcome, reason=reason, findings=[alarm(one) for one in alarms], metrics=metrics)


def advice(one: Proved) -> str:
    """What to do about a gate that is not proven. `forge check` knows nothing of one that is not local."""
    if not gate_spec(one.gate).local:
        again = f"then ask again: forge doctor --gate {one.gate}"
        passing = "" if one.errored else ": as it is, the gate would let such a change through"
        return f"look at how it is built and at [deploy] in forge.toml, {again}{passing}"
    if one.errored:
        return f"see why: forge check --gate {one.gate}"
    tools = "its tool's configuration" if one.language is None else f"the configuration of its {one.language.value} tool"
    return f"look at {tools} (forge check --explain --gate {one.gate}): as it is, the gate would let such a change through"


def proofs_report(*, repository: str, head: str | None, proofs: Iterable[Proved]) -> Mapping[str, Any]:
    """The object that `forge doctor --gates --format json` prints."""
    listed = tuple(proofs)
    return {
        "schema": SCHEMA,
        "repository": repository,
        "head": head,
        "proven": all_proven(listed),
        "gates": [
            {
                "gate": one.gate,
                "language": one.language.value if one.language is not None else None,
                "part": one.part,
                "proof": one.proof.value,
                "planted": one.what,
                "reason": one.reason,
                "errored": one.errored,
                "found_by": list(one.found_by),
                "duration_s": round(one.duration_s, 3),
            }
            for one in listed
        ],
    }
