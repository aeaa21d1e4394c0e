"""What a sandboxed process sees of this machine: the system's programs, and the files and folders that its command names."""

import configparser
import functools
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.ports import Command

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_STORES = ("/nix/store",)
"""Where a system keeps its programs besides /usr."""
_NETWORK_FILES = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_FIND_LINKS", "UV_FIND_LINKS", "UV_CONFIG_FILE",
    "NPM_CONFIG_USERCONFIG", "npm_config_userconfig", "NPM_CONFIG_GLOBALCONFIG", "npm_config_globalconfig", "NPM_CONFIG_CAFILE",
    "npm_config_cafile",
)  # fmt: skip
"""Variables of a command with network (network.py) that name files it must be able to read."""
_KEPT_SECTIONS = ("core", "extensions")
_DROPPED_KEYS = frozenset(
    (
        "hookspath",
        "fsmonitor",
        "sshcommand",
        "gitproxy",
        "pager",
        "editor",
        "askpass",
        "attributesfile",
        "excludesfile",
        "worktree",
    )
)
_FORGE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder that is shown at `target`."""

    target: Path
    source: Path
    writable: bool = False
    system: bool = False
    """One of the system's own, which needs no other owner to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is shown, parents before children, and files that are made up."""

    binds: tuple[Bind, ...]
    links: Mapping[str, str]
    texts: Mapping[Path, bytes]


def view_of(command: Command, program: Path, environment: Mapping[str, str], *, more: Iterable[Path], etc: Path) -> View:
    """What `command` sees. `program` is the file that it runs, `more` what the operator adds, `etc` what is made up."""
    binds, links = [*_system(), *_forges_own(), Bind(target=Path("/etc"), source=etc)], dict(_system_links())
    reads = [*more, *command.reads, *_place_of(program), *(_network(environment) if command.network else ())]
    writes = [path for path in (command.cwd, *command.writes) if path != Path("/")]
    for path in writes:
        reads += _repository_above(path)
    for path in (*reads, *writes):
        reads += _belonging(path)
    for paths, writable in ((reads, False), (writes, True)):
        for path in dict.fromkeys(paths):
            binds += _bind(path, writable=writable)
    chosen = _needed(binds)
    texts: dict[Path, bytes] = {}
    for path in writes:
        _guard(path, chosen, texts)
    return View(binds=tuple(sorted(chosen.values(), key=lambda bind: len(bind.target.parts))), links=links, texts=texts)


def _needed(binds: Iterable[Bind]) -> dict[Path, Bind]:
    """The binds without those that another one shows already, at least as writable, in the same place."""
    chosen: dict[Path, Bind] = {}
    for bind in sorted(binds, key=lambda bind: (len(bind.target.parts), not bind.writable)):
        above = next((chosen[folder] for folder in (bind.target, *bind.target.parents) if folder in chosen), None)
        if above is not None and (above.writable or not bind.writable):
            if above.target == bind.target or above.source / bind.target.relative_to(above.target) == bind.source:
                continue
            if (above.source / bind.target.relative_to(above.target)).is_symlink():
                continue
        chosen[bind.target] = bind
    return chosen


# --- the system


@functools.cache
def _system() -> tuple[Bind, ...]:
    found = [Path("/usr"), *(Path(name) for name in (*_SYSTEM, *_STORES) if not Path(name).is_symlink())]
    return tuple(Bind(target=path, source=path.resolve(), system=True) for path in found if path.exists())


@functools.cache
def _system_links() -> Mapping[str, str]:
    return {name: os.readlink(name) for name in _SYSTEM if Path(name).is_symlink()}  # noqa: PTH115


@functools.cache
def _forges_own() -> tuple[Bind, ...]:
    """Forge's package with its rules and programs, the environment that it runs in, and the interpreters."""
    own = [_FORGE, Path(sys.prefix), Path(sys.base_prefix)]
    for found in (shutil.which("node"), shutil.which("npm")):
        own += () if found is None else _place_of_node(Path(found))
    return tuple(bind for path in own for bind in _bind(path, writable=False))


def _place_of_node(program: Path) -> Iterator[Path]:
    """The program node or npm, and the installation that it is part of, where it is part of one."""
    prefix = program.resolve().parent.parent
    for folder in (prefix, *prefix.parents):
        if Path.home().is_relative_to(folder):
            break  # whatever lies in it: the user's files are in it as well
        if (folder / "lib/node_modules").is_dir() and (folder / "bin").is_dir():
            yield folder
            break
    yield from _place_of(program)


