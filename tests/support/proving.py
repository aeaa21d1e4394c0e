"""A check of a work tree with the given gates, for proofs that run no tool."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forge_dagster.domain.settings import Settings
from forge_dagster.ports import Gate
from forge_dagster.usecases.check import LocalCheck
from forge_dagster.workspace.checkout import local_checkout
from forge_dagster.workspace.processes import ProcessRun
from tests.fakes.machine import NoEnvironments, StillClock
from tests.support.repositories import TestRepository


def bare_check(repository: TestRepository, gates: Mapping[str, Gate], run: ProcessRun, folder: Path, **more: Any) -> LocalCheck:
    """Of the repository's HEAD; scratch and home lie in `folder`."""
    return LocalCheck(
        checkout=local_checkout(repository.path, "HEAD", "HEAD", run),
        specs=(),
        gates=gates,
        environments=NoEnvironments(),
        run=run,
        clock=StillClock(),
        scratch=folder / "scratch",
        workers=4,
        settings=Settings(home=folder / "home"),
        **more,
    )
