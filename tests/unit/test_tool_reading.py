"""Scripts, diffs, places and reports: the parts the tool adapters share."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.places import inside
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project, PythonProject
from forge_dagster.gates import reports
from forge_dagster.gates.judging import believed, placed
from forge_dagster.gates.reports import fresh, read_reports
from forge_dagster.ports import ProcessResult, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.diffs import first_change, first_differences
from forge_dagster.tools.fast.credentials import scope
from forge_dagster.tools.fast.mypy import ADAPTER as MYPY
from forge_dagster.tools.fast.mypy import targets
from forge_dagster.tools.reading import Unreadable
from forge_dagster.tools.scripts import invocations, kept

ROOT = PurePosixPath("/w/repo")


@pytest.mark.parametrize(
    ("name", "directory", "expected"),
    [
        ("src/a.py", "", "src/a.py"),
        ("./src/a.py", "", "src/a.py"),
        ("/w/repo/src/a.py", "", "src/a.py"),
        ("a.py", "packages/x", "packages/x/a.py"),
        ("../y/a.py", "packages/x", "packages/y/a.py"),
        ("../../etc/passwd", "", None),
        ("/etc/passwd", "", None),
        ("/w/repository/a.py", "", None),
        ("src/../../repo2/a", "", None),
        ("", "", None),
        ("a\0b", "", None),
        ("/w/repo", "", None),
    ],
)
def test_places_are_inside_or_nowhere(name: str, directory: str, expected: str | None) -> None:
    assert inside(ROOT, name, directory=directory) == expected


@given(st.text(max_size=60), st.text(alphabet="ab/.", max_size=10))
def test_no_name_leads_out_of_the_tree(name: str, directory: str) -> None:
    found = inside(ROOT, name, directory=directory)
    assert found is None or (not found.startswith("/") and ".." not in found.split("/"))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("prettier --check .", [("--check", ".")]),
        ("eslint . && prettier -c src test", [("-c", "src", "test")]),
        ("CI=1 npx prettier --check '{src,test}/**/*' README.md", [("--check", "{src,test}/**/*", "README.md")]),
        ("cross-env A=b ./node_modules/.bin/prettier -l .", [("-l", ".")]),
        ("npm run prettier-like", []),
        ("echo 'prettier --check ."[:-1], []),
        ("(prettier -c a; prettier -c b) | tee log", [("-c", "a"), ("-c", "b")]),
        (None, []),
    ],
)
def test_calls_in_scripts(script: object, expected: list[tuple[str, ...]]) -> None:
    assert [call.arguments for call in invocations({"x": script}, "prettier")] == expected


def test_the_value_of_a_dropped_option_is_no_target() -> None:
    arguments = ["src", "--max-warnings", "0", "--format=stylish", "-f", "json", "--fix", "--ext", ".ts"]
    options, found = kept(arguments, with_value={"--ext"}, alone=set(), dropped={"--max-warnings", "--format", "-f"})
    assert (options, found) == (["--ext", ".ts"], ["src"])


def test_only_known_options_are_kept() -> None:
    options, found = kept(
        ["--fix", "--ext", ".ts,.js", "-f", "src", "--config=x.js", "--", "-odd"], with_value={"--ext", "--config"}, alone=()
    )
    assert (options, found) == (["--ext", ".ts,.js", "--config=x.js"], ["src", "-odd"])


DIFF = """--- src/a.py
+++ src/a.py
@@ -2,3 +2,3 @@
 import os
-x = {'a':1}
+x = {"a": 1}
 y = 2
--- src/b.py	2026-01-01
+++ src/b.py	2026-01-01
@@ -9 +9,2 @@
 z
