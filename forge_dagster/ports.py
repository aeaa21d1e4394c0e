"""Every Protocol: what the rules and use cases need of the outside world. Adapters satisfy these; nothing here acts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from forge_dagster.domain.changes import Attempt, AttemptState, Change
from forge_dagster.domain.decisions import Approval, TrustLevel, Verdict
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.settings import Settings

# --- processes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to run: an argument list, never a shell string. `environment` is all it gets beyond PATH, HOME and LANG."""

    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 600.0
    stdin: bytes = b""
    network: bool = False
    """Whether it may reach the network (only installs may)."""
    output_limit: int = 32 * 1024 * 1024
    """Bytes kept of each of stdout and stderr."""


Ended = Literal["exited", "timeout", "missing", "interrupted"]
"""How a process ended: by itself (exit_code; negative: a signal), at its time limit, no such program, or cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessResult:
    """What a process did. Output is cut at Command.output_limit, and `truncated` says so."""

    ended: Ended
    exit_code: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    duration_s: float = 0.0


class Run(Protocol):
    """Runs processes. The whole process group dies at the time limit, on `stop`, and with this process."""

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        """Run to the end. Never raises for what the process does. `log` gets its output line by line as it comes."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises errors.Interrupted as soon as `stop` is called."""
        ...

    def stop(self) -> None:
        """Kill every process group started here, and let none start any more (they end "interrupted")."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A long-lived process to keep running. `name` is safe as a file name; it dies with its whole process group."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path
    restart: bool = True
    stop_wait_s: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """What became of a program. `exits` counts how often it ended by itself since it was started."""

    running: bool
    pid: int | None = None
    exits: int = 0
    detail: str = ""


class Supervision(Protocol):
    """Keeps programs running beyond the process that asked for them."""

    def start(self, program: Program) -> None:
        """Define and start; the same program again is a no-op. Raises PlatformError."""
        ...

    def state(self, name: str) -> ProgramState | None:
        """None when there is no such program."""
        ...

    def stop(self, name: str) -> None:
        """Stop the whole process group and forget the program; no-op when there is none."""
        ...

    def programs(self) -> tuple[str, ...]: ...


class Clock(Protocol):
    """Time, so that rules can be tested without waiting."""

    def now(self) -> float:
        """Seconds since the epoch (may jump)."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever rise, by real time, within this process."""
        ...


