"""Real processes: nothing outlives its reason to run."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from forge_dagster.errors import Interrupted, UsageError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.reaping import reap, start_time
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> ProcessRun:
    return ProcessRun(home=tmp_path / "home", run_id="test")


def sh(script: str, cwd: Path, **options: object) -> Command:
    """A trusted one, whose process ids are those of this machine; test_sandbox.py is about the others."""
    return Command(argv=("sh", "-c", script), cwd=cwd, trusted=True, **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    return start_time(pid) is not None


def pid_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def test_output_exit_code_and_stdin(run: ProcessRun, tmp_path: Path) -> None:
    result = run.run(sh("cat; echo err >&2; exit 3", tmp_path, stdin=b"x" * 300_000))
    assert (result.ended, result.exit_code, result.stderr, result.truncated) == ("exited", 3, b"err\n", False)
    assert result.stdout == b"x" * 300_000


def test_a_process_that_does_not_read_its_stdin(run: ProcessRun, tmp_path: Path) -> None:
    result = run.run(sh("exec <&-; echo done", tmp_path, stdin=b"x" * 1_000_000))
    assert (result.exit_code, result.stdout) == (0, b"done\n")


def test_environment_is_cleared(run: ProcessRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORGE_TEST_SECRET", "UV_INDEX_URL", "HTTPS_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "hidden")
    text = run.run(Command(argv=("env",), cwd=tmp_path, environment={"MINE": "1"}, trusted=True)).stdout.decode()
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert names == {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "MINE", "FORGE_PROCESS"}
    assert str(Path.home()) not in text.replace(os.environ["PATH"], "")
    networked = run.run(Command(argv=("env",), cwd=tmp_path, network=True, trusted=True)).stdout.decode()
    assert "UV_INDEX_URL=hidden" in networked
    assert "HTTPS_PROXY=hidden" in networked
    assert "FORGE_TEST_SECRET" not in networked
    assert "PYTHONPATH" not in networked


def test_time_limit_kills_grandchildren_and_keeps_output(run: ProcessRun, tmp_path: Path) -> None:
    script = "echo before; (sleep 300 & echo $! > child; wait) & wait"
    result = run.run(sh(script, tmp_path, timeout_s=1.0))
    assert (result.ended, result.exit_code, result.stdout) == ("timeout", None, b"before\n")
    wait_until(lambda: not alive(pid_in(tmp_path / "child")))  # a kill is done when the kernel gets to it


def test_what_the_leader_leaves_behind_dies(run: ProcessRun, tmp_path: Path) -> None:
    result = run.run(sh("sleep 300 & echo $! > child; echo done", tmp_path))
    assert (result.ended, result.exit_code, result.stdout) == ("exited", 0, b"done\n")
    wait_until(lambda: not alive(pid_in(tmp_path / "child")))  # a kill is done when the kernel gets to it


def test_a_daemon_that_left_the_group_and_holds_the_pipe(run: ProcessRun, tmp_path: Path) -> None:
    script = "setsid sh -c 'echo $$ > daemon; exec sleep 300' & while [ ! -s daemon ]; do :; done; echo done"
    begun = time.monotonic()
    result = run.run(sh(script, tmp_path, timeout_s=60.0))
    assert (result.ended, result.stdout) == ("exited", b"done\n")
    assert time.monotonic() - begun < 60
    wait_until(lambda: not alive(pid_in(tmp_path / "daemon")))


def test_a_daemon_that_hides_its_mark_does_not_hang_the_run(run: ProcessRun, tmp_path: Path) -> None:
    script = "env -i setsid sh -c 'echo $$ > daemon; exec sleep 300' & while [ ! -s daemon ]; do :; done; echo done"
    result = run.run(sh(script, tmp_path, timeout_s=60.0))
    os.kill(pid_in(tmp_path / "daemon"), signal.SIGKILL)
    assert (result.ended, result.stdout) == ("exited", b"done\n")


def test_a_flood_is_cut_in_the_middle(run: ProcessRun, tmp_path: Path) -> None:
    result = run.run(sh("echo first; yes | head -c 20000000; echo last", tmp_path, output_limit=100_000))
    assert result.truncated
    assert result.stdout.startswith(b"first\n")
    assert result.stdout.endswith(b"y\nlast\n")
    assert len(result.stdout) < 101_000
    assert b"bytes cut" in result.stdout


def test_log_gets_lines_as_they_come_and_not_forever(run: ProcessRun, tmp_path: Path) -> None:
    lines: list[str] = []
    run.run(sh("printf 'a\\nb\\r\\nc'; printf 'd' >&2", tmp_path), log=lines.append)
    assert sorted(lines) == ["a", "b", "c", "d"]
    lines.clear()
    run.run(sh("yes | head -c 1000000", tmp_path, output_limit=10_000), log=lines.append)
    assert len(lines) < 60_000
    assert "cut" in lines[-1]


def test_a_log_that_raises_ends_the_process(run: ProcessRun, tmp_path: Path) -> None:
    def log(_: str) -> None:
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        run.run(sh("echo $$ > leader; echo line; sleep 300", tmp_path), log=log)
    assert not alive(pid_in(tmp_path / "leader"))


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("argv", [("no-such-program",), ("./plain.txt",), ("/",), (), ("a\0b",), ("sh", "a\0b"), ("./script",)])
def test_what_cannot_be_started_is_missing(run: ProcessRun, tmp_path: Path, argv: tuple[str, ...], trusted: bool) -> None:
    (tmp_path / "plain.txt").write_text("no program")
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    result = run.run(Command(argv=argv, cwd=tmp_path, trusted=trusted))
    assert (result.ended, result.exit_code) == ("missing", None)
    assert result.stderr


def test_missing_folder_is_missing(run: ProcessRun, tmp_path: Path) -> None:
    assert run.run(sh("true", tmp_path / "absent")).ended == "missing"


def test_stop_from_another_thread_ends_all_and_starts_none(run: ProcessRun, tmp_path: Path) -> None:
    results: list[ProcessResult] = []
    scripts = [f"echo $$ > leader{n}; sleep 300 & wait" for n in range(4)]
    threads = [threading.Thread(target=lambda s=s: results.append(run.run(sh(s, tmp_path)))) for s in scripts]
    for thread in threads:
        thread.start()
    pids = [pid_in(tmp_path / f"leader{n}") for n in range(4)]
    run.stop()
    for thread in threads:
        thread.join(10)
    assert [result.ended for result in results] == ["interrupted"] * 4
    assert not any(alive(pid) for pid in pids)
    assert run.run(sh("true", tmp_path)).ended == "interrupted"


def test_waiting_ends_when_stopped(run: ProcessRun) -> None:
    run.wait(0.01)
    raised = threading.Event()

    def wait() -> None:
        try:
            run.wait(300)
        except Interrupted:
            raised.set()

    thread = threading.Thread(target=wait)
    thread.start()
    run.stop()
    thread.join(10)
    assert raised.is_set()


def test_stop_from_a_signal_handler(tmp_path: Path) -> None:
    code = f"""
