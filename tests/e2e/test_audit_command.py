"""`forge audit` and `forge keys` as processes, over a home in which something was judged and built."""

import json
from pathlib import Path

import pytest

from tests.fakes.git_world import REPOSITORY
from tests.support.built_release import BuiltRelease
from tests.support.evidence import database
from tests.support.forge_command import ForgeCommand


@pytest.fixture
def release(tmp_path: Path) -> BuiltRelease:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    made = BuiltRelease(home)
    made.let_through()
    return made


@pytest.fixture
def forge(release: BuiltRelease) -> ForgeCommand:
    return ForgeCommand(release.home)


def test_the_log_is_checked_here_and_anywhere(release: BuiltRelease, forge: ForgeCommand, tmp_path: Path) -> None:
    whole = forge.run("audit", "verify", "--format", "json")
    found = json.loads(whole.stdout)
    assert (whole.returncode, found["ok"], found["fault"], found["attestations"]) == (0, True, None, 2)
    exported = tmp_path / "log.jsonl"
    assert forge.run("audit", "export", "--output", exported).returncode == 0
    [public] = (release.home / "keys").glob("*.pub")
    elsewhere = ForgeCommand(tmp_path / "elsewhere")
    away = elsewhere.run("audit", "verify", exported, "--key", public, "--head", found["head"])
    assert (away.returncode, "whole" in away.stdout) == (0, True)
    exported.write_text(exported.read_text().replace('"number":9', '"number":8', 1))
    broken = elsewhere.run("audit", "verify", exported, "--key", public)
    assert (broken.returncode, "BROKEN" in broken.stdout) == (1, True)


def test_a_row_that_was_changed_is_named(release: BuiltRelease, forge: ForgeCommand) -> None:
    with database(release.world, release.home) as rows:
        rows.execute("UPDATE results SET body = replace(body, 'passed', 'failed')")
    found = forge.run("audit", "verify")
    assert (found.returncode, "gate build of attempt 1" in found.stdout) == (1, True)


def test_a_file_proves_nothing_without_keys(release: BuiltRelease, forge: ForgeCommand, tmp_path: Path) -> None:
    alone = forge.run("audit", "verify", tmp_path / "log.jsonl")
    assert (alone.returncode, "--key" in alone.stderr) == (2, True)
    [public] = (release.home / "keys").glob("*.pub")
    assert forge.run("audit", "verify", "--key", public).returncode == 2
    assert forge.run("audit", "verify", tmp_path / "missing", "--key", public).returncode == 2
    (tmp_path / "other").write_text("{}\n")
    other = forge.run("audit", "verify", tmp_path / "other", "--key", public)
    assert (other.returncode, "line 1" in other.stderr) == (2, True)


def test_an_operators_word_is_signed(release: BuiltRelease, forge: ForgeCommand) -> None:
    said = forge.run("audit", "vouch", REPOSITORY, release.head[:12], "--comment", "seen by hand")
    assert (said.returncode, f"operator answers for {REPOSITORY}@" in said.stdout) == (0, True)
    assert "seen by hand" in forge.run("audit", "export").stdout
    assert forge.run("audit", "vouch", REPOSITORY, "d" * 12, "--comment", "x").returncode == 2
    assert forge.run("audit", "vouch", REPOSITORY, release.head).returncode == 2
    (release.home / "settings.toml").write_text('[evidence]\nunverified_releases = "refuse"\n')
    refused = forge.run("audit", "vouch", REPOSITORY, release.head, "--comment", "seen by hand")
    assert (refused.returncode, "refuse releases" in refused.stderr) == (2, True)


def test_trust_is_given_and_taken_by_the_sealed_log_alone(release: BuiltRelease, forge: ForgeCommand) -> None:
    agent = "forge/builder-01"
    assert "is at L0 in" in forge.run("trust", REPOSITORY, agent).stdout
    given = forge.run("trust", REPOSITORY, agent, "L2", "--comment", "good work")
    assert (given.returncode, "is at L2 in" in given.stdout) == (0, True)
    assert "is at L0 in" in forge.run("trust", REPOSITORY, "forge/other").stdout
    assert "is at L1 in" in forge.run("trust", REPOSITORY, agent, "1").stdout
    assert forge.run("trust", REPOSITORY, agent, "L4").returncode == 2
    assert "good work" in forge.run("audit", "export").stdout
    assert forge.run("audit", "verify").returncode == 0


def test_keys_are_rotated_and_what_the_old_one_signed_stays_valid(release: BuiltRelease, forge: ForgeCommand) -> None:
    [old] = [path.stem for path in (release.home / "keys").glob("*.key")]
    assert forge.run("keys", "rotate").returncode == 0
    [new] = [path.stem for path in (release.home / "keys").glob("*.key")]
    assert new != old
    listed = forge.run("keys", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [old, new]
    assert ("until" in listed[0], "in force" in listed[1]) == (True, True)
    assert forge.run("audit", "verify").returncode == 0


def test_a_lost_key_needs_the_operators_word(release: BuiltRelease, forge: ForgeCommand) -> None:
    for path in (release.home / "keys").glob("*.key"):
        path.unlink()
    refused = forge.run("keys", "rotate")
    assert (refused.returncode, "--lost" in refused.stderr) == (2, True)
    assert forge.run("keys", "rotate", "--lost").returncode == 0
    assert forge.run("audit", "verify").returncode == 0