# --- tools and gates -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An installed environment of one language, ready to run tools from."""

    language: Language
    bin_directories: tuple[Path, ...] = ()
    python: Path | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    """Normalised name -> version of what is installed."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What a process needs in its environment: VIRTUAL_ENV, PATH, NODE_PATH."""
    digest: str = ""

    def executable(self, name: str) -> Path | None:
        """The program called `name` in this environment, or None."""
        return next((d / name for d in self.bin_directories if (d / name).exists()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """What a tool is asked to do. `report` is an empty folder outside the tree for its report files."""

    root: Path
    project: Project
    change: Change
    policy: Policy
    environment: Environment | None
    executable: Path
    version: str
    report: Path
    timeout_s: float = 600.0
    cache: Path | None = None
    """Folder outside the tree for what the tool itself wants to find again next time; None: it must not cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What one command of a tool left behind: its result and the report files by name (each cut at 64 MiB)."""

    result: ProcessResult
    reports: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReport:
    """A tool's answer after judging exit code AND report: see facts of each tool in its adapter."""

    outcome: Outcome
    reason: str = ""
    examined: int = 0
    findings: tuple[Finding, ...] = ()
    exit_code: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Name -> report file's name, for later gates (such as "coverage")."""


class Tool(Protocol):
    """One wrapped tool: knows when a repository chose it, its argument lists, and how to read what it says. Pure."""

    @property
    def name(self) -> str: ...
    @property
    def gate(self) -> str: ...
    @property
    def language(self) -> Language | None:
        """None: serves repositories of any language."""
        ...

    @property
    def default(self) -> bool:
        """Whether Forge applies it where the repository chose no tool of this gate and language."""
        ...

    @property
    def program(self) -> str:
        """Executable's name: looked up in the repository's environment, then in Forge's own, then on PATH."""
        ...

    @property
    def package(self) -> str:
        """Name of the package that carries it, for its version and for Forge's own environment; "": only PATH has it."""
        ...

    def chosen(self, project: Project) -> str | None:
        """Why the repository is seen to use this tool ("pyproject.toml has [tool.ruff]"), or None if it does not."""
        ...

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """What to run, in order; all are run whatever the exit codes. Empty when there is nothing it could look at."""
        ...

    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """Read the outputs. Never raises: what cannot be read is ERRORED, nothing examined is never PASSED."""
        ...


@runtime_checkable
class FollowUp(Protocol):
    """What a Tool may have besides: a second round of commands that depends on the first (which lines, a test on its own)."""

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Commands to run after `commands`; `judge` gets the outputs of both, in order. Never raises; empty when not needed."""
        ...


class Environments(Protocol):
    """Installed environments, built once per lock digest and reused."""

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        """The repository's own environment. Raises WorkspaceError when it cannot be installed."""
        ...

    def toolbox(self, language: Language | None, package: str, *, log: Callable[[str], None]) -> Environment:
        """Forge's own pinned environment holding `package`. Raises WorkspaceError when it cannot be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """Everything a gate may look at. `scratch` is its own folder outside the tree, kept with the run."""

    gate: str
    job: Job
    change: Change
    project: Project
    policy: Policy
    root: Path
    scratch: Path
    run: Run
    environments: Environments
    clock: Clock
    log: Callable[[str], None]
    results: Mapping[str, GateResult] = field(default_factory=dict)
    """Results of the gates it waits for (their artifacts: coverage file, built artifact, preview URL)."""
    platform: "Platform | None" = None
    base: Callable[[], AbstractContextManager[Path]] | None = None
    """Gives a checkout of the base revision, made when asked for; None where there is no base."""
    detect: Callable[[Path], Project] | None = None
    """Reads what another tree, such as the base's, is made of."""
    artifacts: Path | None = None
    """Folder for what outlives the run, of this repository, job and commit only; None: `scratch` has to do."""
    cache: Path | None = None
    """Folder that later runs of the same repository and job see too; None: nothing is kept for them."""


class Gate(Protocol):
    """One gate: what it demands. Found by the registry in `gates/`, one file each."""

    name: str

    def examine(self, context: GateContext) -> GateResult:
        """Judge the change. May raise ForgeError, which becomes ERRORED; verdict and delivery are not gates of this kind."""
        ...


# --- the git host ----------------------------------------------------------------------------------------------------


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


class GitHost(Protocol):
    """A GitHub-shaped host. Every call raises HostError; every write is idempotent."""

    def pull_request(self, repository: str, number: int) -> PullRequest: ...
    def open_pull_requests(self, repository: str) -> tuple[PullRequest, ...]: ...
    def repositories(self) -> tuple[str, ...]: ...
    def commit(self, repository: str, ref: str) -> Commit:
        """Raises RevisionGone when it does not exist (any more)."""
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


# --- platform and signals --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running release or preview. `id` is the platform's own name for it, stable and safe as a file name."""

    id: str
    url: str
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHealth:
    """What the platform sees of a running release. Shares are of the limit, 0 to 1; None: unknown."""

    running: bool
    healthy: bool
    restarts: int = 0
    in_flight: int = 0
    cpu: float | None = None
    memory: float | None = None


class Platform(Protocol):
    """Where releases run. `environment` is "owner/repo/production"-like; every call is idempotent and raises PlatformError."""

    name: str
    weighted: bool
    """Whether it can split traffic by weight."""

    def preview(self, *, name: str, artifact: Path, policy: Policy, log: Callable[[str], None]) -> Deployment: ...
    def remove_preview(self, *, name: str) -> None: ...
    def deploy(
        self, *, environment: str, release: str, artifact: Path, policy: Policy, log: Callable[[str], None]
    ) -> Deployment:
        """Start `release` beside what runs, at weight 0, and wait until its health check answers."""
        ...

    def route(self, *, environment: str, weights: Mapping[str, int]) -> None:
        """Split the traffic: release -> percent, 100 in all. Takes effect without losing a request."""
        ...

    def weights(self, environment: str) -> Mapping[str, int]: ...
    def health(self, *, environment: str, release: str) -> ReleaseHealth: ...
    def drain(self, *, environment: str, release: str, timeout_s: float) -> bool:
        """Wait at weight 0 until nothing is in flight. False at the time limit."""
        ...

    def stop(self, *, environment: str, release: str) -> None:
        """Stop a drained release and forget it."""
        ...

    def url(self, environment: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Totals of one release since it started. `latency` is cumulative: (upper bound in ms, answers at or below it)."""

    requests: int
    errors: int
    latency: tuple[tuple[float, int], ...] = ()


class Signals(Protocol):
    """Where the judge gets its numbers."""

    def traffic(self, *, environment: str, release: str) -> Traffic | None:
        """Totals so far, or None when there is no telemetry."""
        ...


# --- the ledger ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stored webhook delivery (or a reconciler's own find)."""

    id: int
    delivery: str
    host: str
    name: str
    action: str
    repository: str
    payload: Mapping[str, Any]
    received_at: float
    tries: int = 0
    """How often handling it was put off or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An external write that is due. `key` makes it unique; `kind` names the GitHost call, `body` its arguments."""

    id: int
    key: str
    kind: str
    repository: str
    body: Mapping[str, Any]
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of the hash chain."""

    sequence: int
    at: float
    kind: str
    body: Mapping[str, Any]
    previous: str
    digest: str


class Ledger(Protocol):
    """Durable state in one SQL database. Each call is one transaction, committed on return."""

    # inbox
    def receive(
        self, *, delivery: str, host: str, name: str, action: str, repository: str, payload: Mapping[str, Any], at: float
    ) -> bool:
        """Store an event. False when the delivery is there already (unless its handling failed: then it is due again)."""
        ...

    def due_events(self, limit: int = 100, *, at: float | None = None) -> tuple[Event, ...]:
        """Oldest first; those put off until after `at` (None: by the system's clock) are left out."""
        ...

    def finish_event(self, event: int, *, error: str | None = None, retry_at: float | None = None) -> None:
        """Mark as handled; with `error`, as failed: due again at most 5 times in all. With `retry_at`: put off, unbounded."""
        ...

    # attempts
    def open_attempt(self, attempt: Attempt) -> Attempt | None:
        """Insert; None when (repository, job, number, base_ref, head, policy, round) exists: the UNIQUE row of invariant 3."""
        ...

    def attempt(self, attempt_id: int) -> Attempt: ...
    def attempts(
        self,
        *,
        repository: str | None = None,
        job: Job | None = None,
        number: int | None = None,
        head_sha: str | None = None,
        states: Sequence[AttemptState] = (),
        limit: int = 100,
    ) -> tuple[Attempt, ...]:
        """Newest first."""
        ...  # fmt: skip

    def claim(self, attempt_id: int, run_id: str) -> Attempt:
        """Make `run_id` the effective run. Raises Superseded when another one is, or the attempt is over."""
        ...

    def release_claim(self, attempt_id: int) -> Attempt:
        """Free a claim whose run died, so that another run may take over (state REQUESTED becomes PENDING again)."""
        ...

    def advance(
        self, attempt_id: int, state: AttemptState, *, tested_tree: str | None = None, base_sha: str | None = None
    ) -> Attempt:
        """Move on; a final state never changes again (the call then returns the attempt as it is)."""
        ...

    # results and verdicts
    def put_result(self, attempt_id: int, result: GateResult) -> None: ...
    def results(self, attempt_id: int) -> Mapping[str, GateResult]: ...
    def put_verdict(self, verdict: Verdict, at: float) -> None: ...
    def verdict(self, attempt_id: int) -> Verdict | None: ...
    def put_approval(self, approval: Approval) -> None: ...
    def approvals(self, repository: str, number: int, head_sha: str) -> tuple[Approval, ...]: ...

    # trust
    def trust(self, *, agent: str, repository: str) -> TrustLevel: ...
    def set_trust(self, *, agent: str, repository: str, level: TrustLevel, by: str, at: float) -> None: ...

    # rollouts: `state` is domain.rollout.Rollout as JSON
    def put_rollout(
        self, *, key: str, repository: str, environment: str, release: str, state: Mapping[str, Any], ended: bool, at: float
    ) -> None: ...
    def rollout(self, key: str) -> Mapping[str, Any] | None: ...
    def rollouts(
        self, *, environment: str | None = None, open_only: bool = False, limit: int = 50
    ) -> tuple[Mapping[str, Any], ...]: ...
    def lock(self, name: str, *, owner: str, ttl_s: float, at: float) -> bool:
        """Take or renew an exclusive lease (one rollout per environment, one merge per branch). False: another has it."""
        ...

    def unlock(self, name: str, *, owner: str) -> None: ...

    # outbox
    def post(self, *, key: str, kind: str, repository: str, body: Mapping[str, Any], at: float) -> None:
        """Queue an external write; the same key again replaces a body not sent yet, and re-opens a sent one if it differs."""
        ...

    def due_errands(self, at: float, limit: int = 50) -> tuple[Errand, ...]: ...
    def finish_errand(self, errand: int, *, error: str | None = None, retry_at: float | None = None) -> None: ...

    # audit
    def record(self, kind: str, body: Mapping[str, Any], at: float) -> AuditEntry: ...
    def audit(self, limit: int | None = None) -> Iterator[AuditEntry]: ...


# --- agents ----------------------------------------------------------------------------------------------------------


class AgentChannel(Protocol):
    """A way to reach the agent behind a change."""

    name: str

    def tell(self, *, ledger: Ledger, attempt: Attempt, feedback: str, at: float) -> None:
        """Queue the feedback (through the outbox)."""
        ...


# --- the workspace ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A tree on disk with what is known of it. `change.files` is the difference from base."""

    root: Path
    change: Change
    project: Project
    policy: Policy
    tested_tree: str | None
    base: Callable[[], AbstractContextManager[Path]] | None = None


class Workspace(Protocol):
    """Checkouts and environments of attempts."""

    environments: Environments

    def checkout(self, attempt: Attempt, host: GitHost, *, log: Callable[[str], None]) -> Checkout:
        """The attempt's tree, made once per attempt and reused by all its gates (safe across threads and processes).

        CHANGE: base and head merged. RELEASE: the commit itself. Raises RevisionGone, WorkspaceError (conflict with base).
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
