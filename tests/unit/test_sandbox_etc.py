"""The sandbox's /etc is copied once for each state of the system's, without what is not everybody's."""

import os
import time
from pathlib import Path

import pytest

from forge_dagster.workspace.sandbox.etc import kept_etc


@pytest.fixture
def system(tmp_path: Path) -> Path:
    etc = tmp_path / "system"
    (etc / "ssl/certs").mkdir(parents=True)
    (etc / "ssl/private").mkdir(mode=0o700)
    (etc / "ssl/private/key.pem").write_text("private")
    (etc / "ssl/certs/one.pem").write_text("one")
    (etc / "ssl/certs/also.pem").symlink_to("one.pem")
    (etc / "services").write_text("http 80/tcp\n")
    (etc / "shadow").write_text("root:secret")
    (etc / "hosts").write_text("10.0.0.7 neighbour\n")
    (etc / "npmrc").write_text("registry=https://example.org\n")
    return etc


def kept(system: Path, folder: Path, *, network: bool = False, uid: int = 1000) -> Path:
    return kept_etc(folder, uid=uid, gid=uid, network=network, system=system)


def test_it_holds_what_programs_need_and_nothing_of_this_machine(system: Path, tmp_path: Path) -> None:
    etc = kept(system, tmp_path / "kept")
    assert (etc / "ssl/certs/also.pem").read_text() == "one"
    assert (etc / "services").read_text() == "http 80/tcp\n"
    assert not (etc / "ssl/private").exists()
    assert not (etc / "shadow").exists()
    assert not (etc / "npmrc").exists()
    assert "neighbour" not in (etc / "hosts").read_text()
    assert {"hosts", "hostname", "resolv.conf"} <= set(os.listdir(etc)), "an engine of containers mounts its own on them"  # noqa: PTH208
    assert (etc / "passwd").read_text().splitlines()[1].startswith("forge:x:1000:1000:")


def test_it_is_made_once(system: Path, tmp_path: Path) -> None:
    first = kept(system, tmp_path / "kept")
    made = first.stat().st_ino
    assert kept(system, tmp_path / "kept") == first
    assert first.stat().st_ino == made
    assert os.listdir(tmp_path / "kept") == [first.name]  # noqa: PTH208


@pytest.mark.parametrize("change", ["ssl/certs/one.pem", "ssl/certs/two.pem", "services"])
def test_a_change_of_the_systems_files_makes_it_anew(system: Path, tmp_path: Path, change: str) -> None:
    first = kept(system, tmp_path / "kept")
    (system / change).write_text("of now, with another length")
    second = kept(system, tmp_path / "kept")
    assert second != first
    assert (second / change).read_text() == "of now, with another length"


def test_users_and_commands_with_network_have_one_of_their_own(system: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    plain, other, network = kept(system, folder), kept(system, folder, uid=65534), kept(system, folder, network=True)
    assert len({plain, other, network}) == 3
    assert (network / "npmrc").exists()


def test_one_that_nobody_used_for_a_week_goes_when_the_next_is_made(system: Path, tmp_path: Path) -> None:
    first = kept(system, tmp_path / "kept")
    recent = kept(system, tmp_path / "kept", uid=1)
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(first, (week_ago, week_ago))
    kept(system, tmp_path / "kept", uid=2)
    assert not first.exists()
    assert recent.exists()


def test_use_keeps_it(system: Path, tmp_path: Path) -> None:
    first = kept(system, tmp_path / "kept")
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(first, (week_ago, week_ago))
    kept(system, tmp_path / "kept")
    kept(system, tmp_path / "kept", uid=2)
    assert first.exists()


def test_a_place_that_cannot_be_written_is_said(system: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(OSError, match="kept"):
        kept(system, tmp_path / "kept")
