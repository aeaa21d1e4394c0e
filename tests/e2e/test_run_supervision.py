"""Programs that are kept running for as long as a run: started again once, stopped when asked, and gone with the run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.ports import Program, ProgramState
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.reaping import start_time
from forge_dagster.workspace.run_supervision import RunSupervision
from tests.support.waiting import wait_until

STAYS = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(300)\n"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ProcessRun]:
    made = ProcessRun(home=tmp_path / "home", run_id="supervision")
    yield made
    made.stop()


@pytest.fixture
def kept(run: ProcessRun) -> RunSupervision:
    return RunSupervision(run)


def program(folder: Path, text: str, **more: object) -> Program:
    given = {"name": "shop", "argv": (sys.executable, "-c", text), "cwd": folder, "log": folder / "output.log", "trusted": True}
    return Program(**{**given, **more})  # type: ignore[arg-type]


def state(kept: RunSupervision) -> ProgramState:
    found = kept.state("shop")
    assert found is not None
    return found


def pid(wanted: Program) -> int:
    wait_until(lambda: wanted.log.exists() and wanted.log.read_text().endswith("\n"))
    return int(wanted.log.read_text())


def test_a_program_runs_until_it_is_stopped(kept: RunSupervision, tmp_path: Path) -> None:
    wanted = program(tmp_path, STAYS)
    kept.start(wanted)
    first = pid(wanted)
    kept.start(wanted)
    assert (state(kept), kept.programs()) == (ProgramState(running=True), ("shop",))
    assert pid(wanted) == first, "the same program again is no other"
    kept.stop("shop")
    assert (start_time(first), kept.state("shop"), kept.programs()) == (None, None, ())
    kept.stop("shop")


def test_another_program_of_that_name_replaces_it(kept: RunSupervision, tmp_path: Path) -> None:
    one, other = program(tmp_path, STAYS), program(tmp_path, f"{STAYS}\n", log=tmp_path / "other.log")
    kept.start(one)
    first = pid(one)
    kept.start(other)
    assert start_time(first) is None
    assert start_time(pid(other)) is not None


def test_what_ends_by_itself_is_started_once_more(kept: RunSupervision, tmp_path: Path) -> None:
    wanted = program(tmp_path, "print('here'); raise SystemExit(3)")
    kept.start(wanted)
    wait_until(lambda: not state(kept).running)
    assert (state(kept).exits, state(kept).detail) == (2, "ended with 3")
    assert wanted.log.read_text() == "here\nhere\n"


def test_what_is_not_there_is_given_up_at_once(kept: RunSupervision, tmp_path: Path) -> None:
    kept.start(program(tmp_path, "", argv=("/no/such/program",)))
    wait_until(lambda: not state(kept).running)
    assert state(kept).exits == 2
    assert "missing" in state(kept).detail


def test_nothing_outlives_the_run(run: ProcessRun, kept: RunSupervision, tmp_path: Path) -> None:
    wanted = program(tmp_path, STAYS)
    kept.start(wanted)
    first = pid(wanted)
    run.stop()
    wait_until(lambda: start_time(first) is None)
    wait_until(lambda: not state(kept).running)
    assert state(kept).exits == 1, "it is not started again"
