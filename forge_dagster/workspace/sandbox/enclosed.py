"""What is started in a command's place, and how its result is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.sandbox.view import View

HOME, SCRATCH, DOORS = "/tmp/home", "/tmp", "/run/forge"  # noqa: S108 - inside of the sandbox, where nothing else is
FATAL = frozenset((4, 5, 6, 7, 8, 9, 11, 15, 24, 25, 31))
"""Signals that end a process: ILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, TERM, XCPU, XFSZ, SYS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """What to start: `argv` in `cwd` with `environment`, the descriptors `given` to it left open."""

    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    given: tuple[int, ...] = ()

    def judged(self, result: ProcessResult) -> ProcessResult:
        """The result as the program's own. Raises WorkspaceError when it is the sandbox that could not be made."""
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A command with all that its sandbox is to have.

    `environment` is the program's own; `opening` goes before whatever makes the sandbox and `inner` before the program, to open
    doors at the sockets in `doors`; `outside` is the environment of what stands around.
    """

    command: Command
    program: Path
    settings: SandboxSettings
    environment: Mapping[str, str]
    view: View
    doors: Path | None
    opening: tuple[str, ...]
    inner: tuple[str, ...]
    outside: Mapping[str, str]
