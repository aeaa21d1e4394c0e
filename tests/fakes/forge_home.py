"""Forge's services over a temporary home, in any number of processes: real ledger and processes, scripted gates and host.

`$FORGE_TEST_HOME` names the home; `script/<gate>` in it says what the gate does: pass, fail, error, raise, skip or sleep.
"""

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from forge_dagster.domain.changes import Attempt, Change, Identity
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import GATES, Job
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.policy import Policy, policy_digest
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import Interrupted
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.orchestration.definitions import definitions
from forge_dagster.orchestration.resources import Forge
from forge_dagster.ports import Checkout, Command, Commit, GateContext, GitHost, PullRequest, Services
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from tests.fakes.machine import NoEnvironments

HOME = "FORGE_TEST_HOME"
REPOSITORY = "acme/shop"
FOUND = Finding(
    tool="ruff", rule="F401", message="`os` is imported and not used", category=Category.LINT, file="src/a.py", line=12
)


def home() -> Path:
    return Path(os.environ[HOME])


def script(gate: str, act: str) -> None:
    """Say what a gate does from now on."""
    (home() / "script").mkdir(exist_ok=True)
    (home() / "script" / gate).write_text(act)


class ScriptedGate:
    def __init__(self, name: str) -> None:
        self.name = name

    def examine(self, context: GateContext) -> GateResult:
        path = home() / "script" / self.name
        act = path.read_text() if path.exists() else "pass"
        context.log(f"{self.name} was told to {act}")
        return getattr(self, f"_{act}")(context)  # type: ignore[no-any-return]

    def _pass(self, _context: GateContext) -> GateResult:
        return gate_result(self.name, Outcome.PASSED, metrics={"examined": 3.0}, links={"preview": "http://127.0.0.1:1/"})

    def _fail(self, _context: GateContext) -> GateResult:
        return gate_result(self.name, Outcome.FAILED, findings=(FOUND,))

    def _error(self, _context: GateContext) -> GateResult:
        return gate_result(self.name, Outcome.ERRORED, reason="ruff is not installed")

    def _skip(self, _context: GateContext) -> GateResult:
        return gate_result(self.name, Outcome.SKIPPED, reason="nothing to do here")

    def _raise(self, _context: GateContext) -> GateResult:
        raise ZeroDivisionError("a fault of the gate")

    def _sleep(self, context: GateContext) -> GateResult:
        folder = home()
        text = "sleep 300 & echo $! > child; echo $$ > parent.part; mv parent.part parent; wait"
        result = context.run.run(Command(argv=("sh", "-c", text), cwd=folder, timeout_s=300, trusted=True))
        if result.ended == "interrupted":
            raise Interrupted("the tool was stopped")
        return gate_result(self.name, Outcome.ERRORED, reason=f"the tool {result.ended}")


class PlainWorkspace:
    environments = NoEnvironments()

    def checkout(self, attempt: Attempt, host: GitHost, *, log: Callable[[str], None]) -> Checkout:
        root = home() / "tree"
        root.mkdir(exist_ok=True)
        change = Change(
            repository=attempt.repository,
            number=attempt.number,
            head_sha=attempt.head_sha,
            base_sha="b" * 40,
            identity=attempt.identity,
        )
        return Checkout(root=root, change=change, project=Project(), policy=Policy(), tested_tree="7" * 40)

    def merged_tree(self, attempt: Attempt, host: GitHost, *, base_sha: str) -> str | None:
        return "7" * 40

    def scratch(self, attempt: Attempt, gate: str) -> Path:
        return home() / "scratch" / str(attempt.id) / gate

    def clean(self, attempt: Attempt) -> None:
        (home() / f"cleaned-{attempt.id}").touch()


