"""From a push to a landed merge on the real parts: git, the embedded host, webhooks, the ledger, the workspace. Only the gates'
results are put in by hand, and the clock is the machine's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge_dagster.domain.changes import Attempt, AttemptState
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import Superseded
from forge_dagster.hosts.github import GitHubHost
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Services
from forge_dagster.usecases.approve import approve
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.feed_back import JUDGING
from forge_dagster.usecases.intake import intake
from forge_dagster.usecases.outbox import drain
from forge_dagster.usecases.reconcile import reconcile
from forge_dagster.workspace.checkout import LocalWorkspace
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from tests.fakes.machine import NoEnvironments
from tests.support.serving import REPOSITORY, Clone, Served, first_import, served_host
from tests.support.waiting import wait_until

AGENT = "forge/builder-01"
TRAILERS = f"\n\nAgent-By: {AGENT}\nTask-ID: T-1\nModel: m\nPrompt-Hash: sha256:0\n"


class Forge:
    """Forge's services over a served host, and what an agent does to it."""

    def __init__(self, home: Path, served: Served, ledger: SqlLedger, clone: Clone) -> None:
        run = ProcessRun(home=home, run_id="workspace")
        host = GitHubHost(
            api_url=served.api, git_url=served.url, token=lambda: served.tokens["forge"], agents={}, write_interval_s=0.0
        )
        environments: Any = NoEnvironments()
        self.served, self.ledger, self.clone, self.host, self.run = served, ledger, clone, host, run
        self.workspace = LocalWorkspace(home, run, environments=environments)
        self.services = Services(
            settings=Settings(home=home),
            ledger=ledger,
            workspace=self.workspace,
            clock=SystemClock(),
            host_of=lambda _: host,
            hosts={"embedded": host},
            run_for=lambda _: run,
            platforms={},
            signals=None,  # type: ignore[arg-type]
            gates={},
            tools=(),
            run_url=lambda run_id: f"http://127.0.0.1/runs/{run_id}",
        )

    def push(self, files: dict[str, str], *, topic: str, base: str = "origin/main") -> str:
        self.clone.git("fetch", "--quiet", self.served.git_url("olga"), "+refs/heads/*:refs/remotes/origin/*")
        self.clone.git("checkout", "--quiet", "--detach", base)
        head = self.clone.commit(files, f"feat: {topic}{TRAILERS}")
        self.clone.push(self.served.git_url(AGENT), "HEAD:refs/for/main", f"title={topic}", f"topic={topic}")
        return head

    def attempts(self, head: str) -> list[Attempt]:
        return [a for a in intake(self.services).attempts if a.head_sha == head and a.job is Job.CHANGE]

    def judge(self, attempt: Attempt, run_id: str, **outcomes: Outcome) -> Decision:
        self.ledger.claim(attempt.id, run_id)
        for spec in JUDGING:
            self.ledger.put_result(attempt.id, gate_result(spec.name, outcomes.get(spec.name, Outcome.PASSED), reason="test"))
        return decide(self.services, attempt.id, run_id=run_id)[0].decision

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.served.tokens['reader']}"}
        return httpx.get(f"{self.served.api}/repos/{REPOSITORY}{path}", headers=headers).raise_for_status().json()

    def audit(self, kind: str) -> list[Any]:
        return [entry.body for entry in self.ledger.audit() if entry.kind == kind]


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    home = tmp_path / "home"
    ledger = SqlLedger(f"sqlite:///{home}/ledger.db")
    with served_host(home, ledger=ledger, secrets={"embedded": "s3cret"}, clock=SystemClock()) as served:
        made = Forge(home, served, ledger, first_import(served, tmp_path / "clone"))
        yield made
        made.run.stop()
    ledger.close()


def _merged(forge: Forge) -> list[Any]:
    return [pull["number"] for pull in forge.get("/pulls?state=closed") if pull["merged_at"]]


