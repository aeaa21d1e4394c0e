"""Limits on memory, processors and processes: a control group per command where one can be made, else limits per process.

Version 1 (a hierarchy per controller) and version 2 (one for all) of the kernel's control groups are used as they are found,
both at once where a machine has both (docs.kernel.org, "Control Group v1", "Control Group v2").
"""

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster.domain.settings import SandboxSettings

_PARENT, _ITSELF = "forge", "forge-itself"
_WANTED = ("memory", "pids", "cpu")
_PERIOD_US = 100_000
"""The kernel's own default period of a processor quota, in microseconds."""
_WEIGHT, _SHARES = 100, 1024
"""The kernel's own default of a group's part of the processors, in version 2 and 1."""
_GONE_WITHIN_S = 2.0
_MOVES = 20
"""How often what a moved process has started meanwhile is looked for."""
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Where groups are made, and for which controllers."""

    folder: Path
    controllers: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cage:
    """The control groups of one command."""

    folders: tuple[tuple[Hierarchy, Path], ...]

    @property
    def doors(self) -> tuple[str, ...]:
        """Files to which a process writes "0" to be in."""
        return tuple(str(folder / "cgroup.procs") for _, folder in self.folders)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something in it for want of memory."""
        for hierarchy, folder in self.folders:
            if "memory" in hierarchy.controllers:
                name = "memory.events" if hierarchy.version == 2 else "memory.oom_control"
                for line in _text(folder / name).splitlines():
                    word, _, count = line.partition(" ")
                    if word == "oom_kill" and count.strip() not in ("", "0"):
                        return True
        return False

    def remove(self) -> None:
        """Kill what is in it and forget it."""
        deadline = time.monotonic() + _GONE_WITHIN_S
        for _, folder in self.folders:
            while True:
                for pid in _text(folder / "cgroup.procs").split():
                    with contextlib.suppress(OSError, ValueError):
                        os.kill(int(pid), 9)
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.005)
                else:
                    break


def cage(settings: SandboxSettings, *, share: int = 1) -> Cage | None:
    """A new control group with the limits of `settings` and that share of the processors (ports.Command).

    None where this user may make none for memory and processes.
    """
    found = hierarchies()
    if not {"memory", "pids"} <= {name for hierarchy in found for name in hierarchy.controllers}:
        return None
    name = f"{os.getpid()}-{next(_NUMBERS)}"
    made: list[tuple[Hierarchy, Path]] = []
    try:
        for hierarchy in found:
            folder = hierarchy.folder / name
            folder.mkdir()
            made.append((hierarchy, folder))
            for file, value in values_of(hierarchy, settings, share=share).items():
                (folder / file).write_text(value)
            limit_swap(hierarchy, folder, settings)
    except OSError:
        Cage(folders=tuple(made)).remove()
        return None
    return Cage(folders=tuple(made))


def limit_swap(hierarchy: Hierarchy, folder: Path, settings: SandboxSettings) -> None:
    """No swap on top of the memory, where the kernel counts it: else the limit is that of the memory and all of the swap."""
    file = folder / ("memory.swap.max" if hierarchy.version == 2 else "memory.memsw.limit_in_bytes")
    if "memory" in hierarchy.controllers and file.exists():
        file.write_text("0" if hierarchy.version == 2 else str(memory_limit(settings)))


def described() -> tuple[str, str]:
    """How limits are set on this machine, and what to do where that is less than it could be."""
    found = {name: hierarchy.version for hierarchy in hierarchies() for name in hierarchy.controllers}
    if {"memory", "pids"} <= found.keys():
        names = ", ".join(f"{name} (v{version})" for name, version in sorted(found.items()))
        return f"limits by control groups: {names}", ""
    advice = (
        "for limits on all processes together: `systemd-run --user --scope -p Delegate=yes forge ...`, a service of systemd's "
        "with Delegate=yes, or root"
    )
    return "limits on memory per process, not on all together; on processes of the sandbox; none on processors", advice


def memory_limit(settings: SandboxSettings) -> int:
    """Bytes."""
    if settings.memory_mib:
        return settings.memory_mib * 2**20
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4


def values_of(hierarchy: Hierarchy, settings: SandboxSettings, *, share: int) -> Mapping[str, str]:
    """What is written into the files of a new group: file -> value."""
    memory, cores = str(memory_limit(settings)), settings.cpus or float(os.cpu_count() or 1)
    quota = str(max(1_000, int(cores * _PERIOD_US)))
    values: dict[str, str] = {}
    if "memory" in hierarchy.controllers:
        values["memory.max" if hierarchy.version == 2 else "memory.limit_in_bytes"] = memory
    if "pids" in hierarchy.controllers:
        values["pids.max"] = str(settings.processes)
    if "cpu" in hierarchy.controllers:
        values |= {"cpu.max": f"{quota} {_PERIOD_US}", "cpu.weight": str(_WEIGHT * share)} if hierarchy.version == 2 else {
            "cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": quota, "cpu.shares": str(_SHARES * share),
        }  # fmt: skip
    return values


@functools.cache
def hierarchies() -> tuple[Hierarchy, ...]:
    """Where this process may make groups: looked up once."""
    found = usable_hierarchies(_text(Path("/proc/self/mountinfo")), _text(Path("/proc/self/cgroup")))
    for hierarchy in found:
        _bury(hierarchy.folder)
    return found


