"""What Forge attests: in-toto Statements v1 on gates, verdicts and vouched releases. Signing them is somebody else's.

Statement: in-toto/attestation, "Statement layer", v1. The verdict's predicate is SLSA's verification summary v1 (slsa.dev,
"Verification Summary Attestation") with Forge's own facts beside its fields; the two others are described in docs/evidence.md.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forge_dagster.domain.audit import canonical_json
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision, Verdict
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""DSSE's `payloadType` for a Statement (in-toto/attestation, "Envelope layer")."""

VERIFIER = "https://forge.dev/forge/v1"
GATE_RESULT = "https://forge.dev/gate-result/v1"
VERDICT = "https://slsa.dev/verification_summary/v1"
VOUCHED = "https://forge.dev/vouched-release/v1"

MERGED_LEVEL = "FORGE_MERGE"
"""The level a verdict of MERGE verifies. SLSA reserves names that begin with SLSA_; of those Forge claims none."""


class Kind(StrEnum):
    """What a statement is about; also the `kind` of its entry in the audit log."""

    GATE = "gate"
    VERDICT = "verdict"
    VOUCHED = "vouched"


KIND_OF = {GATE_RESULT: Kind.GATE, VERDICT: Kind.VERDICT, VOUCHED: Kind.VOUCHED}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(_Value):
    """A thing the statement speaks of, by digest: gitTree, gitCommit, or sha256 of a file."""

    name: str
    digest: Mapping[str, str]


class Facts(_Value):
    """What a statement is bound to. A statement with other facts than those asked for proves nothing."""

    repository: str
    job: str
    number: int | None = None
    branch: str
    head: str
    base: str | None = None
    tree: str | None = None
    """The tree that was examined: base and head merged, or the released commit's own."""
    policy: str
    """SHA-256 of the `forge.toml` that judged."""
    attempt: int


class GateFacts(_Value):
    """What gate-result/v1 says of the gate."""

    gate: str
    outcome: Outcome
    result: str
    """SHA-256 of the whole result (result_digest)."""
    cached: bool = False
    findings: int = 0
    tools: tuple[Mapping[str, str], ...] = ()


class VerdictFacts(_Value):
    """What Forge adds to the verification summary."""

    decision: Decision
    verdict: str
    """SHA-256 of the whole verdict (verdict_digest)."""
    gates: Mapping[str, str]
    """Gate -> digest of the attestation that the verdict rests on."""
    outcome: Outcome
    risk: str
    trust: int
    approved_by: str | None = None
    reasons: tuple[str, ...] = ()


class VouchedFacts(_Value):
    """Why a commit that passed no verdict may be released."""

    by: str
    """The operator's login, or "" for the first release of a branch (its baseline)."""
    why: str = ""


class Statement(BaseModel):
    """An in-toto Statement v1 as Forge writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(default=STATEMENT_TYPE, alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: str = Field(alias="predicateType")
    predicate: Mapping[str, Any]

    @property
    def kind(self) -> Kind | None:
        """None: not a statement of Forge's."""
        return KIND_OF.get(self.predicate_type)

    @property
    def facts(self) -> Facts:
        """Raises ValueError where they are not there."""
        return Facts.model_validate(self.predicate.get("forge"))

    @property
    def gate(self) -> GateFacts:
        """Raises ValueError for a statement that is about no gate."""
        return GateFacts.model_validate(self.predicate.get("gate") if self.kind is Kind.GATE else None)

    @property
    def verdict(self) -> VerdictFacts:
        """Raises ValueError for a statement that is no verdict."""
        return VerdictFacts.model_validate(self.predicate.get("verdict") if self.kind is Kind.VERDICT else None)

    @property
    def vouched(self) -> VouchedFacts:
        """Raises ValueError for a statement that vouches for nothing."""
        return VouchedFacts.model_validate(self.predicate.get("vouched") if self.kind is Kind.VOUCHED else None)

    @property
    def artifact(self) -> str | None:
        """SHA-256 of the built artifact, where there is one among the subjects."""
        return next((s.digest.get("sha256") for s in self.subject if s.name == "artifact"), None)

    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json(self.model_dump(mode="json", by_alias=True)).encode("ascii")


