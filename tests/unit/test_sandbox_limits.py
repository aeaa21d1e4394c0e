"""Control groups are found as the kernel shows them, in both versions; the files are made up."""

from pathlib import Path

import pytest

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.workspace.sandbox.limits import Hierarchy, find_hierarchies, limit_swap, usable_hierarchies, values_of

V1 = "30 24 0:26 / {root}/memory rw - cgroup cgroup rw,memory\n31 24 0:27 / {root}/pids rw - cgroup cgroup rw,pids\n"
V2 = "32 24 0:28 / {root}/unified rw - cgroup2 cgroup2 rw\n"
OTHER = "23 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"


def made(root: Path, *folders: str, controllers: str = "") -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        if controllers:
            (root / folder / "cgroup.controllers").write_text(controllers)
            (root / folder / "cgroup.subtree_control").write_text("")


def test_version_1_at_the_own_group_where_it_is_seen(tmp_path: Path) -> None:
    made(tmp_path, "memory/own", "pids")
    found = find_hierarchies(OTHER + V1.format(root=tmp_path), "4:memory:/own\n8:pids:/not/seen/here\n0::/\n")
    assert list(found) == [
        Hierarchy(folder=tmp_path / "memory/own", controllers=("memory",), version=1),
        Hierarchy(folder=tmp_path / "pids", controllers=("pids",), version=1),
    ]


