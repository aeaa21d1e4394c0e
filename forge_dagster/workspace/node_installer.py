"""Runs npm, pnpm or yarn so that they install what a lock says, run no install scripts and write nowhere else."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.project import NodeProject
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.locking import locked

INSTALL_TIMEOUT_S = 900.0
_PINNED = re.compile(r"(npm|pnpm|yarn)@(\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[\w.]{1,32})?)(?:\+[\w.]+)?")
"""package.json's packageManager field (nodejs.org, packages documentation)."""
_PNPM_OF_LOCK = {"5": "7", "6": "8", "9": "10"}
"""Major of lockfileVersion -> the newest major of pnpm that writes it (pnpm.io, compatibility)."""
_YARN_CLASSIC = "1"

Log = Callable[[str], None]


class Installer:
    """Installs for one trust domain; caches are kept apart by domain."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._cache = home / "cache"
        self._run = run
        self._domain = domain

    def install(self, node: NodeProject, folder: Path, *, what: str, log: Log) -> None:
        """Make `folder`/node_modules what the project's lock says. Raises WorkspaceError with the installer's own words."""
        if node.manager == "npm":
            arguments = ("ci",) if node.lock_file else ("install", "--no-package-lock")
            self.npm(arguments, folder, what=what, log=log)
            return
        version = _wanted_version(node, folder)
        program = str(self._manager(node.manager, version, log))
        if node.manager == "pnpm":
            frozen = "--frozen-lockfile" if node.lock_file else "--no-lockfile"
            store = ("--store-dir", str(self._cache / f"pnpm-{self._domain}"), "--package-import-method", "copy")
            self._execute((program, "install", "--ignore-scripts", frozen, *store), folder, what=what, log=log)
        elif version.startswith(f"{_YARN_CLASSIC}.") or version == _YARN_CLASSIC:
            self._execute((program, "install", "--ignore-scripts", "--frozen-lockfile"), folder, what=what, log=log)
        else:
            self._execute((program, "install", "--immutable"), folder, what=what, log=log)

    def npm(self, arguments: tuple[str, ...], folder: Path, *, what: str, log: Log) -> None:
        """Run npm in `folder`. Raises WorkspaceError."""
        if shutil.which("npm") is None:
            raise WorkspaceError(f"{what} need npm, which is not on this machine", hint="install Node.js 20 or newer")
        self._execute(("npm", *arguments, "--ignore-scripts", "--loglevel=error"), folder, what=what, log=log)

    def _manager(self, name: str, version: str, log: Log) -> Path:
        """The package manager in the version that the repository pins, from the registry (npm checks its integrity)."""
        target = self._home / "toolbox" / f"{name}-{version}"
        program = target / "node_modules" / ".bin" / name
        if not (target / "complete").exists():
            with locked(target.with_suffix(".lock"), self._run):
                if not (target / "complete").exists():
                    target.mkdir(parents=True, exist_ok=True)
                    package = "@yarnpkg/cli-dist" if name == "yarn" and not version.startswith(_YARN_CLASSIC) else name
                    arguments = ("install", "--no-save", "--no-package-lock", "--prefix", str(target), f"{package}@{version}")
                    self.npm(arguments, target, what=f"{name} {version}", log=log)
                    (target / "complete").touch()
        return program

    def _execute(self, argv: tuple[str, ...], folder: Path, *, what: str, log: Log) -> None:
        variables = {
            "npm_config_cache": str(self._cache / f"npm-{self._domain}"),
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
            "npm_config_ignore_scripts": "true",
            "npm_config_progress": "false",
            "YARN_CACHE_FOLDER": str(self._cache / f"yarn-{self._domain}"),
            "YARN_ENABLE_SCRIPTS": "0",
            "YARN_ENABLE_TELEMETRY": "0",
            "YARN_NODE_LINKER": "node-modules",
            "CI": "1",
        }
        command = Command(argv=argv, cwd=folder, environment=variables, network=True, timeout_s=INSTALL_TIMEOUT_S)
        result = self._run.run(command, log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        if result.ended != "exited" or result.exit_code != 0:
            raise _failure(result, argv, what)


def _wanted_version(node: NodeProject, folder: Path) -> str:
    """The exact version that packageManager pins, else the major that writes such a lock."""
    pinned = _PINNED.fullmatch(str(node.package.get("packageManager", "")))
    if pinned and pinned[1] == node.manager:
        return pinned[2]
    head = ""
    if node.lock_file and (folder / node.lock_file).is_file():
        with (folder / node.lock_file).open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(2048)
    if node.manager == "pnpm":
        found = re.search(r"lockfileVersion:\s*['\"]?(\d+)", head)
        return _PNPM_OF_LOCK.get(found[1] if found else "9", "10")
    return "4" if "__metadata:" in head else _YARN_CLASSIC


def _failure(result: ProcessResult, argv: tuple[str, ...], what: str) -> WorkspaceError:
    if result.ended == "timeout":
        return WorkspaceError(f"installing {what} took longer than {INSTALL_TIMEOUT_S:.0f} s", hint="check the network")
    text = (result.stderr + b"\n" + result.stdout).decode("utf-8", "replace")
    said = "\n".join([line for line in text.splitlines() if line.strip() and "complete log of this run" not in line][:12])[
        :1500
    ]
    offline = re.search(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|network|getaddrinfo", said)
    hint = "check the network, the proxy and the registry" if offline else "correct package.json or its lock file"
    return WorkspaceError(
        f"{what} could not be installed ({' '.join((Path(argv[0]).name, *argv[1:3]))}):\n{said or result.ended}", hint=hint
    )