+
"""


def test_first_difference_of_each_file() -> None:
    first, second = first_differences(DIFF)
    assert (first.path, first.line, str(first)) == ("src/a.py", 3, "`x = {'a':1}` would become `x = {\"a\": 1}`")
    assert (second.path, second.line, str(second)) == ("src/b.py", 10, "blank lines or line ends differ")


def test_a_diff_cut_off_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        first_differences(DIFF[: DIFF.index("+x")])


def test_code_that_looks_like_a_header_is_code() -> None:
    tricky = "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n--- b.py\n+++ b.py\n c\n"
    (found,) = first_differences(tricky)
    assert (found.path, found.before, found.after) == ("a.py", "-- b.py", "++ b.py")


@given(st.text(alphabet="ab\n", max_size=30), st.text(alphabet="ab\n", max_size=30))
def test_first_change_is_where_two_texts_part(before: str, after: str) -> None:
    found = first_change(before, after, "a")
    if found is None:
        assert before == after
    else:
        old, new = before.split("\n"), after.split("\n")
        assert before != after
        assert old[: found.line - 1] == new[: found.line - 1]


# --- reports -----------------------------------------------------------------------------------------------------------


def test_reports_are_read_without_following_links_or_waiting_for_pipes(tmp_path: Path) -> None:
    folder = fresh(tmp_path / "report")
    (folder / "deep").mkdir()
    (folder / "deep" / "a.json").write_text("[]")
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    assert read_reports(folder).files == {"deep/a.json": b"[]"}


def test_fresh_removes_what_was_left(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "old.json").write_text("[]")
    assert list(fresh(tmp_path / "report").iterdir()) == []
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    fresh(tmp_path / "link")
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_a_report_that_is_too_large_is_a_problem(tmp_path: Path) -> None:
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(reports.FILE_LIMIT + 1)
    assert "big.json" in read_reports(tmp_path).problem


# --- what is true of every tool ------------------------------------------------------------------------------------------


def finding(**fields: object) -> Finding:
    return Finding.model_validate({"tool": "mypy", "rule": "r", "message": "m", "category": Category.TYPE, **fields})


def output(**fields: object) -> ToolOutput:
    return ToolOutput(result=ProcessResult(ended="exited", exit_code=0, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "outputs", "expected"),
    [
        (ToolReport(outcome=Outcome.PASSED, examined=3), [output()], Outcome.PASSED),
        (ToolReport(outcome=Outcome.PASSED, examined=0), [output()], Outcome.ERRORED),
        (ToolReport(outcome=Outcome.PASSED, examined=3), [output(truncated=True)], Outcome.ERRORED),
        (ToolReport(outcome=Outcome.PASSED, examined=3, findings=(finding(),)), [output()], Outcome.FAILED),
        (ToolReport(outcome=Outcome.FAILED, examined=3), [output()], Outcome.ERRORED),
        (ToolReport(outcome=Outcome.FAILED, examined=0, findings=(finding(),)), [output(truncated=True)], Outcome.FAILED),
    ],
)
def test_contradictions_are_not_believed(report: ToolReport, outputs: list[ToolOutput], expected: Outcome) -> None:
    assert believed(MYPY, report, outputs).outcome is expected


def test_findings_are_put_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    change = Change(repository="a/b", files=(ChangedFile(path="a.py", added_lines=frozenset({2})),))
    found = [
        finding(file=str(tmp_path / "a.py"), line=2, column=3),
        finding(file="a.py", line=1),
        finding(file="/etc/passwd", line=1, column=1),
        finding(file="a.py", line=2, category=Category.SECRET),
    ]
    added, old, outside, secret = placed(found, root=tmp_path, change=change)
    assert (added.file, added.line, added.attribution, added.snippet) == ("a.py", 2, Attribution.NEW, "y = 2")
    assert (old.attribution, old.snippet) == (Attribution.UNKNOWN, "x = 1")
    assert (outside.file, outside.line, outside.column, outside.snippet) == (None, None, None, "")
    assert (secret.attribution, secret.snippet) == (Attribution.NEW, "")


def test_a_source_that_is_a_link_out_of_the_tree_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("password\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").symlink_to(tmp_path / "outside")
    (found,) = placed([finding(file="a.py", line=1)], root=tmp_path / "tree", change=Change(repository="a/b"))
    assert found.snippet == ""


# --- single tools --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("src/shop/__init__.py", "tests/test_a.py"), ("src",)),
        (("shop/__init__.py", "tests/__init__.py", "docs/conf.py", "setup.py"), ("shop",)),
        (("main.py", "noxfile.py"), ("main.py",)),
        (("deep/er/a.py",), (".",)),
    ],
)
def test_what_mypy_checks_where_nobody_says(files: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert targets(Project(files=files, python=PythonProject(manager="uv"))) == expected


A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("base", "head", "commits", "files"),
    [
        (A, B, (A, B), ()),
        (A, None, (A, "HEAD"), ("x.py",)),
        (None, B, None, ("x.py", "y.py")),
        (A, A, None, ("x.py", "y.py")),
        ("--output=/etc/passwd", B, None, ("x.py", "y.py")),
        (A, "HEAD --exec", None, ("x.py", "y.py")),
    ],
)
def test_where_secrets_are_looked_for(
    base: str | None, head: str | None, commits: tuple[str, str] | None, files: tuple[str, ...]
) -> None:
    change = Change(
        repository="a/b", base_sha=base, head_sha=head, files=(ChangedFile(path="x.py"), ChangedFile(path="gone.py"))
    )
    request = ToolRequest(
        root=Path("/w/repo"),
        project=Project(files=("x.py", "y.py")),
        change=change,
        policy=Policy(),
        environment=None,
        executable=Path("/w/bin/x"),
        version="",
        report=Path("/w/output"),
    )
    found = scope(request)
    assert (found.commits, found.files) == (commits, files)
