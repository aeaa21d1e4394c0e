"""Tools and gates: what they are asked and what they answer."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.settings import Settings
from forge_dagster.ports.platform import Platform
from forge_dagster.ports.processes import Clock, Command, ProcessResult, Run
from forge_dagster.ports.review import Reviewer


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


def environment_folders(*environments: Environment) -> tuple[Path, ...]:
    """The folders that what runs from these environments has to see: each folder of programs with all that lies beside it."""
    return tuple(dict.fromkeys(folder.parent for found in environments for folder in found.bin_directories))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of a suite's tests to run, as paths of test files from the repository's root. Of use to test runners only.

    `only`: nothing but these (empty: all); `without`: not these; `seed`: for property-based tests, so that a run can be
    repeated; `measure`: whether to measure coverage; `gate`: what they are run for ("unit", "property", "integration").
    `listing`: run none, where this version of the runner can, and report which there are; only a tool that says
    `lists = True` is asked that.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    seed: int | None = None
    measure: bool = True
    gate: str = "unit"
    listing: bool = False


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
    selection: Selection = Selection()
    variables: Mapping[str, str] = field(default_factory=dict)
    """What every command gets in its environment besides: addresses of services started for it."""
    reads: tuple[Path, ...] = ()
    """Files and folders outside of the tree that its commands see besides, such as a database of the operator's."""
    base: Path | None = None
    """Checkout of the base revision, for tools that `needs_base`; None where there is none."""
    beside: Mapping[str, Path] = field(default_factory=dict)
    """By their package, what the tool asked for (without what cannot be had): programs of Forge's own toolbox (`beside`), the
    folder of a package in one version (`beside_exactly`)."""
    canary: str = ""
    """Drawn for this run: names the test that a runner adds, which must fail; "": none is added."""


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
    tests: tuple[str, ...] = ()
    """Ids of the tests there are, where Selection.listing asked for them; of a tool that says `tells_tests = True`, those that
    ran.
    """
    skipped: tuple[str, ...] = ()
    """Ids of those that its report names and that did not run."""
    examined_nothing: bool = False
    """Set by the gate, not by adapters: ERRORED because the tool said that it passed and had looked at nothing."""


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

    def toolbox(
        self, language: Language | None, package: str, *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """Forge's own pinned environment holding `package`, for use on the tree at `root` (None: nobody's), since what runs in
        one trust domain may write there. Raises WorkspaceError when it cannot be had.
        """
        ...

    def pinned(
        self, language: Language, requirements: tuple[str, ...], *, log: Callable[[str], None], root: Path | None = None
    ) -> Environment:
        """An environment of exactly these requirements ("ruff==0.4.2", "prettier@3.1.0"), which the repository pins outside of
        its own environment, as pre-commit does. `root` as for `toolbox`. Raises WorkspaceError when it cannot be had.
        """
        ...

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:
        """Identifies the environment that `of` would give, installing nothing; None when only installing it would tell."""
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
    platform: Platform | None = None
    base: Callable[[], AbstractContextManager[Path]] | None = None
    """Gives a checkout of the base revision, made when asked for; None where there is no base."""
    detect: Callable[[Path], Project] | None = None
    """Reads what another tree, such as the base's, is made of."""
    artifacts: Path | None = None
    """Folder for what outlives the run, of this repository, job and commit only; None: `scratch` has to do."""
    cache: Path | None = None
    """Folder that later runs of the same repository and job see too; None: nothing is kept for them."""
    services: "ServiceStarter | None" = None
    """Starts what integration tests need beside them; None where nothing can be started."""
    reviewer: Reviewer | None = None
    """Whom to ask for an opinion; None: the operator has named nobody."""
    redaction: Redaction = NOTHING_KNOWN
    """What is blanked in report files and in the result."""
    settings: Settings | None = None
    """The operator's own settings, where a gate depends on them (advisory databases, reviewer); None: defaults."""


class ServiceStarter(Protocol):
    """Starts the services of [services.<name>] for one gate."""

    def started(
        self,
        services: Mapping[str, ServiceSection],
        *,
        root: Path,
        folder: Path,
        variables: Mapping[str, str],
        run: Run,
        log: Callable[[str], None],
        reads: tuple[Path, ...] = (),
    ) -> AbstractContextManager[Mapping[str, str]]:
        """Start all, yield the variables that tell where they are ("DATABASE_URL"), stop all.

        `root` is the tree their commands run in, `folder` is empty and outside of it, `variables` the environment of the
        repository's own tools and `reads` the folders that those lie in; `run` limits the time of what has to be done before
        they are up. Raises ServiceFailed naming the service that did not come up, SetupFailed, WorkspaceError; nothing that was
        started outlives the context.
        """
        ...


class Gate(Protocol):
    """One gate: what it demands. Found by the registry in `gates/`, one file each."""

    name: str

    def examine(self, context: GateContext) -> GateResult:
        """Judge the change. May raise ForgeError, which becomes ERRORED; verdict and delivery are not gates of this kind."""
        ...