import signal, sys
from pathlib import Path
from forge_dagster.ports import Command
from forge_dagster.workspace.processes import ProcessRun
run = ProcessRun(home=Path({str(tmp_path)!r}), run_id="x")
signal.signal(signal.SIGTERM, lambda *_: run.stop())
result = run.run(Command(argv=("sh", "-c", "echo $$ > leader; sleep 300 & wait"), cwd=Path({str(tmp_path)!r}), trusted=True))
print(result.ended)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    leader = pid_in(tmp_path / "leader")
    worker.terminate()
    output, _ = worker.communicate(timeout=20)
    assert output.strip() == "interrupted"
    assert not alive(leader)


WORKER = """
import sys, threading
from pathlib import Path
from forge_dagster.ports import Command
from forge_dagster.workspace.processes import ProcessRun
home, folder = Path(sys.argv[1]), Path(sys.argv[2])
run = ProcessRun(home=home, run_id="doomed")
script = '''echo $$ > leader
sleep 300 & echo $! > child
setsid sh -c "echo \\\\$\\\\$ > daemon; exec sleep 300" &
wait'''
def work():
    run.run(Command(argv=("sh", "-c", script), cwd=folder, trusted=True))
thread = threading.Thread(target=work, daemon=len(sys.argv) > 3)
thread.start()
if len(sys.argv) > 3:
    while not (folder / "daemon").exists(): run.wait(0.02)
    sys.exit(0)
thread.join()
"""