def parse_statement(payload: bytes) -> Statement:
    """Read a signed payload. Raises ValueError for anything but a Statement of Forge's in its one way of writing."""
    try:
        statement = Statement.model_validate(json.loads(payload))
    except (ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a statement: {error}") from error
    if statement.kind is None:
        raise ValueError(f"a predicate that Forge does not know: {statement.predicate_type}")
    if statement.payload() != payload:
        raise ValueError("a statement in another way of writing than Forge's")
    return statement


def content_digest(text: str) -> str:
    """The address of an envelope: SHA-256 of its text, 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def result_digest(result: GateResult) -> str:
    """SHA-256 of a result, however it was stored meanwhile."""
    return _digest(result.model_dump(mode="python"))


def verdict_digest(verdict: Verdict) -> str:
    """SHA-256 of a verdict."""
    return _digest(verdict.model_dump(mode="python"))


def _digest(value: object) -> str:
    # Tools' metrics may be infinite, so this is not canonical_json, which refuses that.
    return content_digest(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True))


def gate_statement(attempt: Attempt, result: GateResult, *, tree: str | None, base: str | None, at: float) -> Statement:
    """That a gate gave `result` on `tree`."""
    gate = GateFacts(
        gate=result.gate,
        outcome=result.outcome,
        result=result_digest(result),
        cached=result.cached,
        findings=result.findings_total,
        tools=tuple({"name": tool.tool, "version": tool.version, "outcome": tool.outcome.value} for tool in result.tools),
    )
    built = result.artifacts.get("digest", "") if result.gate == "build" else ""
    subjects = _subjects(attempt, tree)
    if built.startswith("sha256:"):
        subjects = (*subjects, Subject(name="artifact", digest={"sha256": built.removeprefix("sha256:")}))
    predicate = {
        "forge": _facts(attempt, tree=tree, base=base),
        "gate": gate.model_dump(mode="json"),
        "run": attempt.run_id,
        "at": _time(at),
    }
    return _statement(GATE_RESULT, subjects, predicate)


def verdict_statement(attempt: Attempt, verdict: Verdict, *, gates: Mapping[str, str], at: float) -> Statement:
    """The verdict with what it rests on; `gates`: gate -> digest of its attestation."""
    merges = verdict.decision is Decision.MERGE
    facts = VerdictFacts(
        decision=verdict.decision,
        verdict=verdict_digest(verdict),
        gates=dict(sorted(gates.items())),
        outcome=verdict.outcome,
        risk=verdict.risk.level.value,
        trust=verdict.trust.value,
        approved_by=verdict.approved_by,
        reasons=verdict.reasons,
    )
    predicate = {
        "verifier": {"id": VERIFIER},
        "timeVerified": _time(at),
        "resourceUri": f"forge:{attempt.repository}",
        "policy": {"uri": "forge.toml", "digest": {"sha256": attempt.policy_digest}},
        "inputAttestations": [{"uri": f"forge:gate/{gate}", "digest": {"sha256": d}} for gate, d in sorted(gates.items())],
        "verificationResult": "PASSED" if merges else "FAILED",
        "verifiedLevels": [MERGED_LEVEL] if merges else [],
        "forge": _facts(attempt, tree=attempt.tested_tree, base=attempt.base_sha),
        "verdict": facts.model_dump(mode="json"),
    }
    return _statement(VERDICT, _subjects(attempt, attempt.tested_tree), predicate)


def vouched_statement(attempt: Attempt, *, tree: str | None, by: str, why: str, at: float) -> Statement:
    """That the release `attempt` may go on without a verdict; `by` "": as its branch's baseline."""
    predicate = {
        "forge": _facts(attempt, tree=tree, base=None),
        "vouched": VouchedFacts(by=by, why=why).model_dump(mode="json"),
        "at": _time(at),
    }
    return _statement(VOUCHED, _subjects(attempt, tree), predicate)


def _statement(predicate_type: str, subjects: tuple[Subject, ...], predicate: Mapping[str, Any]) -> Statement:
    # Through JSON once, so that what is signed and what is read back are the same value.
    plain = json.loads(canonical_json(dict(predicate)))
    return Statement(subject=subjects, predicate_type=predicate_type, predicate=plain)


def _facts(attempt: Attempt, *, tree: str | None, base: str | None) -> dict[str, Any]:
    return Facts(
        repository=attempt.repository,
        job=attempt.job.value,
        number=attempt.number,
        branch=attempt.base_ref,
        head=attempt.head_sha,
        base=base,
        tree=tree,
        policy=attempt.policy_digest,
        attempt=attempt.id,
    ).model_dump(mode="json")


def _subjects(attempt: Attempt, tree: str | None) -> tuple[Subject, ...]:
    head = Subject(name="head", digest={"gitCommit": attempt.head_sha})
    return (head,) if tree is None else (Subject(name="tree", digest={"gitTree": tree}), head)


def _time(at: float) -> str:
    """RFC 3339, as SLSA wants it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
