"""Runs uv for one trust domain, with the cache that fits what it does.

What can be installed without running anything of it comes through the domain's cache. What has to be built runs code of the
project, or of what it names, and has a cache of its own that is gone afterwards: what it leaves there nobody reads.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from forge_dagster.domain.reach import ALLOW, REFUSED
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.install_caches import install_cache
from forge_dagster.workspace.python_frame import checked_frame, frame_of, interpreter_of, is_environment

INSTALL_TIMEOUT_S = 900.0
_NOT_COMPILING = ("--no-compile-bytecode",)
"""uv compiles with the environment's own Python, which runs what the .pth files of packages say. An option, since a variable
that says no leaves it to the project's [tool.uv].
"""

Log = Callable[[str], None]


def uv_program() -> str:
    """The uv that Forge depends on. Raises WorkspaceError when it is not installed."""
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return str(beside)
    import uv

    try:
        return os.fspath(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise WorkspaceError("uv is not installed beside Forge", hint="reinstall forge-dagster, which depends on uv") from error


class UvRuns:
    """uv in the sandbox, for the trust domain `domain`. Caches are kept apart by domain."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._run = run
        self._domain = domain

    def uv(
        self,
        arguments: tuple[str, ...],
        cwd: Path,
        *,
        log: Log,
        environment: Mapping[str, str] | None = None,
        writes: Sequence[Path] = (),
        reads: Sequence[Path] = (),
        trusted: bool = False,
        builds: bool = False,
        network: bool = True,
    ) -> ProcessResult:
        """Run uv. `builds`: code of what is installed may run. Raises Interrupted, and WorkspaceError when an environment among
        `writes` is afterwards none that Forge may read (python_frame.py).
        """
        frames = {folder: frame_of(folder) for folder in writes if is_environment(folder)}
        with install_cache(self._home / "cache", f"uv-{self._domain}", own=builds) as cache:
            variables = {
                "UV_CACHE_DIR": str(cache),
                "UV_PYTHON_DOWNLOADS": "never",
                "UV_NO_PROGRESS": "1",
                # a hard link would let what runs in an environment change the cache, and so every later environment
                "UV_LINK_MODE": "copy",
                **({"UV_COMPILE_BYTECODE": "1"} if builds else {}),
                **(environment or {}),
            }
            if not builds and arguments[0] in ("sync", "pip"):
                arguments = (*arguments, *_NOT_COMPILING)
            command = Command(
                argv=(uv_program(), *arguments), cwd=cwd, environment=variables, network=network, timeout_s=INSTALL_TIMEOUT_S,
                writes=(*writes, cache), reads=tuple(reads), trusted=trusted,
            )  # fmt: skip
            result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        for folder, frame in frames.items():
            checked_frame(folder, frame)
        return result

    def compile(self, environment: Path, log: Log) -> None:
        """Compile what is installed there, since what is run from an environment cannot write there and would do it each time.

        By the Python that the environment was made from, without "site": nothing of what is installed runs (docs.python.org,
        "compileall"). What cannot be compiled is left as it is.
        """
        packages = tuple(str(folder) for folder in sorted(environment.glob("lib/python*/site-packages")))
        with tempfile.TemporaryDirectory(prefix="forge-compile-") as scratch:
            command = Command(
                argv=(str(interpreter_of(environment)), "-I", "-S", "-m", "compileall", "-qq", "-j", "0", *packages),
                cwd=Path(scratch),
                timeout_s=INSTALL_TIMEOUT_S,
                writes=(environment,),
            )
            frame = frame_of(environment)
            result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        checked_frame(environment, frame)


def succeeded(result: ProcessResult, what: str) -> None:
    """Raises WorkspaceError with the installer's own words."""
    if result.ended == "exited" and result.exit_code == 0:
        return
    if result.ended == "timeout":
        raise WorkspaceError(f"installing {what} took longer than {INSTALL_TIMEOUT_S:.0f} s", hint="check the network")
    said = [line.strip() for line in result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    begins = next((number for number, line in enumerate(said) if line.startswith(("error:", "×"))), 0)
    text = "\n".join(said[begins:][-12:])[-1500:] or f"it ended with {result.exit_code}"
    if REFUSED in text:
        raise WorkspaceError(f"{what} could not be installed:\n{text}", hint=ALLOW)
    offline = re.search(r"error sending request|Failed to fetch|dns error|Connect|timed out", text)
    hint = "check the network, the proxy and the package index" if offline else "correct what the project declares, or its lock"
    raise WorkspaceError(f"{what} could not be installed:\n{text}", hint=hint)


def needs_building(result: ProcessResult) -> bool:
    """Whether an installation from wheels alone failed for want of one."""
    return result.ended == "exited" and result.exit_code != 0 and b"--no-build" in result.stderr


def cannot_be_edited(result: ProcessResult) -> bool:
    """Whether the project's build backend is one from before PEP 660 (poetry.masonry)."""
    return b"build_editable" in result.stderr
