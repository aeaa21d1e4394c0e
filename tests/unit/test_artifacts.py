"""Artifacts are made from hostile trees."""

import contextlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.policy import Policy
from forge_dagster.domain.releases import Manifest, cluster_name, parse_manifest, slug
from forge_dagster.errors import PlatformError
from forge_dagster.platforms.artifacts import read_manifest, unpack
from forge_dagster.platforms.local_process import health_path, launch_of
from tests.support.artifacts import tarball


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE = {
    "absolute": [member("/etc/evil")],
    "parent": [member("../evil")],
    "parent inside": [member("a/../../evil")],
    "link out": [member("a", kind=tarfile.SYMTYPE, link="../../etc/passwd")],
    "absolute link": [member("a", kind=tarfile.SYMTYPE, link="/etc/passwd")],
    "hard link out": [member("a", kind=tarfile.LNKTYPE, link="../../../etc/passwd")],
    "hard link to nothing": [member("a", kind=tarfile.LNKTYPE, link="b")],
    "through a link": [member("d"[:1], kind=tarfile.SYMTYPE, link="."), member("d/../../x")],
    "file through a link": [member("dir", kind=tarfile.DIRTYPE), member("l", kind=tarfile.SYMTYPE, link="dir"), member("l/f")],
    "device": [member("null", kind=tarfile.CHRTYPE)],
    "pipe": [member("pipe", kind=tarfile.FIFOTYPE)],
    "too many": [member(f"f{number}") for number in range(60)],
    "too large": [member("big", size=3000)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members_are_refused_and_leave_nothing(name: str, tmp_path: Path) -> None:
    artifact = archive(tmp_path / "release.tar.gz", member("good.txt", size=3), *HOSTILE[name])
    with pytest.raises(PlatformError):
        unpack(artifact, tmp_path / "in" / "tree", max_files=50, max_bytes=2000)
    assert list((tmp_path / "in").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "release.tar.gz"]


def test_harmless_links_and_folders_are_kept(tmp_path: Path) -> None:
    members = [
        member("bin", kind=tarfile.DIRTYPE),
        member("bin/tool", size=5),
        member("bin/alias", kind=tarfile.SYMTYPE, link="../bin/tool"),
        member("copy", kind=tarfile.LNKTYPE, link="bin/tool"),
    ]
    unpack(archive(tmp_path / "a.tar.gz", *members), tmp_path / "tree")
    assert (tmp_path / "tree/bin/alias").read_text() == "xxxxx" == (tmp_path / "tree/copy").read_text()


@pytest.mark.parametrize("data", [b"", b"not a tar", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    artifact = tmp_path / "release.tar.gz"
    artifact.write_bytes(data)
    with pytest.raises(PlatformError):
        read_manifest(artifact)
    with pytest.raises(PlatformError):
        unpack(artifact, tmp_path / "tree")
    with pytest.raises(PlatformError, match="cannot be used"):
        read_manifest(tmp_path / "absent.tar.gz")


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    artifact = archive(tmp_path / "a.tar.gz", *[member(f"f{number}", size=900) for number in range(99)])
    artifact.write_bytes(artifact.read_bytes()[:-200])
    with pytest.raises(PlatformError):
        unpack(artifact, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "rocket"}',
        '{"kind": "service", "health": "http://x/"}',
        '{"kind": "service", "command": 7}',
        "[" * 9999,
    ],
)
def test_a_bad_manifest_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    artifact = tarball(tmp_path / "release.tar.gz", {"forge-artifact.json": text})
    with pytest.raises(PlatformError, match=r"release\.tar\.gz"):
        read_manifest(artifact)


def test_a_wheel_is_a_library(tmp_path: Path) -> None:
    (tmp_path / "release.whl").write_bytes(b"")
    assert read_manifest(tmp_path / "release.whl").kind == "library"


def launch(manifest: dict[str, object], tree: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    parsed = parse_manifest(json.dumps(manifest), where="test")
    made = launch_of(parsed, tree=tree, home=tree / "home", port=8123, python="/opt/python", policy=Policy())
    return made.argv, dict(made.environment)


def test_the_port_and_python_are_filled_in_and_paths_are_joined(tmp_path: Path) -> None:
    argv, environment = launch(
        {
            "kind": "service",
            "command": ["python", "-m", "shop", "--port={port}"],
            "environment": {"PYTHONPATH": ["src", "vendor"], "MODE": "x", "HOME": "/root", "BAD NAME": "y", "PORT": "1"},
        },
        tmp_path,
    )
    assert argv == ("/opt/python", "-m", "shop", "--port=8123")
    assert environment["PYTHONPATH"] == f"{tmp_path}/src:{tmp_path}/vendor"
    assert (environment["PORT"], environment["HOME"], environment["MODE"]) == ("8123", str(tmp_path / "home"), "x")
    assert "BAD NAME" not in environment


def test_a_service_without_a_command_and_a_site_outside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="how to start it"):
        launch({"kind": "service"}, tmp_path)
    with pytest.raises(PlatformError, match="no folder"):
        launch({"kind": "static", "directory": "../.."}, tmp_path)


def test_a_static_site_is_healthy_at_its_root_unless_it_has_the_file(tmp_path: Path) -> None:
    site = Manifest(kind="static")
    (tmp_path / "tree").mkdir()
    assert health_path(site, tmp_path) == "/"
    (tmp_path / "tree/health").write_text("ok")
    assert health_path(site, tmp_path) == "/health"


@given(st.text(), st.text())
def test_names_are_safe_and_differ(one: str, other: str) -> None:
    made = slug(one)
    assert len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if one != other:
        assert slug(other) != made
        assert cluster_name(one, "r") != cluster_name(other, "r")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_damaged_archives_give_an_answer(at: int, damage: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        artifact = tarball(Path(folder) / "a.tar.gz", {"forge-artifact.json": '{"kind": "static"}', "a/b.txt": "text" * 40})
        data = bytearray(artifact.read_bytes())
        data[at : at + len(damage)] = damage
        artifact.write_bytes(bytes(data))
        with contextlib.suppress(PlatformError):
            read_manifest(artifact)
        with contextlib.suppress(PlatformError):
            unpack(artifact, Path(folder) / "tree")
        assert {path.name for path in Path(folder).iterdir()} <= {"a.tar.gz", "tree"}
