"""Runs npm, pnpm, yarn or bun so that they install what a lock says, run no install scripts and write nowhere else."""

import platform
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.foreign import load_toml
from forge_dagster.domain.project import NodeProject
from forge_dagster.domain.reach import ALLOW, REFUSED
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.ports import Command, ProcessResult, Run
from forge_dagster.workspace.install_caches import install_cache
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.requirements import table

INSTALL_TIMEOUT_S = 900.0
_PINNED = re.compile(r"(npm|pnpm|yarn|bun)@(\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[\w.]{1,32})?)(?:\+[\w.]+)?")
"""package.json's packageManager field (nodejs.org, packages documentation)."""
_PNPM_OF_LOCK = {"5": "7", "6": "8", "9": "10"}
"""Major of lockfileVersion -> the newest major of pnpm that writes it (pnpm.io, compatibility)."""
_PROGRESS = re.compile(r"\s*(?:Progress: |Packages: |[+-]+$|npm (?:error|ERR!) A complete log of this run)")
_OTHER_NODE = re.compile(r'engine "node" is incompatible|EBADENGINE|ERR_PNPM_UNSUPPORTED_ENGINE|ERR_UNKNOWN_BUILTIN_MODULE')
"""How Yarn 1, npm and pnpm say that this is not the Node they or the project need."""
_COMPLAINT = re.compile(r"\bERR(?:OR|!|_\w+)?\b|\berror\b", re.IGNORECASE)
_YARN_CLASSIC = "1"
_SETTINGS_LIMIT = 256 * 1024
"""Characters of a file of settings: far above any that people write."""
_BUN = "1"
"""Reads every lock that a bun has written so far (bun.sh, "Lockfile")."""
_YARN_SETTINGS = ".yarnrc.yml"
_YARN_PATH = re.compile(
    r"^yarnPath\s*:\s*['\"]?\.yarn/releases/yarn-(\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[\w.]{1,32})?)\.c?js", re.MULTILINE
)
"""Where a repository keeps the Yarn that it uses (yarnpkg.com, yarnPath)."""

Log = Callable[[str], None]


