"""What uv is told, and what it is not: options, files in place of versions, and code where nothing may run."""

import contextlib
import sys
from pathlib import Path

import pytest

from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import ProcessResult
from forge_dagster.workspace.python_copies import run_by
from forge_dagster.workspace.python_frame import checked_frame, frame_of
from forge_dagster.workspace.python_installer import PythonInstaller
from forge_dagster.workspace.python_plan import PythonPlan
from forge_dagster.workspace.requirement_files import edits_in_place, index_lines
from forge_dagster.workspace.uv_arguments import requirement_file
from forge_dagster.workspace.uv_runs import succeeded
from tests.fakes.recorded_run import RecordedRun

FAILED = ProcessResult(ended="exited", exit_code=1)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    found = write(tmp_path / "e", {"pyvenv.cfg": "home = /usr/bin\n", "lib/python3.11/site-packages/a.py": "", "bin/x": ""})
    (found / "bin/python").symlink_to("/usr/bin/python3")
    (found / "lib64").symlink_to("lib")
    return found


@pytest.mark.parametrize("requires", ["/tree/python", "===/tree/python", "=== /tree/python", "./python", ">=3.11 /tree/python"])
def test_a_python_is_never_asked_for_by_a_path(tmp_path: Path, requires: str) -> None:
    run = RecordedRun([], report=tmp_path, ended=FAILED)
    plan = PythonPlan(way="install", requires_python=requires, python_version="3.99")
    with contextlib.suppress(WorkspaceError):
        assert PythonInstaller(tmp_path, run, domain="change").interpreter(plan, lambda _: None) == sys.executable
    assert [command.argv[-1] for command in run.commands] == ["3.99"]


def test_a_python_is_asked_for_by_its_versions(tmp_path: Path) -> None:
    run = RecordedRun([], report=tmp_path, ended=FAILED)
    plan = PythonPlan(way="install", requires_python=">=3.99, <4.0.dev1")
    with pytest.raises(WorkspaceError):
        PythonInstaller(tmp_path, run, domain="change").interpreter(plan, lambda _: None)
    assert [command.argv[-1] for command in run.commands] == [">=3.99, <4.0.dev1"]


def test_where_something_was_built_nothing_comes_through_the_domains_cache(environment: Path, tmp_path: Path) -> None:
    done = ProcessResult(ended="exited", exit_code=0)
    run = RecordedRun([], report=tmp_path, ended=done)
    installer = PythonInstaller(tmp_path, run, domain="change")
    plan = PythonPlan(way="uv-lock", editable=True)
    installer.complete(environment, plan, tests=True, log=lambda _: None)
    installer.install_project(environment, plan, environment, lambda _: None)
    installer.complete(environment, plan, tests=True, log=lambda _: None)
    shared = tmp_path / "cache/uv-change"
    assert [shared in command.writes for command in run.commands] == [True, False, False]
    first, *others = (command.argv for command in run.commands)
    assert first[-1] == "--no-compile-bytecode"
    assert str(environment / "bin/python") not in first
    assert "--only-binary" in first
    assert all("--only-binary" not in argv for argv in others)


def test_one_of_forges_tools_without_a_wheel_is_built_apart_from_the_domains_cache(environment: Path, tmp_path: Path) -> None:
    run = RecordedRun([], report=tmp_path, ended=FAILED)
    lock = tmp_path / "tool.lock"
    with pytest.raises(WorkspaceError):
        PythonInstaller(tmp_path, run, domain="change").install_locked(environment, lock, lambda _: None)
    assert [("--only-binary" in command.argv, lock in command.reads) for command in run.commands] == [
        (True, True),
        (False, True),
    ]
    assert [tmp_path / "cache/uv-change" in command.writes for command in run.commands] == [True, False]
    assert all("--require-hashes" in command.argv for command in run.commands)


@pytest.mark.parametrize(
    "line",
    ["-e ./x", " -e ./x", "\ufeff-e ./x", "a\r-e ./x", "a\n-e ./x", "a\f-e ./x", "a\u2028-e ./x", "a \\", "--index-url=x"],
)
def test_no_requirement_becomes_an_option(tmp_path: Path, line: str) -> None:
    listed = Path(requirement_file(["first", line, "last"], tmp_path)).read_text().split("\n")
    assert (listed[0], listed[-1]) == ("first", "last")
    assert len(listed) <= 3
    assert not any(each.lstrip().startswith("-") or each.endswith("\\") for each in listed)


@pytest.mark.parametrize(
    "text",
    [
        "-e ./x",
        "a\n  -e ./x",
        "--editable=./x",
        "--editable ./x",
        "-e./x",
        "a\r-e ./x",
        "\ufeff-e ./x",
        "\\\n-e ./x",
        "-r other.txt",
        "-rother.txt",
        "--requirement=other.txt",
        "-c other.txt",
        "--constraint other.txt",
        "-r missing.txt",
        "-r https://example.org/x.txt",
        "a\0-e ./x",
    ],
)
def test_what_a_requirement_file_may_install_in_place(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"requirements.txt": text, "other.txt": "b\n-e ./x\n"})
    assert edits_in_place(["requirements.txt"], tmp_path)


