"""A Dagster instance and a Forge home, both real, both temporary."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from forge_dagster.ports import Services
from tests.fakes.forge_home import forge_home
from tests.support.run_workers import dagster_home


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dagster_home(tmp_path / "dagster") as made:
        yield made


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with forge_home(tmp_path / "forge") as made:
        yield made
