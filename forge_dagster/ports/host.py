"""The git host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from forge_dagster.domain.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as the host has it now. `author` is the agent's name where the login is bound to one, else the login."""

    repository: str
    number: int
    title: str
    state: Literal["open", "closed"]
    merged: bool
    draft: bool
    head_sha: str
    head_ref: str
    base_ref: str
    base_sha: str
    author: str
    author_is_agent: bool = False
    merge_sha: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRun:
    """A check to show on a commit. `key` identifies it for idempotent rewriting (sent as external_id)."""

    key: str
    name: str
    head_sha: str
    status: Literal["queued", "in_progress", "completed"]
    conclusion: Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"] | None = None
    title: str = ""
    summary: str = ""
    details_url: str = ""
    annotations: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit's message and parents, as the host tells them."""

    sha: str
    message: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRemark:
    """What somebody wrote in a review of a pull request, about `head_sha`.

    On a line (`file`, `line`), or as a whole: then `state` is commented, approved, changes_requested or dismissed.
    """

    by: str
    head_sha: str
    body: str
    file: str | None = None
    line: int | None = None
    state: str = ""


class GitHost(Protocol):
    """A GitHub-shaped host. Every call raises HostError; every write is idempotent."""

    def pull_request(self, repository: str, number: int) -> PullRequest: ...
    def open_pull_requests(self, repository: str) -> tuple[PullRequest, ...]: ...
    def repositories(self) -> tuple[str, ...]: ...
    def commit(self, repository: str, ref: str) -> Commit:
        """Raises RevisionGone when it does not exist (any more)."""
        ...

    def remarks(self, repository: str, number: int) -> tuple[HostRemark, ...]:
        """What reviews of the pull request say, as far as the host keeps it, oldest first."""
        ...

    def branch_head(self, repository: str, branch: str) -> str | None:
        """Commit at the tip, or None when there is no such branch."""
        ...

    def file_text(self, repository: str, path: str, ref: str) -> str | None:
        """The file's text at `ref`, or None when it is absent. Raises RevisionGone when `ref` is."""
        ...

    def put_check_run(self, repository: str, check: CheckRun) -> None:
        """Create or update (same head and key). Annotations go in batches of 50."""
        ...

    def put_status(self, repository: str, sha: str, *, state: str, context: str, description: str, url: str = "") -> None: ...
    def put_comment(self, repository: str, number: int, *, marker: str, body: str) -> None:
        """The one comment of ours that starts with the hidden `marker`: created or replaced."""
        ...

    def merge(self, repository: str, number: int, *, head_sha: str, title: str) -> str:
        """Merge; the merge commit. Raises HeadMoved (409) when the head is another by now. Merged already: that commit."""
        ...

    def close(self, repository: str, number: int) -> None: ...
    def create_deployment(self, repository: str, *, sha: str, environment: str, description: str) -> int: ...
    def put_deployment_status(self, repository: str, deployment: int, *, state: str, url: str, description: str) -> None: ...
    def git_url(self, repository: str) -> str:
        """Where to fetch and push with git."""
        ...

    def git_environment(self) -> Mapping[str, str]:
        """Variables that let git authenticate without the token in argv (GIT_CONFIG_*, http.extraHeader)."""
        ...
