"""Supervision by a real supervisord."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from forge_dagster.errors import PlatformError
from forge_dagster.ports import Program
from forge_dagster.workspace.program_lives import alive
from forge_dagster.workspace.supervision import SupervisordSupervision
from tests.support.delivery import processes_of
from tests.support.waiting import wait_until

SHOW = "import json,os,sys,time; print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), flush=True); time.sleep(600)"
SLEEP = "import time; time.sleep(600)"
DEAF_FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture(params=["plain", "hostile name", "long name"])
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    names = {"plain": "h", "hostile name": "a %(here)s ;b #c 'd\" $e", "long name": "x" * 120}
    folder = Path(tempfile.mkdtemp(prefix="forge-supervision-"))
    yield folder / names[request.param]
    SupervisordSupervision(folder / names[request.param]).shutdown()
    left = processes_of(folder)
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def plain() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="forge-supervision-"))
    yield folder
    folder.chmod(0o700)
    SupervisordSupervision(folder).shutdown()
    left = processes_of(folder)
    shutil.rmtree(folder)
    assert left == []


def program(home: Path, name: str, code: str, *arguments: str, wait_s: float = 2.0, **environment: str) -> Program:
    argv = (sys.executable, "-c", code, *arguments)
    return Program(
        name=name, argv=argv, cwd=home, environment=environment, log=home / f"{name}.log", stop_wait_s=wait_s, trusted=True
    )


def pid_of(supervision: SupervisordSupervision, name: str) -> int:
    wait_until(lambda: (state := supervision.state(name)) is not None and state.running)
    state = supervision.state(name)
    assert state is not None
    assert state.pid is not None
    return state.pid


def test_hostile_arguments_and_environment_arrive_as_they_are(home: Path) -> None:
    supervision = SupervisordSupervision(home)
    arguments = ["% ;x", "%(ENV_PATH)s", "'\"", "two\nlines", "#", "", "ü"]
    supervision.start(program(home, "shown", SHOW, *arguments, A="%;' \" \\ \n,B=1", FORGE="ü"))
    wait_until((home / "shown.log").exists)
    wait_until(lambda: (home / "shown.log").read_text().endswith("\n"))
    seen, cwd, environment = json.loads((home / "shown.log").read_text())
    assert seen == arguments
    assert cwd == str(home)
    assert environment["A"] == "%;' \" \\ \n,B=1"
    assert set(environment) - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "A", "FORGE"}
    supervision.shutdown()
    assert processes_of(home.parent) == []
    assert not (home / "supervisor/socket").exists()


def test_the_same_again_is_a_no_op_and_another_replaces_it(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(program(plain, "one", SLEEP))
    first = pid_of(supervision, "one")
    supervision.start(program(plain, "one", SLEEP))
    assert pid_of(SupervisordSupervision(plain), "one") == first
    supervision.start(program(plain, "one", SLEEP, "other"))
    assert pid_of(supervision, "one") != first
    assert not psutil.pid_exists(first)
    supervision.stop("one")
    supervision.stop("one")
    assert supervision.state("one") is None
    assert supervision.programs() == ()


def test_a_killed_program_is_started_again_and_its_exits_are_counted(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(program(plain, "one", SLEEP))
    first = pid_of(supervision, "one")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: (state := supervision.state("one")) is not None and state.running and state.exits == 1)
    assert pid_of(supervision, "one") != first


def test_what_cannot_start_says_so(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(
        Program(name="absent", argv=("/no/such/program",), cwd=plain, log=plain / "log", restart=False, trusted=True)
    )
    wait_until(lambda: (state := supervision.state("absent")) is not None and not state.running and state.exits == 1)
    assert "/no/such/program" in (plain / "log").read_text()


def test_stop_takes_the_whole_family_even_if_it_ignores_sigterm(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(program(plain, "family", DEAF_FAMILY, wait_s=1))
    wait_until(lambda: (plain / "family.log").exists() and "up" in (plain / "family.log").read_text())
    leader = psutil.Process(pid_of(supervision, "family"))
    family = [leader, *leader.children(recursive=True)]
    assert len(family) == 3
    supervision.stop("family")
    assert [process for process in family if alive(process)] == []


def test_kill_9_of_supervisord_is_healed(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(program(plain, "one", SLEEP))
    first = pid_of(supervision, "one")
    old = psutil.Process(first)
    os.kill(int((plain / "supervisor/supervisord.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not supervision.is_running())
    state = supervision.state("one")
    assert state is not None
    assert not state.running
    supervision.ensure_running()
    assert pid_of(supervision, "one") != first
    assert not alive(old)


def test_a_pid_file_of_a_stranger_and_a_stale_socket_are_no_obstacle(plain: Path) -> None:
    folder = plain / "supervisor"
    folder.mkdir()
    (folder / "supervisord.pid").write_text(f"{os.getpid()}\n")
    (folder / "supervisor.sock").touch()
    supervision = SupervisordSupervision(plain)
    supervision.ensure_running()
    assert supervision.is_running()
    assert (folder.stat().st_mode & 0o777) == 0o700


def test_programs_come_back_after_shutdown(plain: Path) -> None:
    supervision = SupervisordSupervision(plain)
    supervision.start(program(plain, "one", SLEEP))
    pid_of(supervision, "one")
    supervision.shutdown()
    assert supervision.programs() == ("one",)
    assert processes_of(plain) == []
    supervision.ensure_running()
    pid_of(supervision, "one")


def test_many_at_once(plain: Path) -> None:
    def work(number: int) -> None:
        SupervisordSupervision(plain).start(program(plain, f"p{number}", SLEEP))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    supervision = SupervisordSupervision(plain)
    assert len({pid_of(supervision, f"p{number}") for number in range(6)}) == 6


def test_a_home_that_cannot_be_a_folder_and_bad_names_are_refused(plain: Path) -> None:
    (plain / "file").touch()
    with pytest.raises(PlatformError, match="cannot use"):
        SupervisordSupervision(plain / "file").ensure_running()
    for name in ("", "../x", "a b", "a]\ncommand=x", "x" * 200):
        with pytest.raises(PlatformError, match="cannot name a program"):
            SupervisordSupervision(plain).start(program(plain, name, SLEEP))
    with pytest.raises(PlatformError, match="command line"):
        SupervisordSupervision(plain).start(Program(name="a", argv=("a\0b",), cwd=plain, log=plain / "log"))
