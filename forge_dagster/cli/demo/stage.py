"""Where the story plays: a running Forge in a home of its own, with a repository, an operator and an agent."""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from forge_dagster import bootstrap
from forge_dagster.cli.demo.actors import Actor
from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.cli.demo.timeline import Timeline
from forge_dagster.cli.programs import server_url
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.ports import Command, Run, Services

REPOSITORY = "demo/shop"
AGENT = "forge/builder-01"
LOAD_RATE = 60.0
"""Requests a second while a release rolls out."""

_SETTINGS = """\
# Written by `forge demo`. The advisories are a stand-in: a real operator mirrors osv.dev's (docs/gates.md).
# Any free ports, so that it gets along with a Forge that runs already.
[ports]
server = 0
envoy_admin = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that an act needs."""

    home: Path
    services: Services
    timeline: Timeline
    run: Run
    repository: str
    operator: Actor
    agent: Actor
    version: str
    """A version number that no earlier story in this home used."""

    @property
    def environment(self) -> str:
        """What the platform calls production of the repository."""
        return f"{self.repository}/production"

    @property
    def server(self) -> str:
        """Root of the embedded host."""
        return server_url(self.services.settings)

    @property
    def url(self) -> str:
        """Where customers reach the shop."""
        return self.services.platforms["local"].url(self.environment)

    @property
    def topic(self) -> str:
        """Part of the branch names, fresh in each story."""
        return self.version.replace(".", "-")

    def page(self, number: int) -> str:
        """The pull request's page."""
        return f"{self.server}/{self.repository}/pull/{number}"

    def forge(self, *arguments: str) -> str:
        """Run the command `forge` as a person would; what it prints. Raises DemoFailed."""
        argv = (sys.executable, "-m", "forge_dagster.cli", *arguments, "--home", str(self.home))
        done = self.run.run(Command(argv=argv, cwd=self.home, timeout_s=120, trusted=True))
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if done.exit_code != 0:
            raise DemoFailed(f"forge {' '.join(arguments)} ended with {done.exit_code}: {said[-1500:]}")
        return said


def prepare_home(home: Path) -> None:
    """Settings for the demonstration, unless the home has some."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (home / SETTINGS_FILE).exists():
        return
    mirror = home / "advisories"
    mirror.mkdir(exist_ok=True)
    for ecosystem in ("PyPI", "npm"):
        (mirror / f"{ecosystem}.json").write_text(json.dumps(_advisory(ecosystem)))
    (home / SETTINGS_FILE).write_text(f"advisories = [{json.dumps(str(mirror))}]\n{_SETTINGS}")


def _advisory(ecosystem: str) -> dict[str, object]:
    """Stands in for an operator's mirror of osv.dev, so that the story needs no internet: it concerns no real package."""
    package = {"ecosystem": ecosystem, "name": "forge-demo-no-such-package"}
    affected = [{"package": package, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]
    return {
        "schema_version": "1.7.0",
        "id": f"FORGE-DEMO-{ecosystem.upper()}",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "stands in for a mirror of advisories",
        "affected": affected,
    }


def set_stage(home: Path, timeline: Timeline, run: Run) -> Stage:
    """Accounts, tokens and a repository in a home whose Forge is up."""
    services = bootstrap.build_services(home)
    admin = bootstrap.embedded_admin(home)
    try:
        repository = _repository(services, admin.repositories())
        admin.create_repository(repository)
        number = _next_number(home)
        clones = Path(tempfile.mkdtemp(prefix="forge-demo-", dir=home))
        operator = services.settings.operator
        return Stage(
            home=home,
            services=services,
            timeline=timeline,
            run=run,
            repository=repository,
            operator=Actor(
                login=operator, token=bootstrap.read_secret(home, bootstrap.OPERATOR_TOKEN), clone=clones / "operator", run=run
            ),
            agent=Actor(login=AGENT, token=admin.accounts.create_token(AGENT, "agent"), clone=clones / "agent", run=run),
            version=f"1.{number}.0",
        )
    finally:
        admin.close()


def clear_stage(stage: Stage) -> None:
    """Remove the clones and end the agent's token."""
    admin = bootstrap.embedded_admin(stage.home)
    try:
        admin.accounts.revoke(stage.agent.token)
    finally:
        admin.close()
    shutil.rmtree(stage.agent.clone.parent, ignore_errors=True)


def _repository(services: Services, known: tuple[str, ...]) -> str:
    """The shop of an earlier story if it is live, else a fresh one: a story that was cut short is not gone on with."""
    number = 1
    while True:
        name = REPOSITORY if number == 1 else f"{REPOSITORY}-{number}"
        weights = services.platforms["local"].weights(f"{name}/production") if name in known else {}
        unfinished = services.ledger.rollouts(environment=f"{name}/production", open_only=True) if name in known else ()
        if name not in known or (100 in weights.values() and not unfinished):
            return name
        number += 1


def _next_number(home: Path) -> int:
    record = home / "demo-number"
    number = int(record.read_text()) + 1 if record.exists() else 1
    record.write_text(str(number))
    return number
