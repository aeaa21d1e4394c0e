"""Checkouts, ways to reach an agent, and all that a use case may call."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forge_dagster.domain.changes import Attempt, Change
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.redaction import Redaction, Redactor
from forge_dagster.domain.settings import Settings
from forge_dagster.ports.evidence import KeylessSigner, Keyring
from forge_dagster.ports.gates import Environments, Gate, ServiceStarter, Tool
from forge_dagster.ports.host import GitHost
from forge_dagster.ports.ledger import Ledger
from forge_dagster.ports.memo import Memo
from forge_dagster.ports.platform import Platform, Signals
from forge_dagster.ports.processes import Clock, Run
from forge_dagster.ports.review import Reviewer


class AgentChannel(Protocol):
    """A way to reach the agent behind a change."""

    name: str

    def tell(self, *, ledger: Ledger, attempt: Attempt, feedback: str, at: float) -> None:
        """Queue the feedback (through the outbox)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A tree on disk with what is known of it. `change.files` is the difference from base."""

    root: Path
    change: Change
    project: Project
    policy: Policy
    tested_tree: str | None
    base: Callable[[], AbstractContextManager[Path]] | None = None
    head: str | None = None
    """The commit the tree is, or was edited from; None where there is none."""


class Workspace(Protocol):
    """Checkouts and environments of attempts."""

    environments: Environments

    def checkout(self, attempt: Attempt, host: GitHost, *, log: Callable[[str], None]) -> Checkout:
        """The attempt's tree, made once per attempt and reused by all its gates (safe across threads and processes).

        CHANGE: base and head merged. RELEASE: the commit itself. Raises RevisionGone, Conflict (with the base), WorkspaceError.
        """
        ...

    def merged_tree(self, attempt: Attempt, host: GitHost, *, base_sha: str) -> str | None:
        """Digest of the tree that merging the attempt's head into `base_sha` gives, as in Checkout.tested_tree; None: conflict.

        Where `base_sha` holds the head already (a landed merge), that is the tree of `base_sha` itself. Raises RevisionGone.
        """
        ...

    def scratch(self, attempt: Attempt, gate: str) -> Path: ...
    def clean(self, attempt: Attempt) -> None:
        """Remove the checkout; artifacts and reports stay."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All a use case may call, wired in `bootstrap`. `run_for` gives each Dagster run a Run of its own to cancel."""

    settings: Settings
    ledger: Ledger
    workspace: Workspace
    clock: Clock
    host_of: Callable[[str], GitHost]
    """Repository -> the host that has it. Raises ConfigurationError for one that no host serves."""
    hosts: Mapping[str, GitHost]
    run_for: Callable[[str], Run]
    platforms: Mapping[str, Platform]
    signals: Signals
    gates: Mapping[str, Gate]
    tools: tuple[Tool, ...]
    run_url: Callable[[str], str]
    """Dagster run id -> address of its page."""
    reviewer: Reviewer | None = None
    """Whom gate `review` asks; None: the operator has named nobody."""
    services_for: Callable[[str], ServiceStarter] | None = None
    """Gives each Dagster run what starts services for its tests; None: nothing can be started."""
    platforms_for: Callable[[str, Path], Mapping[str, Platform]] | None = None
    """Dagster run, folder -> platforms whose previews lie there and end with that run; None: those of `platforms` do."""
    redaction: Redactor = Redaction
    """What is blanked in everything that is written down or shown."""
    memo_of: Callable[[Attempt], Memo] | None = None
    """The record of what gates answered in runs of the same repository and job; None: every gate is asked anew."""
    keyring: Keyring | None = None
    """Forge's keys, the same that the ledger signs with; None: nothing is signed, and so no release is let out."""
    keyless: KeylessSigner | None = None
    """Signs verdicts and builds once more; None: not asked for."""
