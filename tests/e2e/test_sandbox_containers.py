"""The sandbox made of containers, where an engine runs on this machine (DOCKER_HOST names another socket)."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.sandbox.escapes import try_to_escape
from forge_dagster.workspace.starting import needed_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def _answers(engine: str) -> bool:
    try:
        return subprocess.run([engine, "version"], capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _refusal(settings: SandboxSettings, folder: Path) -> str:
    """Why no program runs in a container here; empty where one does."""
    folder.mkdir()
    try:
        ProcessRun(home=folder / "home", run_id="x", sandbox=settings).run(Command(argv=("true",), cwd=folder))
    except WorkspaceError as error:
        return str(error)
    return ""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxSettings:
    """An engine that runs containers here. crun refuses where both versions of cgroups are mounted; runc does not."""
    engine = next((name for name in ("docker", "podman") if _answers(name)), None)
    if engine is None:
        pytest.skip("no container engine answers on this machine")
    settings = SandboxSettings.model_validate({"kind": "container", "engine": engine})
    refusal = _refusal(settings, tmp_path / "first")
    if refusal and engine == "podman" and shutil.which("runc"):
        (tmp_path / "containers.conf").write_text('[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n')
        monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
        refusal = _refusal(settings, tmp_path / "second")
    if refusal:
        pytest.skip(f"{engine} runs no container here, and Forge refuses: {refusal}")
    return settings


def test_nothing_gets_out(settings: SandboxSettings, tmp_path: Path) -> None:
    assert [escape.name for escape in try_to_escape(settings, tmp_path) if not escape.held] == []


def test_output_input_files_and_exit_codes(settings: SandboxSettings, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=settings)
    script = 'cat; echo "$MINE"; pwd; echo x > made; exit 3'
    command = Command(argv=("sh", "-c", script), cwd=tmp_path / "tree", stdin=b"in\n", environment={"MINE": "a\nb"})
    done = run.run(command)
    assert (done.exit_code, done.stdout.decode()) == (3, f"in\na\nb\n{tmp_path / 'tree'}\n")
    assert (tmp_path / "tree/made").stat().st_uid == tmp_path.stat().st_uid
    assert run.run(Command(argv=("sh", "-c", "exit 125"), cwd=tmp_path / "tree")).exit_code == 125


@pytest.mark.parametrize("others", [False, True])
def test_a_port_is_reached_by_whoever_owns_the_tree(settings: SandboxSettings, tmp_path: Path, others: bool) -> None:
    if others and os.geteuid() != 0:
        pytest.skip("an ordinary user has only trees of its own")
    (tmp_path / "tree").mkdir()
    if others:
        os.chown(tmp_path / "tree", 65534, 65534)
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=settings)
    script = "import socket, sys; print(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5).recv(9))"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].send(b"reached"), daemon=True).start()
        port = server.getsockname()[1]
        argv = (sys.executable, "-c", script, str(port))
        done = run.run(Command(argv=argv, cwd=tmp_path / "tree", reaches=(port,)))
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    assert done.stdout == b"b'reached'\n", done.stderr


def test_the_time_limit_removes_the_container(settings: SandboxSettings, tmp_path: Path) -> None:
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=settings)
    (tmp_path / "tree").mkdir()
    hold = Command(argv=("sh", "-c", "echo x > begun; sleep 300"), cwd=tmp_path / "tree", timeout_s=20.0)
    assert run.run(hold).ended == "timeout"
    assert (tmp_path / "tree/begun").exists()

    def left() -> bytes:
        return subprocess.run(
            [settings.engine, "ps", "-q", "--filter", "ancestor=forge-sandbox:empty"], capture_output=True, check=True
        ).stdout

    wait_until(lambda: not left())


def test_an_engine_that_does_not_answer_runs_nothing(
    settings: SandboxSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.engine != "docker":
        pytest.skip("podman has no daemon that could be away")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=settings)
    with pytest.raises(WorkspaceError, match=r"sandbox could not be made|cannot make an image"):
        run.run(Command(argv=("sh", "-c", "echo x > ran"), cwd=tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("fails", ["import", "run"])
def test_an_engine_that_warns_before_it_fails_is_no_tools_answer(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Podman does for a user who is not logged in; its exit code is one that a tool may have too."""
    engine = tmp_path / "bin/podman"
    engine.parent.mkdir()
    engine.write_text(
        f'#!/bin/sh\n[ "$1" = image ] && exit 1\n[ "$1" = {fails} ] || exit 0\n'
        'echo \'time="now" level=warning msg="/run/user/1 is not writable"\' >&2\n'
        "echo 'Error: mkdir /run/user/1: permission denied' >&2\nexit 125\n"
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}:{os.environ['PATH']}")
    needed_program.cache_clear()
    try:
        run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(kind="container", engine="podman"))
        with pytest.raises(WorkspaceError, match="mkdir /run/user/1: permission denied") as raised:
            run.run(Command(argv=("true",), cwd=tmp_path))
    finally:
        needed_program.cache_clear()
    assert "loginctl enable-linger" in raised.value.hint


def test_a_container_has_its_share_of_the_processors(settings: SandboxSettings, tmp_path: Path) -> None:
    if settings.engine == "podman" and os.geteuid() != 0:
        pytest.skip("a user's Podman is not asked for shares")
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=settings)
    script = "cat /sys/fs/cgroup/cpu.weight /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null"
    single, fourfold = (int(run.run(Command(argv=("sh", "-c", script), cwd=tmp_path, share=n)).stdout or 0) for n in (1, 4))
    assert (single == fourfold == 0) or fourfold == pytest.approx(4 * single, rel=0.05)
