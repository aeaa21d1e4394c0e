"""How long environments in which no code ran are kept."""

import os
import time
from pathlib import Path

import pytest

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.declared_projects import DeclaredProject
from forge_dagster.workspace.python_installer import NoSolution, PythonInstaller
from forge_dagster.workspace.python_pristine import PristineEnvironments
from tests.fakes.recorded_run import RecordedRun

DAY = 86_400.0


@pytest.fixture
def pristine(tmp_path: Path) -> PristineEnvironments:
    run = RecordedRun([], report=tmp_path)
    return PristineEnvironments(tmp_path, run, PythonInstaller(tmp_path, run, domain="change"), ())


def made(folder: Path, name: str, *, days: float, used: float | None = None) -> Path:
    """One that was completed so many days ago, and used."""
    whole = folder / name
    whole.mkdir()
    (whole / "forge-pristine").touch()
    (folder / f"{name}.lock").touch()
    now = time.time()
    os.utime(whole / "forge-pristine", (now - days * DAY,) * 2)
    os.utime(whole, (now - (days if used is None else used) * DAY,) * 2)
    return whole


def test_those_that_had_their_time_are_removed_whether_used_or_not(tmp_path: Path, pristine: PristineEnvironments) -> None:
    old, young = made(tmp_path, "pristine-python-old", days=15, used=0), made(tmp_path, "build-python-young", days=13)
    refused = tmp_path / "pristine-python-x.refused"
    refused.touch()
    others = made(tmp_path, "python-other", days=99)
    pristine.prune()
    assert (old.exists(), young.exists(), refused.exists(), others.exists()) == (False, True, True, True)
    assert not (tmp_path / "pristine-python-old.lock").exists()
    os.utime(refused, (1, 1))
    pristine.prune()
    assert not refused.exists()


def test_of_too_many_those_go_that_were_not_used_for_longest(tmp_path: Path, pristine: PristineEnvironments) -> None:
    kept = [made(tmp_path, f"pristine-python-{number}", days=9, used=number / 100) for number in range(60)]
    pristine.prune()
    assert [number for number, whole in enumerate(kept) if whole.exists()] == list(range(40))


def test_one_that_was_left_half_made_goes_too(tmp_path: Path, pristine: PristineEnvironments) -> None:
    whole = made(tmp_path, "pristine-python-half", days=15)
    (whole / "forge-pristine").unlink()
    os.utime(whole, (1, 1))
    pristine.prune()
    assert not whole.exists()


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (NoSolution("they exclude each other", hint=""), [("a", "b"), ("a",)]),
        (WorkspaceError("no network", hint=""), [("a", "b")]),
    ],
)
def test_only_what_has_no_solution_is_shared_with_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: WorkspaceError, asked: list[tuple[str, ...]]
) -> None:
    tried: list[tuple[str, ...]] = []

    def refusing(_target: Path, requirements: tuple[str, ...], _log: object, **_: object) -> None:
        tried.append(requirements)
        raise fault

    run = RecordedRun([], report=tmp_path)
    installer = PythonInstaller(tmp_path, run, domain="change")
    monkeypatch.setattr(installer, "venv", lambda *_: None)
    monkeypatch.setattr(installer, "install_exactly", refusing)
    found = DeclaredProject(in_place=(), names=frozenset(), build_requirements=(), attempts=(("a", "b"), ("a",)))
    with pytest.raises(WorkspaceError):
        PristineEnvironments(tmp_path, run, installer, ())._install(tmp_path / "x", found, "python", lambda _: None)
    assert tried == asked
