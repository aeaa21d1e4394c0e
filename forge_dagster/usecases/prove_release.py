"""Nothing is deployed that Forge did not build itself from a tree it let through, or an operator vouched for."""

from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.attestations import Kind, Statement, vouched_statement
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy import POLICY_FILE, policy_digest
from forge_dagster.errors import EvidenceError, UsageError
from forge_dagster.platforms.artifacts import digest
from forge_dagster.ports import Attestation, Services
from forge_dagster.usecases.evidence import Proofs


def prove_release(services: Services, attempt: Attempt, artifact: Path, *, first: bool, log: Callable[[str], None]) -> None:
    """Show that `artifact` was built by this very release, and that its tree was let through. Raises EvidenceError if not.

    `first`: nothing of the repository is live where it goes. Such a release, if its branch never had one and no change into it
    was ever judged, is signed as the branch's baseline: what the operator put under Forge's care. Raises HostError when the
    host cannot say what the policy was.
    """
    proofs = Proofs(services)
    tree = prove_build(proofs, attempt, artifact)
    verdicts = [proven.statement for proven in proofs.of(Kind.VERDICT, repository=attempt.repository, tree=tree)]
    faults = [_verdict_fault(services, attempt, verdict) for verdict in verdicts]
    if None in faults:
        log(f"tree {tree[:12]} is the one that a signed verdict let through")
        return
    vouched = [p.statement for p in proofs.of(Kind.VOUCHED, repository=attempt.repository, head_sha=attempt.head_sha)]
    word = next((v for v in vouched if _is_for(v, attempt, tree)), None)
    if word is not None and (word.vouched.by == "" or services.settings.evidence.unverified_releases == "ask"):
        log(f"{attempt.head_sha[:12]} {f'was vouched for by {word.vouched.by}' if word.vouched.by else 'is the baseline'}")
        return
    if first and not _is_known(services, attempt):
        keep_vouched(services, attempt, tree=tree, by="", why="the first release of the branch")
        log(f"{attempt.head_sha[:12]} is signed as the baseline of {attempt.base_ref}: what Forge was given to look after")
        return
    known = "; ".join(dict.fromkeys(fault for fault in faults if fault)) or "no verdict was ever given on its tree"
    raise EvidenceError(f"{attempt.head_sha[:12]} did not come through Forge: {known}", hint=_way_out(services, attempt))


def prove_build(proofs: Proofs, attempt: Attempt, artifact: Path) -> str:
    """Show that `artifact` is what the gate `build` of this release made; its commit's tree. Raises EvidenceError."""
    proven = next(proofs.of(Kind.GATE, attempt, name="build"), None)
    where = f"release {attempt.head_sha[:12]} (attempt {attempt.id})"
    again = "run the release again, so that it is built again"
    if proven is None:
        raise EvidenceError(f"{where}: its build was never attested", hint=again)
    statement = proven.statement
    if not _is_for(statement, attempt, None) or statement.gate.outcome is not Outcome.PASSED:
        raise EvidenceError(f"{where}: the attested build is of another commit, branch or release", hint=again)
    found = digest(artifact)
    if statement.artifact != found:
        attested = (statement.artifact or "none")[:12]
        raise EvidenceError(f"{where}: {artifact} is not what was built: sha256 {found[:12]}, attested {attested}", hint=again)
    tree = statement.facts.tree
    if tree is None:
        raise EvidenceError(f"{where}: its build names no tree", hint=again)
    return tree


def vouch(services: Services, repository: str, sha: str, *, by: str, why: str) -> Attempt:
    """Sign that `by` answers for releasing `sha` without a verdict; the release that may be run again for it.

    Raises UsageError: the settings refuse such releases, or no release of that commit is known.
    """
    if services.settings.evidence.unverified_releases != "ask":
        raise UsageError(
            "this Forge's settings refuse releases without a verdict",
            hint='land it by a pull request, or set unverified_releases = "ask" under [evidence]',
        )
    releases = services.ledger.attempts(repository=repository, job=Job.RELEASE, limit=1000)
    found = [attempt for attempt in releases if len(sha) >= 7 and attempt.head_sha.startswith(sha)]
    if len({attempt.head_sha for attempt in found}) != 1:
        known = "no release" if not found else "more than one release"
        raise UsageError(f"{known} of {repository} is of commit {one_line(sha)}", hint="`forge status` shows the releases")
    attempt = found[0]
    proofs = Proofs(services)
    proven = next(proofs.of(Kind.GATE, attempt, name="build"), None)
    if proven is None or proven.statement.facts.tree is None:
        raise UsageError(f"{attempt.partition} has not been built yet", hint="wait for its build, or run the release again")
    keep_vouched(services, attempt, tree=proven.statement.facts.tree, by=one_line(by, 100), why=one_line(why, 1000))
    return attempt


def keep_vouched(services: Services, attempt: Attempt, *, tree: str, by: str, why: str) -> None:
    """Sign that a release may go on without a verdict."""
    at = services.clock.now()
    statement = vouched_statement(attempt, tree=tree, by=by, why=why, at=at)
    body = {
        "attempt": attempt.id,
        "repository": attempt.repository,
        "number": attempt.number,
        "head": attempt.head_sha,
        "branch": attempt.base_ref,
        "by": by,
        "why": why,
    }
    services.ledger.attest(Attestation(statement=statement, body=body, at=at))


def _is_for(statement: Statement, attempt: Attempt, tree: str | None) -> bool:
    facts = statement.facts
    said = (facts.repository, facts.head, facts.branch, facts.job)
    if statement.kind is Kind.GATE and facts.attempt != attempt.id:
        return False
    same_tree = tree is None or facts.tree == tree
    return same_tree and said == (attempt.repository, attempt.head_sha, attempt.base_ref, attempt.job.value)


def _verdict_fault(services: Services, attempt: Attempt, verdict: Statement) -> str | None:
    """Why a signed verdict on the tree does not let it out here, or None."""
    facts = verdict.facts
    if verdict.verdict.decision is not Decision.MERGE:
        return f"the verdict on its tree was {verdict.verdict.decision.value}"
    if facts.branch != attempt.base_ref:
        return f"its tree was let into {one_line(facts.branch, 100)}, not into {attempt.base_ref}"
    if facts.base is None:
        return "the verdict on its tree names no base"
    text = services.host_of(attempt.repository).file_text(attempt.repository, POLICY_FILE, facts.base)
    if policy_digest(text or "") != facts.policy:
        return "the verdict on its tree was given under another policy than its base's"
    return None


def _is_known(services: Services, attempt: Attempt) -> bool:
    """Whether the branch ever had a baseline, a vouched release, or a change that was judged for it."""
    proofs = Proofs(services)
    kinds = (Kind.VOUCHED, Kind.VERDICT)
    return any(
        proven.statement.facts.branch == attempt.base_ref
        for kind in kinds
        for proven in proofs.of(kind, repository=attempt.repository, limit=100_000)
    )


def _way_out(services: Services, attempt: Attempt) -> str:
    if services.settings.evidence.unverified_releases == "ask":
        return f"land it by a pull request, or answer for it: forge audit vouch {attempt.repository} {attempt.head_sha[:12]}"
    return "land it by a pull request"
