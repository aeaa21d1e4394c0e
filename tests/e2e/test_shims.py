"""A version manager's stand-ins for Python and node are seen through."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from forge_dagster.workspace.shims import with_real_programs

NODE = shutil.which("node") or ""


def shim(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("place", ["asdf/shims", ".volta/bin"])
def test_the_folder_of_the_real_node_comes_first(tmp_path: Path, place: str) -> None:
    shims = shim(tmp_path / place, "node", f'exec {os.path.realpath(NODE)} "$@"')
    made = with_real_programs(f"{shims}:/usr/bin", home=tmp_path).split(":")
    assert Path(made[0], "node").resolve() == Path(NODE).resolve()
    assert made[1:] == [str(shims), "/usr/bin"]


def test_python_is_the_one_that_forge_runs_on(tmp_path: Path) -> None:
    shims = shim(tmp_path / "pyenv/shims", "python3", "exit 127")
    made = with_real_programs(str(shims), home=tmp_path).split(":")
    assert made == [str(Path(sys.base_prefix) / "bin"), str(shims)]


@pytest.mark.parametrize("script", ["exit 3", "echo /nowhere/node", 'echo "$0"', "true", "printf '\\377'"])
def test_one_that_leads_nowhere_changes_nothing(tmp_path: Path, script: str) -> None:
    shims = shim(tmp_path / "shims", "node", script)
    assert with_real_programs(str(shims), home=tmp_path) == str(shims)


def test_real_programs_are_left_alone(tmp_path: Path) -> None:
    folder = shim(tmp_path / "bin", "node", f"touch {tmp_path}/asked")
    assert with_real_programs(str(folder), home=tmp_path) == str(folder)
    assert not (tmp_path / "asked").exists()


def test_it_is_asked_at_home_and_not_in_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    monkeypatch.chdir(repository)
    shims = shim(tmp_path / "shims", "node", f'pwd > {tmp_path}/where; exec {os.path.realpath(NODE)} "$@"')
    with_real_programs(str(shims), home=home)
    assert (tmp_path / "where").read_text().strip() == str(home)