def _is_delegated(group: Path) -> bool:
    """Whether systemd leaves a unit's group to what runs in it, by the mark that it sets (systemd, "Delegation")."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def usable_hierarchies(
    mounts: str,
    own: str,
    *,
    write: Callable[[Path, str], object] = Path.write_text,
    delegated: Callable[[Path], bool] = _is_delegated,
) -> tuple[Hierarchy, ...]:
    """Those of find_hierarchies in which groups may be made, each controller once, with the folder for them made.

    `write` tells the kernel: a file of a control group, and what is written to it. `delegated`: whether a unit's.
    """
    found: list[Hierarchy] = []
    taken: set[str] = set()
    for hierarchy in find_hierarchies(mounts, own):
        if hierarchy.version == 2 and hierarchy.folder.name == _ITSELF:  # an earlier process of Forge's has moved this one
            hierarchy = replace(hierarchy, folder=hierarchy.folder.parent)  # noqa: PLW2901
        within = hierarchy.version == 2 and delegated(hierarchy.folder)
        usable = _usable(hierarchy, taken, write, within=within)
        if usable is not None:
            taken.update(usable.controllers)
            found.append(usable)
    return tuple(found)


def find_hierarchies(mounts: str, own: str) -> Iterator[Hierarchy]:
    """The hierarchies in `mounts` (/proc/self/mountinfo), each at this process's own group by `own` (/proc/self/cgroup).

    For version 2 the controllers are those that the file system offers there.
    """
    paths: dict[str, str] = {}
    for line in own.splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        for name in controllers.split(",") if controllers else ([""] if number == "0" else []):
            paths[name] = path
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, *options = rest.split(" ")
        point = Path(fields.split(" ")[4]) if len(fields.split(" ")) > 4 else None
        if point is None or kind not in ("cgroup", "cgroup2"):
            continue
        if kind == "cgroup2":
            folder = _existing(point, paths.get("", "/"))
            yield Hierarchy(folder=folder, controllers=tuple(_text(folder / "cgroup.controllers").split()), version=2)
            continue
        named = options[-1].split(",") if options else []
        controllers_there = tuple(name for name in named if name in _WANTED)
        if controllers_there:
            folder = _existing(point, paths.get(controllers_there[0], "/"))
            yield Hierarchy(folder=folder, controllers=controllers_there, version=1)


def _existing(point: Path, path: str) -> Path:
    """The own group, or the mount point where a container sees nothing of the path above it."""
    folder = point / path.lstrip("/")
    return folder if folder.is_dir() else point


def _usable(hierarchy: Hierarchy, taken: set[str], write: Callable[[Path, str], object], *, within: bool) -> Hierarchy | None:
    """The hierarchy with the folder for Forge's groups, made, and the controllers that it has; None where this user may not.

    In version 2 a group with processes may not have groups with controllers below it ("No Internal Process Constraint"), save
    the root: there Forge's groups lie beside its own, so as high as it takes to find a group without processes. Where nothing
    above is this user's (a service with User= and Delegate=, a container) the processes of its own group move into one below.
    `within`: that is done first, since the limits of a unit that systemd delegates are to hold for what Forge starts too.
    """
    own, version = hierarchy.folder, hierarchy.version
    if version == 1:
        places = [(own, hierarchy.controllers)]
    else:
        above = [own, *(parent for parent in own.parents if (parent / "cgroup.subtree_control").exists())]
        places = [(place, tuple(_text(place / "cgroup.controllers").split())) for place in above]
    wanted = [(place, tuple(name for name in there if name in _WANTED and name not in taken)) for place, there in places]
    emptied = within and bool(wanted[0][1]) and _emptied(own, write)
    for place, names in (
        wanted[:1] if emptied else sorted(wanted, key=lambda one: -len(one[1]))
    ):  # systemd enables cpu only where a unit asks for it
        folder = _parent(place, names, version, write) if names else None
        if folder is not None:
            return Hierarchy(folder=folder, controllers=names, version=version)
    if version == 2 and not emptied and wanted[0][1] and _emptied(own, write):
        folder = _parent(own, wanted[0][1], version, write)
        return None if folder is None else Hierarchy(folder=folder, controllers=wanted[0][1], version=version)
    return None


def _parent(place: Path, controllers: tuple[str, ...], version: int, write: Callable[[Path, str], object]) -> Path | None:
    folder = place / _PARENT
    try:
        if version == 2:
            _enable(place, controllers, write)
        folder.mkdir(exist_ok=True)
        if version == 2:
            _enable(folder, controllers, write)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _emptied(own: Path, write: Callable[[Path, str], object]) -> bool:
    """Whether the processes of this group, this one and those around it, are now in one below it."""
    rest = own / _ITSELF
    try:
        rest.mkdir(exist_ok=True)
    except OSError:
        return False
    for _ in range(_MOVES):
        pids = _text(own / "cgroup.procs").split()
        if not pids:
            return True
        for pid in pids:
            with contextlib.suppress(OSError):
                write(rest / "cgroup.procs", pid)
    return False


def _bury(folder: Path) -> None:
    """Remove the groups of processes that were killed before they could."""
    for group in folder.iterdir():
        pid = group.name.partition("-")[0]
        if group.is_dir() and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with contextlib.suppress(OSError):
                group.rmdir()


def _enable(folder: Path, controllers: tuple[str, ...], write: Callable[[Path, str], object]) -> None:
    file = folder / "cgroup.subtree_control"
    missing = set(controllers) - set(_text(file).split())
    if missing:
        write(file, " ".join(f"+{name}" for name in sorted(missing)))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