def test_plain_requirement_files_install_nothing_in_place(tmp_path: Path) -> None:
    files = {"requirements.txt": "a-e==1 --hash=sha256:0\n-r more/b.txt\n--pre\n", "more/b.txt": "b ; extra == 'e'\n-c c.txt\n"}
    write(tmp_path, {**files, "more/c.txt": "-r ../requirements.txt\n"})
    assert not edits_in_place(["requirements.txt"], tmp_path)


def test_files_that_are_no_text_may_be_anything(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("-e ./x".encode("utf-16"))
    assert edits_in_place(["requirements.txt"], tmp_path)


def test_what_of_a_requirement_file_comes_from_the_index(tmp_path: Path) -> None:
    text = "# what is used\na==1  # pinned\n-e .[dev]\n--editable=./x\n./sub\nb @ file:///x\n-r more/b.txt\n"
    write(tmp_path, {"requirements.txt": text, "more/b.txt": "c>=1; \\\n  python_version>'3'\n-r ../requirements.txt\n"})
    assert index_lines(["requirements.txt"], tmp_path) == ("a==1", 'c>=1; python_version > "3"')


@pytest.mark.parametrize(
    "line", ["-i https://x", "--no-index", "-c c.txt", "a==1 --hash=sha256:0", "-r missing.txt", "-r http://x/y"]
)
def test_where_options_say_what_lines_mean_nothing_is_taken_alone(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"requirements.txt": f"b\n-e .\n{line}\n", "c.txt": ""})
    assert index_lines(["requirements.txt"], tmp_path) is None


LONG = b"/" + b"x" * 200


@pytest.mark.parametrize("old", [b"/a/python", LONG])
@pytest.mark.parametrize("new", [b"/b/python", LONG + b"y"])
def test_a_script_is_run_by_another_python(old: bytes, new: bytes) -> None:
    def script(python: bytes) -> bytes:
        if len(python) < 127:
            return b"#!" + python + b"\nimport x\n"
        return b"#!/bin/sh\n'''exec' '" + python + b"' \"$0\" \"$@\"\n' '''\nimport x\n"

    assert run_by(script(old), old, new) == script(new)
    assert run_by(script(b"/other"), old, new) == script(b"/other")
    assert run_by(b"#!/bin/sh\necho " + old + b"\n", old, new) == b"#!/bin/sh\necho " + old + b"\n"


def test_packages_and_programs_are_no_part_of_the_frame(environment: Path) -> None:
    before = frame_of(environment)
    write(environment, {"lib/python3.11/site-packages/b.py": "", "bin/y": "", "share/man/b.1": ""})
    checked_frame(environment, before)


def moved(environment: Path, name: str, to: Path) -> None:
    (environment / name).rename(to)
    (environment / name).symlink_to(to)


@pytest.mark.parametrize("place", ["pyvenv.cfg", "bin", "lib", "lib/python3.11", "lib/python3.11/site-packages"])
def test_no_place_of_an_environment_becomes_a_link(environment: Path, tmp_path: Path, place: str) -> None:
    before = frame_of(environment)
    moved(environment, place, tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError):
        checked_frame(environment, before)


@pytest.mark.parametrize("note", ["forge-root", "forge-environment.json", "forge-environment.json.part", ".forge-cache"])
def test_nothing_that_is_installed_writes_forges_notes(environment: Path, tmp_path: Path, note: str) -> None:
    before = frame_of(environment)
    (environment / note).symlink_to(tmp_path / "anything")
    with pytest.raises(WorkspaceError):
        checked_frame(environment, before)
    (environment / note).unlink()
    write(environment, {note: "/root\n"})
    with pytest.raises(WorkspaceError):
        checked_frame(environment, before)


def test_no_program_leads_out_of_an_environment(environment: Path, tmp_path: Path) -> None:
    before = frame_of(environment)
    (environment / "bin/pytest").symlink_to(tmp_path)
    with pytest.raises(WorkspaceError):
        checked_frame(environment, before)
    (environment / "bin/pytest").unlink()
    (environment / "bin/python").unlink()
    write(environment, {"bin/python": "#!/bin/sh\n"})
    with pytest.raises(WorkspaceError):
        checked_frame(environment, before)


def test_a_failed_installation_is_told_from_its_error_on() -> None:
    said = b"Using Python 3.11 environment at: /home/x\nerror: No solution found\ncause: sphinx depends on Python>=3.12\n"
    with pytest.raises(WorkspaceError, match=r"^it could not be installed:\nerror: No solution found\ncause: sphinx") as raised:
        succeeded(ProcessResult(ended="exited", exit_code=1, stderr=said), "it")
    assert "environment at" not in raised.value.message
