"""What is far too much is cut, counted and said: files, findings, names, reasons, archives."""

import io
import os
import resource
import zipfile
from pathlib import Path

import pytest

from forge_dagster.domain.findings import MAX_FILE, MAX_FINDINGS, MAX_MESSAGE, MAX_RULE, Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.results import MAX_REASON, ToolRun, gate_result
from forge_dagster.errors import ConfigurationError, WorkspaceError
from forge_dagster.gates.advisory_index import AdvisoriesUnreadable, advisories_of
from forge_dagster.gates.reports import FILE_LIMIT, FILES_LIMIT, read_reports
from forge_dagster.gates.suites import tree_text
from forge_dagster.workspace.detect import detect
from forge_dagster.workspace.node_state import read_json
from forge_dagster.workspace.streams import Collected

TEN_GB = 10 * 1024**3


def sparse(path: Path) -> Path:
    """A file of 10 GB that takes no space; in a sandbox, as much as a file there may have."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with path.open("wb") as file:
        os.truncate(file.fileno(), TEN_GB if limit == resource.RLIM_INFINITY else min(TEN_GB, limit))
    return path


def test_a_report_of_ten_gigabytes_is_read_up_to_the_limit_and_said(tmp_path: Path) -> None:
    sparse(tmp_path / "report.json")
    read = read_reports(tmp_path)
    assert len(read.files["report.json"]) == FILE_LIMIT
    assert "larger than can be read (64 MiB)" in read.problem


def test_more_reports_than_any_tool_writes_are_left_and_said(tmp_path: Path) -> None:
    for number in range(FILES_LIMIT):
        (tmp_path / str(number)).touch()
    assert not read_reports(tmp_path).problem
    (tmp_path / "one-more").touch()
    read = read_reports(tmp_path)
    assert len(read.files) == FILES_LIMIT
    assert "more than 10,000 report files" in read.problem


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "package.json", ".pre-commit-config.yaml", "setup.cfg", "tox.ini", "Makefile"]
)
def test_a_manifest_of_ten_gigabytes_is_refused_or_left_out(tmp_path: Path, name: str) -> None:
    sparse(tmp_path / name)
    said = name
    try:
        detect(tmp_path, [name])
    except WorkspaceError as refused:
        said = str(refused)
    assert name in said


def test_a_lock_of_ten_gigabytes_is_not_read_whole(tmp_path: Path) -> None:
    sparse(tmp_path / "package-lock.json")
    assert read_json(tmp_path / "package-lock.json") == {}
    assert tree_text(tmp_path, "package-lock.json", 1_000) is None


def test_very_many_findings_are_counted_and_few_are_kept() -> None:
    found = [Finding(tool="t", rule="R", message=f"m{n}", category=Category.LINT, file="a.py") for n in range(10_000)]
    result = gate_result("lint", Outcome.FAILED, findings=found)
    assert (len(result.findings), result.findings_total, result.truncated) == (MAX_FINDINGS, 10_000, True)


def test_absurd_names_and_texts_are_cut() -> None:
    long = "x" * 1_000_000
    finding = Finding(tool="t", rule=long, message=long, category=Category.LINT, file=long, suggested_fix=long)
    run = ToolRun(tool="t", outcome=Outcome.ERRORED, reason=long)
    result = gate_result("lint", Outcome.ERRORED, reason=long, findings=[finding], tools=(run,))
    kept = result.findings[0]
    sizes = (len(kept.rule), len(kept.message), len(kept.file or ""), len(kept.suggested_fix))
    assert sizes == (MAX_RULE, MAX_MESSAGE, MAX_FILE, MAX_MESSAGE)
    for reason in (result.reason, result.tools[0].reason):
        assert len(reason) < MAX_REASON + 100
        assert reason.endswith("[... 1000000 characters in all]")


def test_output_without_end_is_kept_in_part_and_counted() -> None:
    said: list[str] = []
    out = Collected(10_000, said.append)
    for _ in range(1_000):
        out.add(b"y" * 4_096)
    kept = out.finish()
    assert len(kept) < 10_100
    assert out.cut == 1_000 * 4_096 - 10_000
    assert b"[... %d bytes cut ...]" % out.cut in kept
    assert sum(map(len, said)) < 40_000
    assert said[-1] == "[output goes on; the log is cut here]"


def test_a_zip_of_death_in_a_mirror_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("GHSA-1.json", "w") as member:
        for _ in range(64):
            member.write(b" " * 2**20)
    (tmp_path / "all.zip").write_bytes(packed.getvalue())
    with pytest.raises(AdvisoriesUnreadable, match="larger than an advisory can be"):
        advisories_of([tmp_path / "all.zip"], [], folder=tmp_path / "index", now=0.0)


def test_a_policy_of_ten_gigabytes_is_not_read_whole(tmp_path: Path) -> None:
    from forge_dagster.domain.policy import POLICY_LIMIT
    from forge_dagster.workspace.trees import read_policy

    with sparse(tmp_path / "forge.toml").open("rb") as file, pytest.raises(ConfigurationError, match="larger than"):
        read_policy(file.read(POLICY_LIMIT + 1), where="here")