class Installer:
    """Installs for one trust domain; caches are kept apart by domain."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._cache = home / "cache"
        self._run = run
        self._domain = domain

    def install(
        self, node: NodeProject, folder: Path, *, what: str, scripts: bool = False, trusted: bool = False, log: Log
    ) -> None:
        """Make `folder`/node_modules what the project's lock says. Raises WorkspaceError with the installer's own words.

        `scripts`: packages may run their install scripts. Unless `trusted` or that, what the repository would have its package
        manager load (a pnpmfile, Yarn's plugins) is no part of it: that is code which runs at installation too.
        """
        if node.manager == "npm":
            arguments = ("ci",) if node.lock_file else ("install", "--no-package-lock")
            self.npm(arguments, folder, what=what, scripts=scripts, log=log)
            return
        version = _wanted_version(node, folder)
        program = str(self._manager(node.manager, version, log))
        ignored = () if scripts else ("--ignore-scripts",)
        if node.manager == "pnpm":
            frozen = "--frozen-lockfile" if node.lock_file else "--no-lockfile"
            copied = ("--package-import-method", "copy")
            loaded = () if trusted or scripts else ("--ignore-pnpmfile",)
            if loaded:
                _refuse_pnpmfile(folder)
            installing = (program, "install", *ignored, frozen, *loaded, *copied)
            self._execute(installing, folder, what=what, scripts=scripts, log=log, runs_code=not loaded)
        elif node.manager == "bun":
            if not (trusted or scripts):
                _refuse_scanner(folder)
            frozen = "--frozen-lockfile" if node.lock_file else "--no-save"
            # from the cache by copies: a hard link would let what runs in node_modules change it
            copying = (program, "install", *ignored, frozen, "--backend=copyfile", "--no-progress")
            self._execute(copying, folder, what=what, scripts=scripts, log=log, runs_code=trusted or scripts)
        elif version.startswith(f"{_YARN_CLASSIC}.") or version == _YARN_CLASSIC:
            arguments = (program, "install", *ignored, *(("--frozen-lockfile",) if node.lock_file else ("--no-lockfile",)))
            self._execute(arguments, folder, what=what, scripts=scripts, log=log, runs_code=scripts)
        else:
            if not (trusted or scripts):
                _refuse_plugins(folder)
            frozen = "--immutable" if node.lock_file else "--no-immutable"
            linking = (program, "install", frozen)
            self._execute(linking, folder, what=what, scripts=scripts, log=log, runs_code=trusted or scripts)

    def npm(self, arguments: tuple[str, ...], folder: Path, *, what: str, scripts: bool = False, log: Log) -> None:
        """Run npm in `folder`. Raises WorkspaceError."""
        if shutil.which("npm") is None:
            raise WorkspaceError(f"{what} need npm, which is not on this machine", hint="install Node.js 20 or newer")
        # the repository's .npmrc could name another program in git's place
        options = (f"--ignore-scripts={'false' if scripts else 'true'}", "--git=git", "--loglevel=error")
        self._execute(("npm", *arguments, *options), folder, what=what, scripts=scripts, log=log, runs_code=scripts)

    def _manager(self, name: str, version: str, log: Log) -> Path:
        """The package manager in the version that the repository pins, from the registry (npm checks its integrity)."""
        target = self._home / "toolbox" / self._domain / f"{name}-{version}"
        if not (target / "complete").exists():
            with locked(target.with_suffix(".lock"), self._run):
                if not (target / "complete").exists():
                    target.mkdir(parents=True, exist_ok=True)
                    package = "@yarnpkg/cli-dist" if name == "yarn" and not version.startswith(_YARN_CLASSIC) else name
                    arguments = ("install", "--no-save", "--no-package-lock", "--prefix", str(target), f"{package}@{version}")
                    self.npm(arguments, target, what=f"{name} {version}", log=log)
                    (target / "complete").touch()
        return _bun(target) if name == "bun" else target / "node_modules" / ".bin" / name

    def _execute(self, argv: tuple[str, ...], folder: Path, *, what: str, scripts: bool, runs_code: bool, log: Log) -> None:
        """`runs_code`: something of what is installed, or of the repository, may run, so what it caches is not kept."""
        with install_cache(self._cache, f"npm-{self._domain}", own=runs_code) as cache:
            result = self._run.run(_command(argv, folder, cache, scripts=scripts), log=log)
        if result.ended == "interrupted":
            raise Interrupted("the installation was stopped")
        if result.ended != "exited" or result.exit_code != 0:
            raise _failure(result, argv, what)


def _command(argv: tuple[str, ...], folder: Path, cache: Path, *, scripts: bool) -> Command:
    variables = {
        "npm_config_cache": str(cache),
        "npm_config_store_dir": str(cache / "pnpm"),
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "npm_config_ignore_scripts": "false" if scripts else "true",
        "npm_config_progress": "false",
        "BUN_INSTALL_CACHE_DIR": str(cache / "bun"),
        "DO_NOT_TRACK": "1",
        "YARN_CACHE_FOLDER": str(cache / "yarn"),
        "YARN_ENABLE_SCRIPTS": "1" if scripts else "0",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_GLOBAL_CACHE": "0",
        "YARN_NODE_LINKER": "node-modules",
        "YARN_IGNORE_PATH": "1",  # the Yarn in the repository's own tree is code of the change
        "CI": "1",
        # git's folder cannot be written: their documents say how they are told to install no hooks
        "HUSKY": "0",
        "SKIP_INSTALL_SIMPLE_GIT_HOOKS": "1",
    }
    return Command(
        argv=argv, cwd=folder, environment=variables, network=True, timeout_s=INSTALL_TIMEOUT_S, writes=(cache,),
        reads=(Path(argv[0]).parents[2],) if Path(argv[0]).is_absolute() else (),  # the package manager's own folder
    )  # fmt: skip


def _wanted_version(node: NodeProject, folder: Path) -> str:
    """The exact version that packageManager or .yarnrc.yml pins, else the major that writes such a lock."""
    pinned = _PINNED.fullmatch(str(node.package.get("packageManager", "")))
    if pinned and pinned[1] == node.manager:
        return pinned[2]
    if node.manager == "bun":
        return _BUN
    head = _head(folder / node.lock_file) if node.lock_file else ""
    if node.manager == "pnpm":
        found = re.search(r"lockfileVersion:\s*['\"]?(\d+)", head)
        return _PNPM_OF_LOCK.get(found[1] if found else "9", "10")
    vendored = _YARN_PATH.search(_head(folder / _YARN_SETTINGS))
    if vendored:
        return vendored[1]
    berry = re.search(r"__metadata:\s+version:\s*['\"]?(\d{1,3})", head)
    if berry is None:
        return "4" if not node.lock_file and (folder / _YARN_SETTINGS).is_file() else _YARN_CLASSIC
    return "2" if int(berry[1]) < 5 else "3" if int(berry[1]) < 8 else "4"


def _refuse_plugins(folder: Path) -> None:
    """Yarn loads the plugins that .yarnrc.yml names from the tree, before anything else. Raises WorkspaceError."""
    settings = _whole(folder / _YARN_SETTINGS)
    if settings is None or re.search(r"^plugins\s*:", settings, re.MULTILINE):
        raise WorkspaceError(
            "Yarn would load the plugins that .yarnrc.yml names, and so run code of the repository while installing",
            hint="set [project] install_scripts = true in forge.toml to allow it",
        )


def _refuse_scanner(folder: Path) -> None:
    """bun loads the package that bunfig.toml names as its scanner (bun.sh, "Security Scanner API"). Raises WorkspaceError."""
    text = _whole(folder / "bunfig.toml")
    try:
        harmless = text is not None and "security" not in table(load_toml(text), "install")
    except ValueError:
        harmless = False
    if not harmless:
        raise WorkspaceError(
            "bun would load the scanner that bunfig.toml names, and so run code that the repository chooses while installing",
            hint="set [project] install_scripts = true in forge.toml to allow it",
        )


def _bun(target: Path) -> Path:
    """The program itself: what npm puts into .bin waits for an install script. Raises WorkspaceError."""
    machine = {"x86_64": "x64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    musl = "-musl" if any(Path("/lib").glob("ld-musl-*")) else ""
    name = f"bun-{sys.platform}-{machine}{musl}{'' if _has_avx2() else '-baseline'}"
    program = target / "node_modules" / "@oven" / name / "bin" / "bun"
    if not program.is_file():
        raise WorkspaceError(f"bun's package has no {name}", hint="commit a package-lock.json or pnpm-lock.yaml instead")
    return program


def _has_avx2() -> bool:
    """Whether the processor has what bun's ordinary program is compiled for, on x86-64."""
    try:
        return platform.machine() != "x86_64" or " avx2 " in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def _refuse_pnpmfile(folder: Path) -> None:
    """A lock that was made through a .pnpmfile.cjs cannot be installed without it (pnpm.io, ".pnpmfile.cjs"). Raises
    WorkspaceError.
    """
    if re.search(r"^pnpmfileChecksum:", _head(folder / "pnpm-lock.yaml", 1024 * 1024), re.MULTILINE):
        raise WorkspaceError(
            "pnpm-lock.yaml needs the repository's .pnpmfile.cjs, which is code that pnpm would run while installing",
            hint="set [project] install_scripts = true in forge.toml to allow it",
        )


def _whole(path: Path) -> str | None:
    """The text of a file of settings, "" where there is none; None where what the program would read is not all seen here."""
    if not path.exists() and not path.is_symlink():
        return ""
    text = _head(path, _SETTINGS_LIMIT + 1)
    return None if path.is_symlink() or not path.is_file() or len(text) > _SETTINGS_LIMIT else text


def _head(path: Path, limit: int = 4096) -> str:
    if not path.is_file() or path.is_symlink():
        return ""
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(limit)


def _failure(result: ProcessResult, argv: tuple[str, ...], what: str) -> WorkspaceError:
    if result.ended == "timeout":
        return WorkspaceError(f"installing {what} took longer than {INSTALL_TIMEOUT_S:.0f} s", hint="check the network")
    text = (result.stderr + b"\n" + result.stdout).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and _PROGRESS.match(line) is None]
    # npm says first what is wrong, pnpm at last
    worst = next((number for number, line in enumerate(lines) if _COMPLAINT.search(line)), 0)
    said = "\n".join(lines[worst : worst + 12])[:1500]
    if REFUSED in text:
        return WorkspaceError(f"{what} could not be installed:\n{said}", hint=ALLOW)
    offline = re.search(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|network|getaddrinfo", said)
    hint = "check the network, the proxy and the registry" if offline else "correct package.json or its lock file"
    if _OTHER_NODE.search(said):
        hint = "install the Node.js that the project or its package manager asks for where Forge runs"
    return WorkspaceError(
        f"{what} could not be installed ({' '.join((Path(argv[0]).name, *argv[1:3]))}):\n{said or result.ended}", hint=hint
    )
