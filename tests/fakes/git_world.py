"""A git host in memory, a workspace that merges in memory, and services over a real ledger: for use cases.

A commit's content is a set of patches; merging is their union, so that a tree is known by what it holds.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from forge_dagster.domain.changes import Attempt, Change, ChangedFile
from forge_dagster.domain.decisions import TrustLevel, Verdict
from forge_dagster.domain.graph import Job, gates_of
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import POLICY_FILE, parse_policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import ConfigurationError, ForgeError, HeadMoved, HostError, PlatformError, RevisionGone
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Checkout, CheckRun, Commit, GitHost, HostRemark, PullRequest, Services
from forge_dagster.usecases.approve import approve
from forge_dagster.usecases.evidence import keep_result
from forge_dagster.usecases.intake import intake
from forge_dagster.usecases.set_trust import set_trust
from tests.fakes.machine import NoEnvironments, StillClock

REPOSITORY = "acme/shop"
AGENT = "forge/builder-01"
MESSAGE = f"feat: sell more\n\nAgent-By: {AGENT}\nTask-ID: T-1\nModel: m\nPrompt-Hash: sha256:abc\n"


class Killed(BaseException):
    """What SIGKILL is: nothing catches it, nothing runs after it."""


class FakeHost:
    """A host whose answers are dictionaries. `down` makes every call fail; `fail_next` makes one call of a name fail."""

    def __init__(self) -> None:
        self.pulls: dict[int, PullRequest] = {}
        self.branches: dict[str, str] = {}
        self.commits: dict[str, Commit] = {}
        self.patches: dict[str, frozenset[str]] = {}
        self.files: dict[tuple[str, str], str] = {}
        self.checks: dict[tuple[str, str], CheckRun] = {}
        self.comments: dict[int, str] = {}
        self.merges: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self.down: HostError | None = None
        self.fail_next: dict[str, BaseException] = {}
        self.before_merge: Callable[[], None] = lambda: None

    # --- what tests do to it

    def commit_of(self, *patches: str, message: str = MESSAGE, parents: Iterable[str] = ()) -> str:
        sha = hashlib.sha1(f"{sorted(patches)}{message}{[*parents]}{len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = Commit(sha=sha, message=message, parents=tuple(parents))
        self.patches[sha] = frozenset(patches)
        return sha

    def open_pull(self, number: int, head: str, **changes: Any) -> PullRequest:
        values: dict[str, Any] = {
            "repository": REPOSITORY, "number": number, "title": "Sell more", "state": "open", "merged": False, "draft": False,
            "head_sha": head, "head_ref": "topic", "base_ref": "main", "base_sha": self.branches["main"], "author": AGENT,
            "author_is_agent": True,
        }  # fmt: skip
        self.pulls[number] = PullRequest(**{**values, **changes})
        return self.pulls[number]

    def change_pull(self, number: int, **changes: Any) -> None:
        self.pulls[number] = dataclasses.replace(self.pulls[number], **changes)

    def merged(self, base: str, head: str) -> str:
        patches = self.patches[base] | self.patches[head]
        return hashlib.sha1(repr(sorted(patches)).encode()).hexdigest()

    # --- ports.GitHost

    def _asked(self, name: str) -> None:
        self.calls.append(name)
        failure = self.fail_next.pop(name, None) or self.down
        if failure is not None:
            raise failure

    def pull_request(self, repository: str, number: int) -> PullRequest:
        self._asked("pull_request")
        if number not in self.pulls:
            raise HostError(f"there is no pull request {number}", status=404)
        return self.pulls[number]

    def open_pull_requests(self, repository: str) -> tuple[PullRequest, ...]:
        self._asked("open_pull_requests")
        return tuple(pull for pull in self.pulls.values() if pull.state == "open")

    def repositories(self) -> tuple[str, ...]:
        self._asked("repositories")
        return (REPOSITORY,)

    def remarks(self, repository: str, number: int) -> tuple[HostRemark, ...]:
        self._asked("remarks")
        return ()

    def commit(self, repository: str, ref: str) -> Commit:
        self._asked("commit")
        if ref not in self.commits:
            raise RevisionGone(f"{ref[:12]} is gone", status=422)
        return self.commits[ref]

    def branch_head(self, repository: str, branch: str) -> str | None:
        self._asked("branch_head")
        return self.branches.get(branch)

    def file_text(self, repository: str, path: str, ref: str) -> str | None:
        self._asked("file_text")
        return self.files.get((path, ref))

    def put_check_run(self, repository: str, check: CheckRun) -> None:
        self._asked("put_check_run")
        self.checks[check.head_sha, check.key] = check

    def put_status(self, repository: str, sha: str, *, state: str, context: str, description: str, url: str = "") -> None:
        self._asked("put_status")

    def put_comment(self, repository: str, number: int, *, marker: str, body: str) -> None:
        self._asked("put_comment")
        assert body.startswith(marker)
        self.comments[number] = body

    def merge(self, repository: str, number: int, *, head_sha: str, title: str) -> str:
        self.before_merge()
        self._asked("merge")
        pull = self.pulls[number]
        if pull.head_sha != head_sha:
            raise HeadMoved("head branch was modified", status=409)
        if pull.merge_sha is not None:
            return pull.merge_sha
        base = self.branches[pull.base_ref]
        sha = self.commit_of(*self.patches[base], *self.patches[head_sha], message=title, parents=(base, head_sha))
        self.branches[pull.base_ref] = sha
        self.merges.append((number, sha))
        self.change_pull(number, state="closed", merged=True, merge_sha=sha)
        return sha

    def close(self, repository: str, number: int) -> None:
        self._asked("close")
        self.change_pull(number, state="closed")

    def create_deployment(self, repository: str, *, sha: str, environment: str, description: str) -> int:
        self._asked("create_deployment")
        return 1

    def put_deployment_status(self, repository: str, deployment: int, *, state: str, url: str, description: str) -> None:
        self._asked("put_deployment_status")

    def git_url(self, repository: str) -> str:
        return f"https://git.example/{repository}.git"

    def git_environment(self) -> Mapping[str, str]:
        return {}


class FakeWorkspace:
    """Checkouts that exist in name only. `files`: head -> paths the change touches."""

    environments: Any = NoEnvironments()

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self.paths: dict[str, tuple[str, ...]] = {}
        self.failure: ForgeError | None = None

    def checkout(self, attempt: Attempt, host: GitHost, *, log: Callable[[str], None]) -> Checkout:
        if self.failure is not None:
            raise self.failure
        base = attempt.base_sha or attempt.head_sha
        text = self._host.files.get((POLICY_FILE, base), "")
        paths = self.paths.get(attempt.head_sha, ("src/a.py",))
        change = Change(
            repository=attempt.repository,
            number=attempt.number,
            base_sha=base,
            head_sha=attempt.head_sha,
            files=tuple(ChangedFile(path=path) for path in paths),
        )
        return Checkout(
            root=Path("/nowhere"),
            change=change,
            project=Project(),
            policy=parse_policy(text, where=f"{POLICY_FILE} of {attempt.repository}"),
            tested_tree=self._host.merged(base, attempt.head_sha),
        )

    def merged_tree(self, attempt: Attempt, host: GitHost, *, base_sha: str) -> str | None:
        return self._host.merged(base_sha, attempt.head_sha)

    def scratch(self, attempt: Attempt, gate: str) -> Path:
        return Path("/nowhere") / gate

    def clean(self, attempt: Attempt) -> None:
        pass


class FakePreviews:
    """A platform of which only the removal of previews is asked."""

    name = "local"

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.failure: PlatformError | None = None

    def remove_preview(self, *, name: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.removed.append(name)


class World:
    """All a use case meets, with `main` at one commit and nothing open."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.host = FakeHost()
        self.workspace = FakeWorkspace(self.host)
        self.clock = StillClock()
        self.previews = FakePreviews()
        self.keyring = FolderKeyring(home / "keys")
        self.ledger = SqlLedger(f"sqlite:///{home}/ledger.db", keyring=self.keyring)
        platforms: dict[str, Any] = {"local": self.previews}
        self.services = Services(
            settings=Settings(home=home, **settings),
            ledger=self.ledger,
            workspace=self.workspace,
            clock=self.clock,
            host_of=self._host_of,
            hosts={"fake": self.host},
            run_for=lambda _: None,  # type: ignore[arg-type, return-value]
            platforms=platforms,
            signals=None,  # type: ignore[arg-type]
            gates={},
            tools=(),
            run_url=lambda run_id: f"http://127.0.0.1/runs/{run_id}",
            keyring=self.keyring,
        )
        self.host.branches["main"] = self.host.commit_of("first", message="first")
        self._deliveries = 0

    def _host_of(self, repository: str) -> GitHost:
        if repository != REPOSITORY:
            raise ConfigurationError(f"no host serves {repository}")
        return self.host

    def event(self, name: str, action: str = "", *, delivery: str = "", repository: str = REPOSITORY, **payload: Any) -> bool:
        """Store a delivery, as the receiver does."""
        self._deliveries += 1
        return self.ledger.receive(
            delivery=delivery or f"d{self._deliveries}",
            host="fake",
            name=name,
            action=action,
            repository=repository,
            payload={"action": action, **payload},
            at=self.clock.now(),
        )

    def run(self, attempt: Attempt, run_id: str = "r1", **outcomes: Outcome) -> Attempt:
        """Claim it and store a result for every gate: PASSED where nothing else is said."""
        claimed = self.ledger.claim(attempt.id, run_id)
        for spec in gates_of(Job.CHANGE):
            outcome = outcomes.get(spec.name, Outcome.PASSED)
            if spec.name != "verdict" and outcome is not Outcome.NOT_RUN:
                keep_result(self.services, claimed, gate_result(spec.name, outcome, reason="as the test says"))
        return claimed

    def opened(self, number: int = 1, patch: str = "change") -> Attempt:
        """A pull request of the agent's, whose attempt waits for its run."""
        self.host.open_pull(number, self.host.commit_of("first", patch))
        self.event("pull_request", "opened", number=number)
        return intake(self.services).attempts[-1]

    def trust(self, level: TrustLevel = TrustLevel.L2) -> None:
        set_trust(self.services, agent=AGENT, repository=REPOSITORY, level=level, by="operator")

    def say(self, by: str = "operator", *, approved: bool = True, **more: Any) -> Verdict | None:
        """A person's word on pull request 1."""
        return approve(self.services, REPOSITORY, 1, by=by, approved=approved, **more)

    def audit(self, kind: str) -> list[Mapping[str, Any]]:
        return [entry.body for entry in self.ledger.audit() if entry.kind == kind]
