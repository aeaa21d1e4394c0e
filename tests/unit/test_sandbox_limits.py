"""Control groups are found as the kernel shows them, in both versions; the files are made up."""

from pathlib import Path

import pytest

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.workspace.sandbox.limits import Hierarchy, find_hierarchies, usable_hierarchies, values_of

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
