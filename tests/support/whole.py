"""The whole product on free ports in a home of its own: what `forge up` starts, with an operator and an agent who use git."""

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from forge_dagster.cli.answering import dagster_client
from forge_dagster.cli.demo.changes import shop
from forge_dagster.cli.demo.stage import AGENT, Stage, clear_stage, prepare_home, set_stage
from forge_dagster.cli.demo.timeline import Timeline
from forge_dagster.cli.programs import dagster_url
from forge_dagster.cli.starting import start
from forge_dagster.cli.stopping import stop
from forge_dagster.cli.terminal import Terminal
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.settings_file import SETTINGS_FILE
from forge_dagster.workspace.processes import ProcessRun
from tests.support.canaries import canary
from tests.support.waiting import wait_until

TRAILERS = {"Agent-By": AGENT, "Task-ID": "SHOP-1", "Model": "test-1", "Prompt-Hash": "sha256:00"}


CANARY = canary("whole")
"""What the operator of a whole Forge calls a secret."""


class Whole:
    """A running Forge with one repository; `stage` has its actors and services."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.dagster = dagster_url(stage.services.settings)

    def open_shop(self, **files: str) -> str:
        """The operator's first import of the example, with some files (path -> text) replaced."""
        operator = self.stage.operator
        operator.clone.mkdir(parents=True)
        operator.git("init", "--quiet")
        operator.write(shop() | files)
        head = operator.commit("Open the shop")
        operator.git("push", "--quiet", self.git_url, "HEAD:refs/heads/main")
        self.stage.agent.fresh_clone(self.git_url)
        return head

    @property
    def git_url(self) -> str:
        return f"{self.stage.server}/{self.stage.repository}.git"

    def propose(self, files: dict[str, str], *, topic: str, title: str = "") -> tuple[str, int]:
        """The agent's pull request: its head and number."""
        agent = self.stage.agent
        agent.git("fetch", "--quiet", "origin")
        agent.git("reset", "--quiet", "--hard", "origin/main")
        agent.write(files)
        head = agent.commit(topic, trailers=TRAILERS)
        return head, agent.propose(topic=topic, title=title or topic)

    def said(self, path: str) -> str:
        """What the host's REST API says of the repository at `path`, to the operator."""
        stage = self.stage
        headers = {"Authorization": f"Bearer {stage.operator.token}"}
        answer = httpx.get(f"{stage.server}/api/v3/repos/{stage.repository}/{path}", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.text

    def attempt(self, job: Job, head: str, *, timeout_s: float = 60) -> Attempt:
        """The attempt on a commit, once there is one."""
        ledger, repository = self.stage.services.ledger, self.stage.repository
        wait_until(lambda: ledger.attempts(repository=repository, job=job, head_sha=head), timeout_s, every_s=0.1)
        return ledger.attempts(repository=repository, job=job, head_sha=head)[0]

    def verdict(self, head: str, *, timeout_s: float = 240) -> Verdict:
        """The verdict on a head, once there is one."""
        ledger = self.stage.services.ledger
        attempt = self.attempt(Job.CHANGE, head)
        wait_until(lambda: ledger.verdict(attempt.id), timeout_s, every_s=0.2)
        found = ledger.verdict(attempt.id)
        assert found is not None
        return found

    def run_id(self, attempt: Attempt, *, timeout_s: float = 60) -> str:
        """The run that claimed the attempt."""
        ledger = self.stage.services.ledger
        wait_until(lambda: ledger.attempt(attempt.id).run_id, timeout_s, every_s=0.1)
        return ledger.attempt(attempt.id).run_id or ""

    def graphql(self, query: str, **variables: Any) -> Any:
        """What Dagster's own API says."""
        with dagster_client(self.stage.services.settings) as client:
            answer = client.post("/dagster/graphql", json={"query": query, "variables": variables}).raise_for_status()
        return answer.json()["data"]

    def run_status(self, run_id: str) -> str:
        """STARTED, FAILURE, SUCCESS, CANCELED ..."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.graphql(query, id=run_id)["runOrError"]["status"])


@contextmanager
def whole_forge(home: Path) -> Iterator[Whole]:
    """Start everything; stop everything, and see that no process is left that has to do with the home."""
    prepare_home(home)
    settings = home / SETTINGS_FILE
    settings.write_text(f'secrets = ["{CANARY}"]\n{settings.read_text()}')
    run = ProcessRun(home=home, run_id="test")
    try:
        start(home, lambda _said: None)
        stage = set_stage(home, Timeline(Terminal(io.StringIO())), run)
        yield Whole(stage)
        clear_stage(stage)
    finally:
        run.stop()
        stop(home)


def left_over(home: Path) -> list[str]:
    """Command lines of processes that name the home."""
    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if str(home) in line and "ps -eo" not in line]
