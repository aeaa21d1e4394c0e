"""Running processes, keeping programs alive, and time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to run: an argument list, never a shell string. `environment` is all it gets beyond PATH, HOME and LANG.

    It runs in the sandbox unless `trusted`: it sees the system's programs, `cwd`, and what is named here, and nothing else of
    this machine. What does not exist is left out. `.git` folders are read-only there whatever is named.
    """

    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 600.0
    stdin: bytes = b""
    network: bool = False
    """Whether it may reach the package registries (only installs may), through Forge's proxy; a trusted one, any host."""
    hosts: tuple[str, ...] = ()
    """With `network`: hosts ("host", "host:port") that the program needs besides the registries: an advisory service."""
    output_limit: int = 32 * 1024 * 1024
    """Bytes kept of each of stdout and stderr."""
    trusted: bool = False
    """Forge's own program, on nothing that a change could make it execute: it runs with Forge's rights, in no sandbox."""
    share: int = 1
    """Its part of the processors against that of other commands, where they are scarce and control groups can be made."""
    reads: tuple[Path, ...] = ()
    """Files and folders that it sees besides, read-only: environments, programs, rules."""
    writes: tuple[Path, ...] = ()
    """Folders that it may write besides `cwd`: the tree, its report, its cache."""
    merges: bool = False
    """Whether git in it has to merge (`git log --remerge-diff`): what that makes goes to its own /tmp, not to the tree."""
    listens: tuple[int, ...] = ()
    """TCP ports on its own loopback that this machine's loopback shall reach as well, once it listens there (a service)."""
    reaches: tuple[int, ...] = ()
    """TCP ports on this machine's loopback that it may connect to, at the same numbers (the services it needs)."""


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
    """Seconds between SIGTERM and SIGKILL; in a sandbox everything ends at SIGTERM."""
    trusted: bool = False
    """Forge's own program, or what the operator has released: it runs with Forge's rights. Else it runs as a Command does."""
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    listens: tuple[int, ...] = ()


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
