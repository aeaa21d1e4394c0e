"""What is judged: a change at one head revision, and who made it."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.graph import Job


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Value):
    """Who pushed (as the host's token says) and what the head commit's trailers claim.

    `pusher` is the authenticated login, `pusher_is_agent` whether that login is bound to an agent. The rest is the agent's own
    word: trailers Agent-By, Task-ID, Model, Prompt-Hash (specification, "Agent Identity & Audit Trail").
    """

    pusher: str | None = None
    pusher_is_agent: bool = False
    agent: str | None = None
    task: str | None = None
    model: str | None = None
    prompt_hash: str | None = None

    @property
    def name(self) -> str:
        """The name trust is kept under: the authenticated pusher, never the claim; `local` where nobody pushed."""
        return self.pusher or "local"


class ChangedFile(_Value):
    """A file that differs between base and head. `added_lines` are line numbers in the head's version."""

    path: str
    status: str = "modified"
    """added, modified, removed or renamed."""
    previous_path: str | None = None
    added_lines: frozenset[int] = frozenset()
    binary: bool = False


class Change(_Value):
    """A pull request (or a local commit range) at one head revision.

    `head_sha` is None for a work tree with uncommitted edits; `base_sha` is None where nothing is known to compare with.
    """

    repository: str
    number: int | None = None
    title: str = ""
    base_ref: str = ""
    base_sha: str | None = None
    head_sha: str | None = None
    files: tuple[ChangedFile, ...] = ()
    folder: str = ""
    """The folder of the repository that is looked at, to which all paths are relative; "": the whole of it."""
    identity: Identity = Identity()

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path the change touches, old names of renamed files included."""
        both = [p for f in self.files for p in (f.path, f.previous_path) if p is not None]
        return tuple(dict.fromkeys(both))


class AttemptState(StrEnum):
    """PENDING (row made) -> REQUESTED (run asked for) -> RUNNING (a run claimed it) -> DECIDED, SUPERSEDED or ABANDONED."""

    PENDING = "pending"
    REQUESTED = "requested"
    RUNNING = "running"
    DECIDED = "decided"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"

    @property
    def is_final(self) -> bool:
        """Whether nothing further happens to the attempt."""
        return self in (AttemptState.DECIDED, AttemptState.SUPERSEDED, AttemptState.ABANDONED)


class Attempt(_Value):
    """The one effective run for (repository, job, change, head, policy, round).

    `round` rises only when a merge finds that the base moved under the tested tree, so the same head is judged again.
    For job RELEASE `number` is None and `head_sha` the commit on the environment's branch `base_ref`.
    """

    id: int = 0
    repository: str
    job: Job
    number: int | None = None
    title: str = ""
    base_ref: str
    base_sha: str | None = None
    head_sha: str
    policy_digest: str
    round: int = 0
    state: AttemptState = AttemptState.PENDING
    run_id: str | None = None
    tested_tree: str | None = None
    """Digest of the git tree the gates saw: base and head merged; what lands must have this very tree."""
    identity: Identity = Identity()
    created_at: float = 0.0

    @property
    def partition(self) -> str:
        """Dagster's partition key, `owner/repo@<sha12>` (DESIGN section 4)."""
        return f"{self.repository}@{self.head_sha[:12]}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the attempt's run, without empty values."""
        tags = {
            "forge/attempt": str(self.id),
            "forge/repo": self.repository,
            "forge/pr": "" if self.number is None else str(self.number),
            "forge/sha": self.head_sha,
            "forge/agent": self.identity.agent or self.identity.pusher or "",
            "forge/task": self.identity.task or "",
            "forge/model": self.identity.model or "",
        }
        return {key: value for key, value in tags.items() if value}
