"""Everything a rollout needs, real but for the git host: supervision, Envoy, ledger, signals; and its attempts."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision, Risk, RiskLevel, TrustLevel, Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import policy_digest
from forge_dagster.domain.results import gate_result
from forge_dagster.domain.settings import Settings
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.platforms.local import LocalPlatform
from forge_dagster.ports import GitHost, Run, Services, Workspace
from forge_dagster.signals.envoy import EnvoySignals
from forge_dagster.usecases.evidence import keep_result, keep_verdict
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from forge_dagster.workspace.supervision import SupervisordSupervision
from tests.support.artifacts import service, sha256

REPOSITORY = "acme/shop"
ENVIRONMENT = "acme/shop/production"
POLICY = """
[deploy]
start_timeout = "10s"
[deploy.rollout]
interval = "200ms"
steps = [{weight = 5, bake = "2s"}, {weight = 25, bake = "2s"}, {weight = 100}]
[deploy.rollback]
p99_latency = 30  # the machine of the tests may stall; the test of slow releases sets its own
"""


class OneRepositoryHost:
    """A host that knows the policy of one repository and where its git is."""

    def __init__(self, origin: Path, policy: str) -> None:
        self.origin, self.policy = origin, policy

    def file_text(self, repository: str, path: str, ref: str) -> str | None:
        return self.policy if path == "forge.toml" else None

    def git_url(self, repository: str) -> str:
        return str(self.origin)

    def git_environment(self) -> Mapping[str, str]:
        return {}


class Delivery:
    """A home with a platform, and services upon it."""

    def __init__(self, home: Path, *, policy: str = POLICY) -> None:
        self.home = home
        self.origin = home / "origin.git"
        if not self.origin.exists():
            subprocess.run(["git", "init", "--quiet", "--bare", str(self.origin)], check=True)
        self.supervision = SupervisordSupervision(home)
        self.platform = LocalPlatform(home=home, supervision=self.supervision)
        self.signals = EnvoySignals(home=home)
        self.keyring = FolderKeyring(home / "keys")
        self.ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}", keyring=self.keyring)
        self.host = OneRepositoryHost(self.origin, policy)
        self.runs: dict[str, Run] = {}
        self.lines: list[str] = []
        self.services = Services(
            settings=Settings(home=home),
            ledger=self.ledger,
            workspace=cast(Workspace, None),
            clock=SystemClock(),
            host_of=lambda _repository: cast(GitHost, self.host),
            hosts={},
            run_for=self.run_for,
            platforms={"local": self.platform},
            signals=self.signals,
            gates={},
            tools=(),
            run_url=lambda run_id: f"http://localhost/runs/{run_id}",
            keyring=self.keyring,
        )

    def run_for(self, run_id: str) -> Run:
        return self.runs.setdefault(run_id, ProcessRun(home=self.home, run_id=run_id))

    def log(self, line: str) -> None:
        self.lines.append(line)

    def attempt(self, version: str, **environment: str) -> Attempt:
        """A release attempt whose build made the small server."""
        sha = hashlib.sha1(f"{version}{environment}".encode()).hexdigest()
        attempt = self.ledger.open_attempt(
            Attempt(repository=REPOSITORY, job=Job.RELEASE, base_ref="main", head_sha=sha, policy_digest="0")
        )
        assert attempt is not None
        artifact = service(self.home / "artifacts" / sha / "release.tar.gz", version, **environment)
        self.built(attempt, artifact)
        return attempt

    def built(self, attempt: Attempt, artifact: Path) -> None:
        self.let_through(attempt, self.kept(attempt, artifact))

    def kept(self, attempt: Attempt, artifact: Path) -> str:
        """The build's result, signed; its tree."""
        made = {"artifact": str(artifact), "digest": sha256(artifact)}
        tree = hashlib.sha1(f"tree {attempt.head_sha}".encode()).hexdigest()
        result = gate_result("build", Outcome.PASSED, artifacts=made)
        keep_result(self.services, attempt, result, tree=tree)
        return tree

    def let_through(self, release: Attempt, tree: str, **changes: Any) -> Attempt:
        """A change whose tree this is, judged under the policy of its base: MERGE."""
        change = Attempt(
            repository=REPOSITORY, job=Job.CHANGE, number=release.id, base_ref="main", base_sha="b" * 40,
            head_sha=release.head_sha, policy_digest=policy_digest(self.host.policy), tested_tree=tree,
        )  # fmt: skip
        opened = self.ledger.open_attempt(Attempt.model_validate({**change.model_dump(), **changes}))
        assert opened is not None
        verdict = Verdict(
            attempt_id=opened.id, outcome=Outcome.PASSED, decision=Decision.MERGE, reasons=("as the test says",),
            risk=Risk(level=RiskLevel.LOW), trust=TrustLevel.L3,
        )  # fmt: skip
        keep_verdict(self.services, opened, verdict, {})
        return opened

    def live(self) -> dict[str, int]:
        """Releases that have traffic."""
        return {name: weight for name, weight in self.platform.weights(ENVIRONMENT).items() if weight}

    def commits(self) -> list[str]:
        """Subjects on forge/environments, oldest first."""
        return self.git("log", "--reverse", "--format=%s", "forge/environments").splitlines()

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", "-C", str(self.origin), *arguments], check=True, capture_output=True, text=True).stdout

    def close(self) -> None:
        self.supervision.shutdown()
        self.ledger.close()


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that have to do with the home: by folder or arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(home) in line or (entry / "cwd").readlink().is_relative_to(home):
                found.append(line)
        except OSError:
            continue
    return found


Lines = Sequence[str]
Log = Callable[[str], Any]