def test_version_2_gets_its_controllers_enabled_above_the_groups(tmp_path: Path) -> None:
    made(tmp_path, "unified", "unified/own", "unified/own/forge", controllers="cpu io memory pids")
    found = usable_hierarchies(V2.format(root=tmp_path), "0::/own\n")
    assert found == (Hierarchy(folder=tmp_path / "unified/own/forge", controllers=("cpu", "memory", "pids"), version=2),)
    for folder in ("unified/own", "unified/own/forge"):
        assert (tmp_path / folder / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


class Kernel:
    """Version 2 below `root`, whose own group is `closed` where it is not this user's: it takes only what the kernel would."""

    def __init__(self, root: Path, *folders: str, closed: tuple[str, ...] = ()) -> None:
        self.root, self.closed = root, {root / folder for folder in closed}
        for folder in folders:
            made(root, folder, controllers="cpu memory pids")
            (root / folder / "cgroup.procs").write_text("")

    def write(self, file: Path, text: str) -> None:
        group = file.parent
        if group in self.closed:
            raise PermissionError(file)
        if file.name == "cgroup.procs":
            for procs in self.root.rglob("cgroup.procs"):
                procs.write_text(" ".join(pid for pid in procs.read_text().split() if pid != text))
            file.write_text(text)
        elif (group / "cgroup.procs").exists() and (group / "cgroup.procs").read_text():
            raise OSError("No Internal Process Constraint")
        elif not set(text.replace("+", "").split()) <= set((group.parent / "cgroup.controllers").read_text().split()):
            raise FileNotFoundError(file)
        else:
            file.write_text(text)


def test_a_delegated_service_empties_its_own_group(tmp_path: Path) -> None:
    """As systemd does it for User= and Delegate=yes: only the service's own group is that user's, with its processes in it."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    kernel = Kernel(tmp_path, "unified", "unified/service", closed=("unified",))
    (tmp_path / "unified/service/cgroup.procs").write_text("42")
    found = usable_hierarchies(V2.format(root=tmp_path), "0::/service\n", write=kernel.write)
    service = tmp_path / "unified/service"
    assert found == (Hierarchy(folder=service / "forge", controllers=("cpu", "memory", "pids"), version=2),)
    assert (service / "forge-itself/cgroup.procs").read_text() == "42"
    (service / "forge-itself/cgroup.controllers").write_text("cpu memory pids")
    (service / "forge-itself/cgroup.subtree_control").write_text("")
    again = usable_hierarchies(V2.format(root=tmp_path), "0::/service/forge-itself\n", write=kernel.write)
    assert again == found, "a later process of the same service begins in the lower group"


def test_limits_of_a_delegated_unit_hold_for_its_groups_too(tmp_path: Path) -> None:
    """Root could make groups above the unit, where MemoryMax= of the unit says nothing."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    kernel = Kernel(tmp_path, "unified", "unified/service")
    service = tmp_path / "unified/service"
    (service / "cgroup.procs").write_text("42")
    found = usable_hierarchies(
        V2.format(root=tmp_path), "0::/service\n", write=kernel.write, delegated=lambda group: group == service
    )
    assert found == (Hierarchy(folder=service / "forge", controllers=("cpu", "memory", "pids"), version=2),)
    assert (service / "cgroup.procs").read_text() == ""


def test_processes_that_cannot_be_moved_are_left_without_groups(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, "unified", "unified/service", closed=("unified", "unified/service/forge-itself"))
    (tmp_path / "unified/service/cgroup.procs").write_text("42")
    assert usable_hierarchies(V2.format(root=tmp_path), "0::/service\n", write=kernel.write) == ()


def test_groups_lie_where_processors_can_be_limited_too(tmp_path: Path) -> None:
    """systemd gives a slice the cpu controller only where one of its units asks for it."""
    made(tmp_path, "unified", controllers="cpu memory pids")
    made(tmp_path, "unified/slice", "unified/slice/unit", controllers="memory pids")
    found = usable_hierarchies(V2.format(root=tmp_path), "0::/slice/unit\n")
    assert found == (Hierarchy(folder=tmp_path / "unified/forge", controllers=("cpu", "memory", "pids"), version=2),)


@pytest.mark.parametrize(
    ("version", "file", "value"), [(1, "memory.memsw.limit_in_bytes", str(64 * 2**20)), (2, "memory.swap.max", "0")]
)
def test_swap_adds_nothing_to_the_memory(tmp_path: Path, version: int, file: str, value: str) -> None:
    hierarchy = Hierarchy(folder=tmp_path, controllers=("memory",), version=version)
    limit_swap(hierarchy, tmp_path, SandboxSettings(memory_mib=64))
    assert list(tmp_path.iterdir()) == [], "a kernel that does not count swap has no such file"
    (tmp_path / file).write_text("max")
    limit_swap(hierarchy, tmp_path, SandboxSettings(memory_mib=64))
    assert (tmp_path / file).read_text() == value


def test_with_both_versions_each_controller_is_used_once(tmp_path: Path) -> None:
    made(tmp_path, "memory", "pids")
    made(tmp_path, "unified", "unified/forge", controllers="")
    (tmp_path / "unified/cgroup.controllers").write_text("memory cpu")
    (tmp_path / "unified/cgroup.subtree_control").write_text("")
    found = usable_hierarchies(V1.format(root=tmp_path) + V2.format(root=tmp_path), "0::/\n")
    assert [(one.controllers, one.version) for one in found] == [(("memory",), 1), (("pids",), 1), (("cpu",), 2)]


def test_where_no_group_may_be_made_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("not a folder")
    assert usable_hierarchies(V1.format(root=tmp_path), "") == ()
    assert usable_hierarchies("", "") == ()
    assert usable_hierarchies("nonsense\n - cgroup2\n", "nonsense") == ()


@pytest.mark.parametrize(
    ("version", "share", "expected"),
    [
        (1, 1, ("cpu.shares", "1024")),
        (1, 8, ("cpu.shares", "8192")),
        (2, 1, ("cpu.weight", "100")),
        (2, 8, ("cpu.weight", "800")),
    ],
)
def test_a_command_gets_its_share_of_scarce_processors(version: int, share: int, expected: tuple[str, str]) -> None:
    hierarchy = Hierarchy(folder=Path("/c"), controllers=("cpu",), version=version)
    values = values_of(hierarchy, SandboxSettings(cpus=2), share=share)
    assert expected in values.items()
    assert values["cpu.max" if version == 2 else "cpu.cfs_quota_us"].split()[0] == "200000", "the limit is everybody's"


def test_memory_and_processes_are_limited_alike() -> None:
    hierarchy = Hierarchy(folder=Path("/c"), controllers=("memory", "pids"), version=2)
    settings = SandboxSettings(memory_mib=64, processes=32)
    assert values_of(hierarchy, settings, share=1) == {"memory.max": str(64 * 2**20), "pids.max": "32"}
