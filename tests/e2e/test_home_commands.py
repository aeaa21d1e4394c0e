"""`forge up`, `down`, `status`, `approve`, `doctor` where something stands in the way; test_whole has them at work."""

import json
import socket
from pathlib import Path

import pytest

from tests.support.forge_command import ForgeCommand


@pytest.fixture
def forge(tmp_path: Path) -> ForgeCommand:
    return ForgeCommand(tmp_path / "home")


def test_help_names_every_command_and_the_exit_codes(forge: ForgeCommand) -> None:
    done = forge.run("--help")
    assert done.returncode == 0
    for name in ("check", "demo", "up", "down", "status", "approve", "reject", "doctor"):
        assert name in done.stdout
    assert "130" in done.stdout
    assert "serve " not in done.stdout


def test_a_port_in_use_is_named_with_its_setting_and_nothing_is_started(forge: ForgeCommand) -> None:
    forge.home.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (forge.home / "settings.toml").write_text(f"[ports]\nserver = {port}\n")
        done = forge.run("up")
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert "ports.server" in done.stderr
    assert not list((forge.home / "supervisor" / "programs").glob("*"))


def test_a_home_that_cannot_be_made_is_2(forge: ForgeCommand) -> None:
    forge.home.write_text("a file")
    done = forge.run("up")
    assert done.returncode == 2
    assert "FORGE_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_down_with_nothing_running_is_fine(forge: ForgeCommand) -> None:
    done = forge.run("down")
    assert done.returncode == 0
    assert "nothing was running" in done.stdout


def test_status_of_a_home_that_is_down_is_3_and_says_how_to_start(forge: ForgeCommand) -> None:
    done = forge.run("status")
    assert done.returncode == 3
    assert "forge up" in done.stdout
    shown = json.loads(forge.run("status", "--format", "json").stdout)
    assert (shown["schema"], shown["up"]) == ("forge.status/1", False)
    assert {process["name"] for process in shown["processes"]} == {"server", "code", "dagster", "daemon"}


def test_approve_needs_a_reference_and_a_running_forge(forge: ForgeCommand) -> None:
    wrong = forge.run("approve", "shop")
    assert wrong.returncode == 2
    assert "owner/repository#number" in wrong.stderr
    absent = forge.run("approve", "demo/shop#1")
    assert absent.returncode == 2
    assert "forge up" in absent.stderr


def test_doctor_says_what_there_is_as_data(forge: ForgeCommand) -> None:
    done = forge.run("doctor", "--format", "json")
    found = json.loads(done.stdout)
    states = {row["name"]: row["state"] for row in found["examinations"]}
    assert states["git"] == states["python"] == states["uv"] == "fine"
    assert states["sandbox"] in ("fine", "note")
    tried = {row["name"]: row["state"] for row in found["examinations"] if row["name"].startswith("- ")}
    assert tried == dict.fromkeys(
        ("- shadow", "- secrets", "- write", "- network", "- processes", "- rights", "- forks", "- memory", "- outlive"), "fine"
    )
    assert done.returncode == (0 if found["healthy"] else 3)


def test_doctor_fails_when_something_needed_is_missing(forge: ForgeCommand, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = forge.run("doctor", PATH=str(tmp_path / "empty"))
    assert done.returncode == 3
    assert "missing  git" in done.stdout
    assert "apt-get install git" in done.stdout


def test_an_unexpected_fault_is_one_line_and_a_traceback_only_on_demand(forge: ForgeCommand) -> None:
    forge.home.mkdir()
    (forge.home / "settings.toml").mkdir()
    done = forge.run("status")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Traceback" in forge.run("--debug", "status").stderr