def start_worker(home: Path, folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", WORKER, str(home), str(folder), *more], cwd=ROOT)


def test_reap_after_kill_9_of_the_worker(tmp_path: Path) -> None:
    home = tmp_path / "home"
    worker = start_worker(home, tmp_path)
    pids = [pid_in(tmp_path / name) for name in ("leader", "child", "daemon")]
    assert reap(home) == 0, "what has a living owner is left alone"
    assert all(alive(pid) for pid in pids)
    worker.kill()
    worker.wait(10)
    assert reap(home) > 0
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert not (home / "processes" / "doomed").exists()
    assert reap(home) == 0


def test_reap_of_one_run_kills_it_whoever_owns_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    worker = start_worker(home, tmp_path)
    pids = [pid_in(tmp_path / name) for name in ("leader", "child", "daemon")]
    assert reap(home, "another") == 0
    assert reap(home, "doomed") > 0
    wait_until(lambda: not any(alive(pid) for pid in pids))
    worker.wait(10)


def test_the_end_of_the_interpreter_ends_everything(tmp_path: Path) -> None:
    worker = start_worker(tmp_path / "home", tmp_path, "exit")
    pids = [pid_in(tmp_path / name) for name in ("leader", "child", "daemon")]
    assert worker.wait(20) == 0
    wait_until(lambda: not any(alive(pid) for pid in pids[:2]))
    reap(tmp_path / "home")
    wait_until(lambda: not alive(pids[2]))


def test_a_reused_pid_is_never_killed(tmp_path: Path) -> None:
    import json

    bystander = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        folder = tmp_path / "processes" / "old"
        folder.mkdir(parents=True)
        record = {"pgid": bystander.pid, "started": 1.0, "mark": "old:1@1:0", "owner": "999999@1.0"}
        (folder / f"{bystander.pid}.json").write_text(json.dumps(record))
        (folder / "broken.json").write_text("{")
        assert reap(tmp_path) == 0
        assert bystander.poll() is None
        assert not folder.exists()
    finally:
        bystander.kill()
        bystander.wait()


def test_two_objects_of_one_run_do_not_kill_each_others_processes(tmp_path: Path) -> None:
    one, other = (ProcessRun(home=tmp_path, run_id="same") for _ in range(2))
    results: list[ProcessResult] = []
    script = "echo $$ > leader; while [ ! -e go ]; do sleep 0.05; done"
    thread = threading.Thread(target=lambda: results.append(one.run(sh(script, tmp_path))))
    thread.start()
    pid_in(tmp_path / "leader")
    for _ in range(3):
        other.run(sh("true", tmp_path))
    other.stop()
    (tmp_path / "go").touch()
    thread.join(20)
    assert [(result.ended, result.exit_code) for result in results] == [("exited", 0)]


def test_records_and_private_folder_are_gone_after_the_run(tmp_path: Path) -> None:
    run = ProcessRun(home=tmp_path, run_id="tidy")
    private = Path(run.run(sh("echo $HOME; touch $TMPDIR/left", tmp_path)).stdout.decode().strip()).parent
    assert private.is_dir()
    assert [path.name for path in (tmp_path / "processes/tidy").iterdir()] == [f"{private.name}.json"]
    other = ProcessRun(home=tmp_path, run_id="tidy")
    other.run(sh("true", tmp_path))
    del run
    assert not private.exists()
    assert other.run(sh("true", tmp_path)).exit_code == 0, "one object's end does not disturb another of the same run"
    del other
    assert not (tmp_path / "processes/tidy").exists()


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "-x", "a\n"])
def test_hostile_run_ids(run_id: str) -> None:
    with pytest.raises(UsageError):
        ProcessRun(home=None, run_id=run_id)
