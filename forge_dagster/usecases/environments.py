"""Tell the world where a rollout is: `environments/<name>.toml` on the branch `forge/environments`, and the host's deployments.

Git is the record of what runs where (DESIGN section 5); a host that cannot be reached never holds up a rollback.
"""

import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.releases import slug
from forge_dagster.domain.rollout_state import Phase, Rollout
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Run, Services
from forge_dagster.workspace.git import init_bare

BRANCH = "forge/environments"
PUSH_TRIES = 3
LAST_WORD_S = 30.0
"""How long the end of a rollout waits for its record to be pushed."""

_DEPLOYMENT_STATES = {Phase.PROMOTED: "success", Phase.STABLE: "failure", Phase.DEPLOYING: "queued"}


def environment_file(rollout: Rollout, *, at: float) -> str:
    """The TOML text of an environment: what runs there and where its rollout is."""
    live = rollout.previous if rollout.phase in (Phase.ROLLING_BACK, Phase.STABLE) else rollout.release
    before = rollout.previous if live is rollout.release else rollout.release
    fields: dict[str, str | int] = {
        "release": live.sha if live else "",
        "artifact": live.digest if live else "",
        "attempt": live.attempt_id if live else 0,
        "phase": rollout.phase.value,
        "weight": rollout.weights.get(live.name, 0) if live else 0,
    }
    if before is not None:
        fields["rolled_back" if live is not rollout.release else "previous_release"] = before.sha
        fields["other_artifact"] = before.digest
    if rollout.reason:
        fields["reason"] = rollout.reason[:500]
    fields["at"] = int(at)
    # JSON strings without non-ASCII or control characters are TOML basic strings too.
    return "".join(f"{key} = {json.dumps(_plain(value))}\n" for key, value in fields.items())


def _plain(value: str | int) -> str | int:
    if isinstance(value, int):
        return value
    return "".join(c if c.isascii() and c.isprintable() else " " for c in value)


class EnvironmentRecord:
    """Commits each step of one rollout, in order, from a thread of its own, so that a slow host delays nothing."""

    def __init__(self, services: Services, *, run: Run, log: Callable[[str], None]) -> None:
        self._services, self._run, self._log = services, run, log
        self._steps: queue.Queue[tuple[Rollout, float] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="environment record", daemon=True)
        self._thread.start()

    def add(self, rollout: Rollout) -> None:
        """Queue the commit of this state, and the host's deployment status with it."""
        at = self._services.clock.now()
        self._steps.put((rollout, at))
        state = _DEPLOYMENT_STATES.get(rollout.phase, "in_progress")
        name = rollout.environment.rpartition("/")[2]
        body = {"sha": rollout.release.sha, "environment": name, "state": state, "description": rollout.place, "url": ""}
        platform = self._services.platforms.get(rollout.deploy.platform)
        try:
            body["url"] = platform.url(rollout.environment) if platform is not None else ""
            self._services.ledger.post(
                key=f"deployment:{rollout.key}", kind="deployment", repository=rollout.repository, body=body, at=at
            )
        except ForgeError as error:
            self._log(f"the host was not told of the deployment: {error.message}")

    def close(self, *, limit_s: float = LAST_WORD_S) -> None:
        """Wait for what is queued, for a limited time."""
        self._steps.put(None)
        self._thread.join(limit_s)
        if self._thread.is_alive():
            self._log(f"{BRANCH}: the host is too slow; the next step writes it again")

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            rollout, at = step
            try:
                sha = record(self._services, rollout, at=at, run=self._run)
                self._log(f"{BRANCH}: {rollout.place} is commit {sha[:12]}")
            except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the rollout itself goes on
                self._log(f"{BRANCH} was not written ({error}); the next step writes it again")


def record(services: Services, rollout: Rollout, *, at: float, run: Run) -> str:
    """Commit and push the environment's file; the commit. Raises HostError, WorkspaceError."""
    host = services.host_of(rollout.repository)
    url, environment = host.git_url(rollout.repository), host.git_environment()
    folder = services.settings.home / "records" / f"{slug(rollout.repository)}.git"
    repository = init_bare(folder, run)
    name = rollout.environment.rpartition("/")[2]
    files: dict[str, bytes | None] = {f"environments/{name}.toml": environment_file(rollout, at=at).encode()}
    scratch = Path(folder) / "forge-index" / slug(rollout.key)
    scratch.mkdir(parents=True, exist_ok=True)
    for _ in range(PUSH_TRIES):
        tip = repository.tip(url, BRANCH, environment=environment)
        message = f"{name}: {rollout.release.sha[:12]} {rollout.place}\n"
        sha = repository.commit_files(files, parent=tip, message=message, at=at, scratch=scratch)
        if repository.push(url, sha, BRANCH, expected=tip, environment=environment):
            return sha
    raise ForgeError(f"{BRANCH} of {rollout.repository} moved {PUSH_TRIES} times while it was written")
