"""A release that is built and waits to be let out: what its proof needs, in a real ledger with real keys."""

from pathlib import Path
from typing import Any

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision, RiskLevel, Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import EvidenceError
from forge_dagster.platforms.artifacts import digest
from forge_dagster.ports import Services
from forge_dagster.usecases.evidence import keep_result, keep_verdict
from forge_dagster.usecases.prove_release import prove_release
from tests.fakes.git_world import REPOSITORY, World
from tests.support.evidence import TREE


class BuiltRelease:
    """A release of commit `c...` on main, built, with its tree let through unless told otherwise."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.world = World(home, **settings)
        self.home = home
        self.artifact = home / "release.tar.gz"
        self.artifact.write_bytes(b"as it was built")
        self.head = "c" * 40
        self.attempt = self.open(Job.RELEASE, self.head, number=None)
        self.build(self.attempt)

    @property
    def services(self) -> Services:
        return self.world.services

    def open(self, job: Job, head: str, *, number: int | None, **changes: Any) -> Attempt:
        values: dict[str, Any] = {
            "repository": REPOSITORY, "job": job, "number": number, "base_ref": "main", "head_sha": head, "tested_tree": TREE,
            "policy_digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "base_sha": "b" * 40,
        }  # fmt: skip
        opened = self.world.ledger.open_attempt(Attempt.model_validate(values | changes))
        assert opened is not None
        return opened

    def build(self, attempt: Attempt) -> None:
        artifacts = {"artifact": str(self.artifact), "digest": f"sha256:{digest(self.artifact)}"}
        keep_result(self.services, attempt, gate_result("build", Outcome.PASSED, artifacts=artifacts), tree=TREE)

    def let_through(self, decision: Decision = Decision.MERGE, **changes: Any) -> Attempt:
        change = self.open(Job.CHANGE, self.head, number=9, **changes)
        verdict = Verdict.model_validate(
            {"attempt_id": change.id, "outcome": "passed", "decision": decision, "reasons": ["r"], "trust": 3,
             "risk": {"level": RiskLevel.LOW}}
        )  # fmt: skip
        keep_verdict(self.services, change, verdict, {})
        return change

    def prove(self, attempt: Attempt | None = None, *, first: bool = False) -> str:
        """What is said of why it may go out. Raises EvidenceError where it may not."""
        said: list[str] = []
        prove_release(self.services, attempt or self.attempt, self.artifact, first=first, log=said.append)
        return "\n".join(said)

    def goes_out(self, attempt: Attempt | None = None) -> bool:
        try:
            self.prove(attempt)
        except EvidenceError:
            return False
        return True
