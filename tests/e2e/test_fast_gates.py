"""The stage-1 gates with the real tools, in real processes: each finds its seeded fault and lets the clean twin through."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forge_dagster import registry
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome, Severity
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import Environment, Environments, GateContext
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from tests.fakes.recorded_run import OneEnvironment
from tests.support import fast_more_seeds, fast_seeds
from tests.support.seeds import Seed, plant, token

SEEDS = (*fast_seeds.SEEDS, *fast_more_seeds.SEEDS)
TOOLS = tuple(dict.fromkeys(seed.tool for seed in SEEDS))
CLEAN = {seed.tool: seed for seed in SEEDS if seed.case == "clean"}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forge's home with its toolbox, kept from one test run to the next as pip's cache is."""
    folder = tmp_path_factory.getbasetemp().parent / "forge-toolbox"
    folder.mkdir(exist_ok=True)
    return folder.resolve()


@pytest.fixture(scope="session")
def gitleaks(home: Path) -> Path:
    """The folder of a real gitleaks: from PATH, else built once with Go."""
    found = shutil.which("gitleaks")
    if found is not None:
        return Path(found).parent
    built = home / "go-bin"
    if not (built / "gitleaks").exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("there is neither gitleaks nor Go on PATH; its recorded output is tested all the same")
        environment = {"PATH": str(Path(go).parent) + ":/usr/bin:/bin", "HOME": str(home), "GOBIN": str(built)}
        for name in ("GOPROXY", "GONOSUMDB", "GOFLAGS", "GOSUMDB", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"):
            if name in os.environ:
                environment[name] = os.environ[name]
        subprocess.run([go, "install", "github.com/zricethezav/gitleaks/v8@latest"], env=environment, check=True, timeout=600)
    return built


@pytest.fixture
def run() -> Iterator[ProcessRun]:
    run = ProcessRun(home=None, run_id="fast-gates")
    yield run
    run.stop()


class Bench:
    """Examines a seed with one tool."""

    def __init__(self, folder: Path, run: ProcessRun, environments: Environments) -> None:
        self.folder, self.run, self.environments = folder, run, environments

    def examine(self, seed: Seed, *, policy: str = "") -> GateResult:
        tool = registry.tools()[seed.tool]
        project, change = plant(seed, self.folder / "repo")
        named = f'[gates.{tool.gate}]\ntools = ["{tool.name}"]\n{policy}'
        context = GateContext(
            gate=tool.gate,
            job=Job.CHANGE,
            change=change,
            project=project,
            policy=parse_policy(named),
            root=self.folder / "repo",
            scratch=self.folder / "scratch",
            run=self.run,
            environments=self.environments,
            clock=SystemClock(),
            log=lambda _line: None,
            cache=self.folder / "cache",
        )
        return run_tools(context)


@pytest.fixture
def bench(tmp_path: Path, home: Path, run: ProcessRun) -> Bench:
    return Bench(tmp_path.resolve(), run, LocalEnvironments(home, run))


@pytest.fixture(autouse=True)
def gitleaks_on_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "gitleaks" in request.node.name and "stub" not in request.node.name:
        folder = request.getfixturevalue("gitleaks")
        monkeypatch.setenv("PATH", str(folder), prepend=":")


def errors(result: GateResult) -> tuple[Finding, ...]:
    return tuple(finding for finding in result.findings if finding.severity is Severity.ERROR)


def _planned(seed: Seed) -> Any:
    """What takes minutes to build or install where it is not there yet; its recorded output is tested in any case."""
    slow = seed.tool in ("gitleaks", "typecheck_script", "pyright", "basedpyright")
    return pytest.param(seed, id=seed.id, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("seed", [_planned(seed) for seed in SEEDS])
def test_seeded_repositories(seed: Seed, bench: Bench) -> None:
    result = bench.examine(seed)
    (tool,) = result.tools
    assert (result.outcome, tool.examined) == (seed.outcome, seed.examined), result.reason
    places = {(finding.file, finding.line, finding.rule) for finding in errors(result)}
    assert places == set(seed.findings)
    assert tool.version or seed.tool in ("gitleaks", "typecheck_script")
    assert token("gh" + "p_", 36) not in result.model_dump_json() + "".join(finding.snippet for finding in result.findings)
    left = subprocess.run(["git", "status", "--short"], cwd=bench.folder / "repo", capture_output=True, text=True, check=True)
    assert {line[3:] for line in left.stdout.splitlines()} == set(seed.uncommitted), "the tool wrote into the tree"


def stub(folder: Path, program: str, script: str) -> Environment:
    folder.mkdir()
    path = folder / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Environment(language=Language.PYTHON, bin_directories=(folder,), python=folder / "python")


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec sleep 600", "was still running"),
        ("kill -SEGV $$", "was killed by SIGSEGV"),
        ("exit 0", ""),
        ("echo '[]'; echo 'internal error' >&2; exit 3", "3"),
    ],
    ids=["hangs", "crashes", "silent", "fails"],
)
def test_stub_that_misbehaves_is_errored(
    tool: str, script: str, said: str, tmp_path: Path, run: ProcessRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = stub(tmp_path / "bin", registry.tools()[tool].program, script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    bench = Bench(tmp_path.resolve(), run, OneEnvironment(environment))
    result = bench.examine(CLEAN[tool], policy='timeout = "1s"\n')
    assert result.outcome is Outcome.ERRORED
    assert said in result.reason


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "typecheck_script"])  # npm is where node is
def test_stub_that_is_missing_is_errored(tool: str, tmp_path: Path, run: ProcessRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    nothing = OneEnvironment(Environment(language=Language.PYTHON, bin_directories=(tmp_path / "bin",)))
    result = Bench(tmp_path.resolve(), run, nothing).examine(CLEAN[tool])
    assert result.outcome is Outcome.ERRORED
    assert registry.tools()[tool].program in result.reason


def test_a_gate_without_anything_to_look_at_is_skipped_with_a_reason(tmp_path: Path, run: ProcessRun, home: Path) -> None:
    seed = replace(CLEAN["ruff"], files={"README.md": "A shop.\n"}, python=None)
    bench = Bench(tmp_path.resolve(), run, LocalEnvironments(home, run))
    result = bench.examine(seed)
    assert (result.outcome, result.tools) == (Outcome.SKIPPED, ())
    assert "serves a language of this repository" in result.reason


def test_default_tools_need_no_environment_of_the_repository(tmp_path: Path, run: ProcessRun, home: Path) -> None:
    asked: list[str] = []

    class Toolbox(LocalEnvironments):
        def of(self, language: Language, *, root: Path, project: Project, log: object) -> Environment:
            asked.append(language)
            raise AssertionError("the repository's environment was asked for")

    for tool in ("ruff", "ruff_format", "black", "prettier", "kingfisher"):
        folder = tmp_path / tool
        folder.mkdir()
        result = Bench(folder.resolve(), run, Toolbox(home, run)).examine(CLEAN[tool])
        assert result.outcome is Outcome.PASSED, result.reason
    assert asked == []
