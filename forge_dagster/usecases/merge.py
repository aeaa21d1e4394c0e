"""Land what a verdict lets through: the very head that was judged, giving the very tree that was tested, once."""

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.plain_text import one_line
from forge_dagster.errors import HeadMoved, RevisionGone, WorkspaceError
from forge_dagster.ports import GitHost, PullRequest, Services
from forge_dagster.usecases.evidence import signed_verdict
from forge_dagster.usecases.open_attempts import next_round, put_check, supersede

LEASE_S = 180.0
"""How long a merge may take before another process may try: longer than any answer of a host is waited for."""

LANDED_CHECK = "forge/landed"

LandingState = Literal["merged", "superseded", "next_round", "stuck", "busy", "not_due"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What became of a merge. `busy`: another one into the same branch is under way, try again. `note` is for people."""

    state: LandingState
    note: str
    sha: str | None = None


def merge(services: Services, attempt_id: int) -> Landing:
    """Merge the attempt's pull request, if its verdict says so and it is still what was judged. Idempotent.

    A head that moved supersedes the attempt; a base that moved opens the next round, unless merging gives the tested tree all
    the same. Merges into one branch happen one after another. Raises HostError when the host does not answer: call again;
    EvidenceError when the stored verdict is not the one that was signed.
    """
    attempt = services.ledger.attempt(attempt_id)
    verdict = signed_verdict(services, attempt)
    if verdict is None or verdict.decision is not Decision.MERGE or attempt.number is None:
        return Landing(state="not_due", note="there is no verdict to merge by")
    name, owner = f"merge:{attempt.repository}:{attempt.base_ref}", uuid.uuid4().hex
    if not services.ledger.lock(name, owner=owner, ttl_s=LEASE_S, at=services.clock.now()):
        return Landing(state="busy", note="waits for another merge into the same branch")
    try:
        return _land(services, attempt, attempt.number)
    finally:
        services.ledger.unlock(name, owner=owner)


def _land(services: Services, attempt: Attempt, number: int) -> Landing:
    host = services.host_of(attempt.repository)
    pull = host.pull_request(attempt.repository, number)
    if pull.merged and pull.head_sha == attempt.head_sha:
        return _landed(services, host, attempt, pull.merge_sha, recorded=_recorded(services, attempt))
    moved = why_not_current(pull, attempt)
    if moved is not None:
        return _superseded(services, attempt, moved)
    if not _gives_tested_tree(services, host, attempt):
        return _again(services, host, pull, attempt)
    try:
        sha = host.merge(attempt.repository, number, head_sha=attempt.head_sha, title=_title(attempt))
    except HeadMoved as error:
        return _superseded(services, attempt, error.message)
    return _landed(services, host, attempt, sha, recorded=False)


def why_not_current(pull: PullRequest, attempt: Attempt) -> str | None:
    """Why an attempt's verdict is no longer for what the pull request is, or None."""
    if pull.head_sha != attempt.head_sha:
        return f"the head is {pull.head_sha[:12]} by now"
    if pull.base_ref != attempt.base_ref:
        return f"it is to go into {one_line(pull.base_ref)} by now"
    if pull.state == "closed":
        return "the pull request is closed"
    return "the pull request is a draft" if pull.draft else None


def _gives_tested_tree(services: Services, host: GitHost, attempt: Attempt) -> bool:
    base = host.branch_head(attempt.repository, attempt.base_ref)
    if base is None or attempt.tested_tree is None:
        return False
    return base == attempt.base_sha or services.workspace.merged_tree(attempt, host, base_sha=base) == attempt.tested_tree


def _again(services: Services, host: GitHost, pull: PullRequest, attempt: Attempt) -> Landing:
    newer = next_round(services, host, pull, attempt)
    if newer is None:
        _record(services, attempt, "merge.stuck", why="the base moved too often")
        note = f"{attempt.base_ref} moved during each of {attempt.round + 1} rounds: push again when it is quieter"
        return Landing(state="stuck", note=note)
    _record(services, attempt, "merge.next_round", newer=newer.id)
    return Landing(state="next_round", note=f"{attempt.base_ref} moved: judged again with what was merged meanwhile")


def _superseded(services: Services, attempt: Attempt, why: str) -> Landing:
    supersede(services, [attempt], why=why, cancel=[])
    _record(services, attempt, "merge.refused", why=one_line(why))
    return Landing(state="superseded", note=f"not merged: {one_line(why)}")


def _landed(services: Services, host: GitHost, attempt: Attempt, sha: str | None, *, recorded: bool) -> Landing:
    """Keep what landed, and compare it with what was tested: somebody else may write to the branch of a foreign host."""
    landing = Landing(state="merged", sha=sha, note=f"merged as {sha[:12]}" if sha else "merged")
    if recorded:
        return landing
    tree = _tree_of(services, host, attempt, sha)
    same = None if tree is None else tree == attempt.tested_tree
    if same is False and sha is not None:
        title = "the merged tree is not the tested one: somebody else wrote to the branch at the same moment"
        check = {"name": LANDED_CHECK, "status": "completed", "conclusion": "failure", "title": title, "summary": title}
        put_check(services, attempt.model_copy(update={"head_sha": sha}), check)
    _record(services, attempt, "merged", sha=sha, landed_tree=tree, tested_tree=attempt.tested_tree, tested=same)
    return landing


def _recorded(services: Services, attempt: Attempt) -> bool:
    """Whether the audit log has the merge already; it is looked for among the newest entries only."""
    newest = services.ledger.audit(limit=1000, kinds=("merged",))
    return any(entry.body.get("attempt") == attempt.id for entry in newest)


def _tree_of(services: Services, host: GitHost, attempt: Attempt, sha: str | None) -> str | None:
    if sha is None:
        return None
    try:
        return services.workspace.merged_tree(attempt, host, base_sha=sha)
    except (RevisionGone, WorkspaceError):
        return None  # it has landed: not being able to look does not undo that, and the audit row says "unknown"


def _title(attempt: Attempt) -> str:
    return one_line(f"Merge #{attempt.number}: {attempt.title}", 200)


def _record(services: Services, attempt: Attempt, kind: str, **more: Any) -> None:
    body = {"attempt": attempt.id, "repository": attempt.repository, "number": attempt.number, "head": attempt.head_sha}
    services.ledger.record(kind, {**body, **more}, services.clock.now())
