"""The sandbox: what a process of a change sees, writes, reaches and leaves behind."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.domain.settings import SandboxSettings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.starting import needed_program
from tests.support.holding import is_free
from tests.support.waiting import wait_until

_HOLD = "exec 9>held; flock 9; echo x > begun; exec sleep 300"


@pytest.fixture
def run(tmp_path: Path) -> ProcessRun:
    return ProcessRun(home=tmp_path / "home", run_id="test")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def sh(script: str, cwd: Path, **options: object) -> Command:
    return Command(argv=("sh", "-c", script), cwd=cwd, **options)  # type: ignore[arg-type]


def said(run: ProcessRun, script: str, cwd: Path, **options: object) -> str:
    done = run.run(sh(script, cwd, **options))
    return (done.stdout + done.stderr).decode()


def test_it_runs_as_nobody_with_no_rights_and_sees_little(run: ProcessRun, tree: Path, tmp_path: Path) -> None:
    text = said(run, "id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /etc/shadow; ls -A /home /root /work", tree)
    assert "CapEff:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text
    assert "shadow: No such file" in text
    if os.geteuid() == 0:
        assert text.startswith("65534\n")
    assert str(len(list(tmp_path.iterdir()))) != said(run, f"ls -A {tmp_path} | wc -l", tree).strip()
    assert "No such file" in said(run, f"ls {tmp_path / 'home'}", tree)


def test_the_environment_is_its_own(run: ProcessRun, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_TEST_SECRET", "hidden")
    text = run.run(Command(argv=("env",), cwd=tree, environment={"MINE": "1", "LD_PRELOAD": ""})).stdout.decode()
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert names == {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "MINE", "LD_PRELOAD", "FORGE_PROCESS", "PWD"}
    assert "HOME=/tmp/home\n" in text


def test_its_variables_touch_nothing_outside(run: ProcessRun, tree: Path) -> None:
    """A variable that a change chose, such as LD_PRELOAD, is none of the programs' that stand around the sandbox."""
    assert run.run(sh("echo fine", tree, environment={"LD_DEBUG": "files"})).stdout.endswith(b"fine\n")
    assert b"setpriv" not in run.run(sh("true", tree, environment={"LD_DEBUG": "files"})).stderr


def test_what_it_writes_belongs_to_the_owner_of_the_tree(run: ProcessRun, tree: Path) -> None:
    assert run.run(sh("umask 022; echo x > made; mkdir folder; echo y >> kept", tree)).exit_code == 0
    assert (tree / "made").read_text() == "x\n"
    assert (tree / "made").stat().st_uid == os.geteuid()
    assert run.run(sh("cat made; rm made", tree)).stdout == b"x\n"
    assert not (tree / "made").exists()


def test_only_what_is_named_is_seen_and_written(run: ProcessRun, tree: Path, tmp_path: Path) -> None:
    for name in ("seen", "written", "hidden"):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "file").write_text(name)
    script = (
        f"cd {tmp_path}; cat seen/file written/file hidden/file; echo more >> written/file; echo no >> seen/file; echo no > x"
    )
    text = said(run, script, tree, reads=(tmp_path / "seen", tmp_path / "absent"), writes=(tmp_path / "written",))
    assert text.startswith("seenwritten")
    assert "hidden" not in text.replace("hidden/file: No such file", "")
    assert (tmp_path / "written/file").read_text() == "writtenmore\n"
    assert (tmp_path / "seen/file").read_text() == "seen"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("place", ["/", "/usr", "/etc", "/proc/sys/kernel/core_pattern", "/dev/sda"])
def test_the_system_is_read_only(run: ProcessRun, tree: Path, place: str) -> None:
    target = place if place.startswith(("/proc", "/dev")) else f"{place}/made"
    assert run.run(sh(f"echo x > {target}", tree)).exit_code != 0 or not Path(target).exists()


def test_home_and_tmp_are_new_for_every_command(run: ProcessRun, tree: Path) -> None:
    assert run.run(sh("echo x > ~/left; echo x > $TMPDIR/left", tree)).exit_code == 0
    assert said(run, "ls -A ~ $TMPDIR | grep left; echo end", tree) == "end\n"


def test_the_repository_is_read_only_and_its_configuration_harmless(run: ProcessRun, tree: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    subprocess.run(["git", "-C", str(tree), "remote", "add", "origin", "https://user:hidden@example.org/x.git"], check=True)
    (tree / "part").mkdir()
    text = said(run, "git rev-parse --show-toplevel; cat ../.git/config; echo x > ../.git/hooks/post-checkout", tree / "part")
    assert text.startswith(f"{tree}\n")
    assert "hidden" not in text
    assert "Read-only" in text
    assert not (tree / ".git/hooks/post-checkout").exists()


def test_a_git_file_that_points_elsewhere_shows_nothing(run: ProcessRun, tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (tree / ".git").write_text(f"gitdir: {other / '.git'}\n")
    assert "No such file" in said(run, f"ls {other}", tree)


def test_a_linked_work_tree_finds_its_repository(run: ProcessRun, tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    git = ["git", "-C", str(main), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q", str(main)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(linked)], check=True)
    assert said(run, "git log --format=%s", linked) == "first\n"


@pytest.mark.parametrize("linked", [False, True])
def test_git_can_merge_where_a_command_says_so_and_leaves_nothing(run: ProcessRun, tmp_path: Path, linked: bool) -> None:
    tree = tmp_path / "main"
    git = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(tree)], check=True)
    for branch, text in (("main", "a\nb\nc\n"), ("one", "1\nb\nc\n"), ("two", "a\nb\n2\n")):
        if branch != "main":
            subprocess.run([*git, "checkout", "-q", "-b", branch, "main"], check=True)
        (tree / "file").write_text(text)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", branch], check=True)
    subprocess.run([*git, "merge", "-q", "--no-edit", "one"], check=True)
    if linked:
        subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "linked")], check=True)
        tree = tmp_path / "linked"
    before = sorted(path for path in (tmp_path / "main/.git/objects").rglob("*"))
    asks = Command(argv=("git", "log", "-1", "--remerge-diff", "--format=merge %p"), cwd=tree)
    assert run.run(asks).exit_code == 128
    answer = run.run(dataclasses.replace(asks, merges=True))
    assert (answer.exit_code, answer.stdout.decode().split()[0]) == (0, "merge"), answer.stderr
    assert sorted(path for path in (tmp_path / "main/.git/objects").rglob("*")) == before