class QuietHost:
    """A host with the pull requests of `pulls.json` that takes every write and forgets it."""

    def pull_request(self, repository: str, number: int) -> PullRequest:
        stored = json.loads((home() / "pulls.json").read_text())
        return PullRequest(**stored[str(number)])

    def open_pull_requests(self, repository: str) -> tuple[PullRequest, ...]:
        return ()

    def repositories(self) -> tuple[str, ...]:
        return (REPOSITORY,)

    def commit(self, repository: str, ref: str) -> Commit:
        return Commit(sha=ref, message="Sell more\n\nAgent-By: builder-01\nTask-ID: T-1\nModel: m\n")

    def branch_head(self, repository: str, branch: str) -> str:
        return "b" * 40

    def file_text(self, repository: str, path: str, ref: str) -> str | None:
        return None

    def git_url(self, repository: str) -> str:
        return f"https://git.example/{repository}.git"

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_more: None


class FakeForge(Forge):
    def services(self) -> Services:
        return services_of(home())


@functools.cache
def services_of(folder: Path) -> Services:
    host: Any = QuietHost()
    workspace: Any = PlainWorkspace()
    return Services(
        settings=Settings(home=folder),
        ledger=SqlLedger(f"sqlite:///{folder / 'ledger.db'}"),
        workspace=workspace,
        clock=SystemClock(),
        host_of=lambda _repository: host,
        hosts={"test": host},
        run_for=functools.cache(lambda run_id: ProcessRun(home=folder, run_id=run_id)),
        platforms={},
        signals=None,  # type: ignore[arg-type]
        gates={spec.name: ScriptedGate(spec.name) for spec in GATES},
        tools=(),
        run_url=lambda run_id: f"http://127.0.0.1/runs/{run_id}",
    )


@contextmanager
def forge_home(folder: Path) -> Iterator[Services]:
    """A home that Forge has been started in."""
    (folder / "secrets").mkdir(parents=True)
    before = os.environ.get(HOME)
    os.environ[HOME] = str(folder)
    try:
        yield services_of(folder)
    finally:
        os.environ.pop(HOME)
        if before is not None:
            os.environ[HOME] = before


def open_pull_request(*, number: int = 7, sha: str = "a" * 40) -> PullRequest:
    """Tell the host of a pull request, or of its new head."""
    pull = PullRequest(
        repository=REPOSITORY, number=number, title="Sell more", state="open", merged=False, draft=False, head_sha=sha,
        head_ref="topic", base_ref="main", base_sha="b" * 40, author="builder-01", author_is_agent=True,
    )  # fmt: skip
    path = home() / "pulls.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, str(number): dataclasses.asdict(pull)}))
    return pull


def announce(services: Services, pull: PullRequest, *, delivery: str) -> None:
    """The webhook about it, as stored by the receiver."""
    payload = {"number": pull.number, "pull_request": {"number": pull.number}}
    services.ledger.receive(
        delivery=delivery, host="test", name="pull_request", action="opened", repository=pull.repository, payload=payload,
        at=services.clock.now(),
    )  # fmt: skip


def open_attempt(services: Services, *, number: int = 7, sha: str = "a" * 40, job: Job = Job.CHANGE) -> Attempt:
    """An attempt at a pull request that the host knows."""
    pull = open_pull_request(number=number, sha=sha)
    attempt = services.ledger.open_attempt(
        Attempt(
            repository=REPOSITORY,
            job=job,
            number=number if job is Job.CHANGE else None,
            title=pull.title,
            base_ref="main",
            head_sha=sha,
            base_sha="b" * 40,
            policy_digest=policy_digest(""),
            identity=Identity(pusher="builder-01", pusher_is_agent=True, agent="builder-01", task="T-1", model="m"),
            created_at=services.clock.now(),
        )
    )
    assert attempt is not None
    return attempt


defs = definitions(FakeForge())


def change() -> dg.JobDefinition:
    return defs.resolve_job_def("change")


def release() -> dg.JobDefinition:
    return defs.resolve_job_def("release")


def nightly() -> dg.JobDefinition:
    return defs.resolve_job_def("nightly")