def _place_of(program: Path) -> Iterator[Path]:
    """The program, and the file that it is in truth."""
    yield program
    if program.is_symlink():
        yield program.resolve()


def _network(environment: Mapping[str, str]) -> Iterator[Path]:
    for name in _NETWORK_FILES:
        for part in environment.get(name, "").replace(",", " ").split():
            if part.startswith("/"):
                yield Path(part)


# --- what belongs to what


def _belonging(path: Path) -> Iterator[Path]:
    """An environment's interpreter, and the project that is installed in it in place."""
    notes = path / "pyvenv.cfg"
    if not notes.is_file():
        return
    python = path / "bin" / "python"
    home = next((line.partition("=")[2].strip() for line in _lines(notes) if line.partition("=")[0].strip() == "home"), "")
    for folder in (Path(home) if home else None, python.resolve().parent if python.exists() else None):
        if folder is not None and folder.name == "bin" and folder.parent not in (Path("/"), Path.home()):
            yield folder.parent
    yield from (Path(line) for line in _lines(path / "forge-root") if line.startswith("/"))


def _repository_above(path: Path) -> Iterator[Path]:
    """The repository that `path` is a part of, and what its git folder is borrowed from."""
    top = _top(path)
    if top is None:
        return
    if top != path:
        yield top
    for git in _git_folders(top):
        if git != top / ".git":
            yield git
        for line in _lines(git / "objects/info/alternates"):
            objects = Path(line)
            if objects.is_absolute() and objects.name == "objects" and (objects / "pack").is_dir():
                yield objects


def objects_of(path: Path) -> Path | None:
    """Where the repository that `path` is a part of keeps its objects; None where there is none."""
    top = _top(path)
    folders = [] if top is None else list(_git_folders(top))
    return next((folder / "objects" for folder in reversed(folders) if (folder / "objects").is_dir()), None)


def _top(path: Path) -> Path | None:
    top = next((folder for folder in (path, *path.parents) if os.path.lexists(folder / ".git")), None)
    return None if top in (None, Path("/"), Path.home()) else top


def _git_folders(top: Path) -> Iterator[Path]:
    """The git folder of a work tree, and the one that it shares (gitrepository-layout(5), "commondir")."""
    git = top / ".git"
    if git.is_symlink():
        return
    if git.is_dir():
        yield git
        return
    pointer = next(iter(_lines(git)), "")
    folder = (top / pointer.removeprefix("gitdir:").strip()).resolve()
    if not pointer.startswith("gitdir:") or not (folder / "HEAD").is_file() or not _is_ours(top, folder):
        return
    yield folder
    common = next(iter(_lines(folder / "commondir")), "")
    if common:
        yield (folder / common).resolve()


def _is_ours(top: Path, folder: Path) -> bool:
    """Whether the git folder says that this is its work tree: a change may write a `.git` file that points anywhere."""
    back = next(iter(_lines(folder / "gitdir")), "")
    return back != "" and Path(back).resolve() == (top / ".git").resolve()


def _bind(path: Path, *, writable: bool) -> Iterator[Bind]:
    """At its own name, and at its true one where they differ. What is not there is left out."""
    try:
        true = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return
    if true == Path("/"):
        return
    for target in dict.fromkeys((Path(os.path.abspath(path)), true)):  # noqa: PTH100 - the name, links and all
        yield Bind(target=target, source=true, writable=writable)


def _guard(path: Path, chosen: dict[Path, Bind], texts: dict[Path, bytes]) -> None:
    """Make the repository's git folder read-only, and its configuration free of credentials and commands."""
    top = _top(path)
    if top is None:
        return
    git = top / ".git"
    if not git.is_symlink():
        for target in dict.fromkeys((git, git.resolve())):
            chosen[target] = Bind(target=target, source=git.resolve())
    for folder in _git_folders(top):
        config = folder / "config"
        if config.is_file() and not config.is_symlink():
            texts[config.resolve()] = _harmless(config)


def _harmless(config: Path) -> bytes:
    """What git needs to read the repository, without addresses, credentials and programs."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, interpolation=None)
    try:
        parser.read_string("\n".join(line.strip() for line in _lines(config)))
    except (configparser.Error, AttributeError):
        return b"[core]\n\trepositoryformatversion = 0\n"
    lines = []
    for section in parser.sections():
        if section.lower() in _KEPT_SECTIONS:
            lines.append(f"[{section}]")
            for key, value in parser.items(section):
                if key.lower() not in _DROPPED_KEYS:
                    lines.append(f"\t{key}" if value is None else f"\t{key} = {value}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            return stream.read(256 * 1024).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