def test_there_is_no_network(run: ProcessRun, tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert run.run(Command(argv=(sys.executable, "-c", script), cwd=tree)).exit_code == 1
        assert run.run(Command(argv=(sys.executable, "-c", script), cwd=tree, reaches=(port,))).exit_code == 0


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """A plain HTTP server on loopback; its "host:port"."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"packages")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_an_installation_reaches_registries_alone(tmp_path: Path, tree: Path) -> None:
    script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read())"
    with registry() as allowed, registry() as other:
        run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(hosts=(allowed,)))
        answers = [
            run.run(Command(argv=(sys.executable, "-c", script, f"http://{host}/x"), cwd=tree, network=True))
            for host in (allowed, other)
        ]
    assert answers[0].stdout == b"b'packages'\n"
    assert b"403" in answers[1].stderr


def test_a_service_is_reached_once_it_listens(run: ProcessRun, tree: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tree / "index.html").write_text("served")
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    results: list[ProcessResult] = []
    thread = threading.Thread(target=lambda: results.append(run.run(Command(argv=argv, cwd=tree, listens=(port,)))))
    thread.start()

    def fetched() -> bool:
        import urllib.request

        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            return bool(answer.read() == b"served")
        return False

    wait_until(fetched)
    run.stop()
    thread.join(20)
    assert [result.ended for result in results] == ["interrupted"]


def test_what_is_left_behind_dies_however_it_hides(run: ProcessRun, tree: Path) -> None:
    daemon = f"env -i setsid sh -c '{_HOLD}' >/dev/null 2>&1 & while [ ! -s begun ]; do :; done; echo done"
    assert run.run(sh(daemon, tree)).stdout == b"done\n"
    wait_until(lambda: is_free(tree / "held"))


def test_the_time_limit_ends_everything(run: ProcessRun, tree: Path) -> None:
    daemon = f"env -i setsid sh -c '{_HOLD}' & while [ ! -s begun ]; do :; done; echo begun; wait; sleep 300"
    assert run.run(sh(daemon, tree, timeout_s=10.0)).ended == "timeout"
    wait_until(lambda: is_free(tree / "held"))


def test_exit_codes_and_signals_are_the_programs_own(run: ProcessRun, tree: Path) -> None:
    assert run.run(sh("exit 200", tree)).exit_code == 200
    assert run.run(sh("kill -SEGV $$", tree)).exit_code == -11
    assert run.run(sh("echo 'bwrap: pretending' >&2; exit 2", tree)).exit_code == 2


def test_memory_is_limited(tmp_path: Path, tree: Path) -> None:
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(memory_mib=128))
    done = run.run(Command(argv=(sys.executable, "-c", "x = bytearray(400 * 2**20); print(len(x))"), cwd=tree))
    assert done.exit_code in (-9, 1)
    assert not done.stdout


def test_processes_are_limited(tmp_path: Path, tree: Path) -> None:
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(processes=20))
    forks = "for n in range(100):\n        os.fork() or os.execlp('sleep', 'sleep', '60')"
    script = f"import os\nn = 0\ntry:\n    {forks}\nexcept OSError: pass\nprint(n)"
    done = run.run(Command(argv=(sys.executable, "-c", script), cwd=tree))
    assert 0 < int(done.stdout) < 20


def test_files_are_limited(tmp_path: Path, tree: Path) -> None:
    run = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(file_mib=1, scratch_mib=16))
    run.run(sh("head -c 4000000 /dev/zero > large; for n in 1 2 3; do head -c 1000000 /dev/zero > /tmp/$n; done", tree))
    assert (tree / "large").stat().st_size == 2**20
    assert run.run(sh("for n in $(seq 40); do head -c 1000000 /dev/zero > /tmp/$n || exit 7; done", tree)).exit_code == 7


def test_without_bubblewrap_nothing_of_a_change_runs(
    run: ProcessRun, tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needed_program.cache_clear()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    try:
        with pytest.raises(WorkspaceError, match="sandbox cannot be had") as raised:
            run.run(Command(argv=("/bin/sh", "-c", "echo x > ran"), cwd=tree))
    finally:
        needed_program.cache_clear()
    assert "apt-get install bubblewrap" in raised.value.hint
    assert not (tree / "ran").exists()
    lowered = ProcessRun(home=tmp_path / "home", run_id="x", sandbox=SandboxSettings(kind="none"))
    assert lowered.run(Command(argv=("/bin/sh", "-c", "echo x > ran"), cwd=tree)).exit_code == 0
