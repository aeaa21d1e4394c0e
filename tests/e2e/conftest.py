"""A bench for gates with real tools: a home and a place for repositories per file, processes per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.gate_bench import GateBench


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forge's home, with what the file's tests install."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where repositories are planted: the same folder for all of a file's, so that one environment serves them."""
    return tmp_path_factory.mktemp("bench")


@pytest.fixture
def run() -> Iterator[ProcessRun]:
    run = ProcessRun(home=None, run_id="test")
    yield run
    run.stop()


@pytest.fixture
def bench(home: Path, place: Path, run: ProcessRun) -> GateBench:
    return GateBench(place, run, LocalEnvironments(home, run, domain="change"))