def test_a_push_is_judged_approved_and_landed_as_tested(forge: Forge) -> None:
    forge.served.host.add_webhook(f"{forge.served.url}/webhooks/embedded", "s3cret")
    head = forge.push({"src/shop.py": "PRICE = 2\n"}, topic="price")
    wait_until(lambda: bool(forge.ledger.due_events()), timeout_s=30)
    (attempt,) = forge.attempts(head)
    assert (attempt.identity.pusher, attempt.identity.agent, attempt.identity.task) == (AGENT, AGENT, "T-1")

    assert forge.judge(attempt, "r1") is Decision.REVIEW
    checks = {run["name"]: run["conclusion"] for run in forge.get(f"/commits/{head}/check-runs")["check_runs"]}
    assert checks["forge/verdict"] == "action_required"
    assert checks["forge/lint"] == "success"
    (comment,) = forge.get(f"/issues/{attempt.number}/comments")
    told = json.loads(comment["body"].split("```json\n")[1].split("\n```")[0])
    assert (told["schema"], told["head"]) == ("forge.check/1", head)

    assert attempt.number is not None
    verdict = approve(forge.services, REPOSITORY, attempt.number, by="olga", approved=True)
    assert verdict is not None
    assert _merged(forge) == [attempt.number]
    (landed,) = forge.audit("merged")
    assert landed["tested"] is True
    assert landed["landed_tree"] == landed["tested_tree"] == forge.ledger.attempt(attempt.id).tested_tree
    (comment,) = forge.get(f"/issues/{attempt.number}/comments")
    assert f"merged as {landed['sha'][:12]}" in comment["body"]

    def released() -> bool:
        return any(a.head_sha == landed["sha"] for a in intake(forge.services).attempts)

    wait_until(released, timeout_s=30)
    assert forge.ledger.attempt(attempt.id).state is AttemptState.DECIDED


def test_without_webhooks_two_changes_land_one_on_the_other(forge: Forge) -> None:
    """No delivery arrives at all: polling finds everything. The second one's base moves under it."""
    start = forge.clone.head
    heads = [forge.push({f"src/{name}.py": "x = 1\n"}, topic=name, base=start) for name in ("a", "b")]
    reconcile(forge.services)
    first, second = (forge.attempts(head)[0] for head in heads)
    assert first.number is not None
    assert second.number is not None
    for attempt in (first, second):
        approve(forge.services, REPOSITORY, attempt.number or 0, by="olga", approved=True)
    assert forge.judge(first, "r1") is Decision.MERGE
    assert forge.judge(second, "r2") is Decision.MERGE
    assert _merged(forge) == [first.number]
    (again,) = forge.attempts(heads[1])
    assert again.round == 1
    assert forge.judge(again, "r3") is Decision.MERGE
    assert sorted(_merged(forge)) == [first.number, second.number]
    assert [entry["tested"] for entry in forge.audit("merged")] == [True, True]
    drain(forge.services)


def test_a_force_push_supersedes_and_a_conflict_never_merges(forge: Forge) -> None:
    start = forge.clone.head
    old = forge.push({"src/shop.py": "PRICE = 3\n"}, topic="price", base=start)
    reconcile(forge.services)
    (attempt,) = forge.attempts(old)
    new = forge.push({"src/shop.py": "PRICE = 4\n"}, topic="price", base=start)
    with pytest.raises(Superseded, match="the head is"):
        forge.judge(attempt, "r1")
    reconcile(forge.services)
    (fresh,) = forge.attempts(new)

    other = forge.push({"src/shop.py": "PRICE = 5\n"}, topic="other", base=start)
    reconcile(forge.services)
    (rival,) = forge.attempts(other)
    for attempt in (rival, fresh):
        approve(forge.services, REPOSITORY, attempt.number or 0, by="olga", approved=True)
    assert forge.judge(rival, "r2") is Decision.MERGE
    assert forge.judge(fresh, "r3") is Decision.MERGE, "approved and green on its own base"
    assert _merged(forge) == [rival.number]
    (again,) = forge.attempts(new)
    forge.ledger.claim(again.id, "r4")
    verdict, _ = decide(forge.services, again.id, run_id="r4")
    assert (verdict.decision, verdict.outcome, verdict.risk.critical) == (Decision.REVIEW, Outcome.ERRORED, True)
    assert "conflicts with its base" in verdict.risk.reasons[0]
    assert _merged(forge) == [rival.number]
