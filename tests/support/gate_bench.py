"""A small repository with a change in it, examined by real gates with real tools."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.graph import Job
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.settings import Settings
from forge_dagster.ports import Checkout, Environments, Platform, Run, ServiceStarter
from forge_dagster.usecases.examine import examine_gate, gate_context
from forge_dagster.workspace.local import local_checkout
from forge_dagster.workspace.processes import SystemClock
from tests.support.repositories import TestRepository

Files = Mapping[str, str | bytes | None]


class GateBench:
    """Plants repositories at one place (environments are made per place) and examines them gate by gate."""

    def __init__(self, folder: Path, run: Run, environments: Environments) -> None:
        self.folder, self.run, self.environments = folder, run, environments
        self.root = folder / "repo"
        self.log: list[str] = []
        self.results: dict[str, GateResult] = {}
        self.checkout: Checkout

    def plant(self, base: Files, change: Files | None = None, *, policy: str = "") -> None:
        """`base` on main and `change` (None removes a file) committed on top; without a change no base is known."""
        for name in ("repo", "scratch", "artifacts", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.results.clear()
        repository = TestRepository(self.root)
        self._commit(repository, base)
        if change is not None:
            self._commit(repository, change)
        self._look("HEAD~1" if change is not None else None, parse_policy(policy) if policy else Policy())

    def commit_more(self) -> None:
        """Commit what a test did to the tree of `plant`, as the change."""
        self._commit(TestRepository(self.root), {})
        self._look("HEAD~1", self.checkout.policy)

    def look_since(self, base: str) -> None:
        """Take all commits since `base` as the change."""
        self._look(base, self.checkout.policy)

    def _look(self, base: str | None, policy: Policy) -> None:
        found = local_checkout(self.root, base, None, self.run)
        self.checkout = Checkout(
            root=found.root,
            change=found.change,
            project=found.project,
            policy=policy,
            tested_tree=None,
            base=found.base if base is not None else None,
        )

    def _commit(self, repository: TestRepository, files: Files) -> None:
        for name, content in files.items():
            if content is None:
                (self.root / name).unlink()
            else:
                repository.write(name, content)
        repository.commit()

    def examine(
        self,
        gate: str,
        *,
        platform: Platform | None = None,
        environments: Environments | None = None,
        services: ServiceStarter | None = None,
        settings: Settings | None = None,
    ) -> GateResult:
        """The gate's result, which later gates then see."""
        context = gate_context(
            gate=gate,
            job=Job.CHANGE,
            checkout=self.checkout,
            scratch=self.folder / "scratch" / gate,
            run=self.run,
            environments=environments or self.environments,
            clock=SystemClock(),
            log=self.log.append,
            results=self.results,
            platform=platform,
            artifacts=self.folder / "artifacts",
            cache=self.folder / "cache",
            services=services,
            settings=settings,
        )
        self.results[gate] = examine_gate(context, registry.gates())
        return self.results[gate]
