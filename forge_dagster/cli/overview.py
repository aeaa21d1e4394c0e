"""What `forge status` shows, as one object (`forge.status/1`)."""

import os
from pathlib import Path
from typing import Any

from forge_dagster import bootstrap
from forge_dagster.cli.programs import services
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import ForgeError
from forge_dagster.ports import Ledger, PullRequest, Services, Supervision

SCHEMA = "forge.status/1"
FLAKY_SHOWN = 20
"""Flaky tests of one repository that are told at most, those seen last."""


def overview(home: Path) -> dict[str, Any]:
    """Everything, as far as it can be had: what cannot be asked is in `problems`. Starts nothing. Raises ConfigurationError."""
    settings = bootstrap.load_settings(home)
    processes = _processes(settings, bootstrap.supervision(home))
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "home": str(home),
        "up": all(process["running"] for process in processes),
        "processes": processes,
        "pull_requests": [],
        "environments": [],
        "flaky_tests": [],
        "problems": [],
    }
    if not any(process["running"] for process in processes):
        return found
    made = bootstrap.build_services(home)
    for name, host in made.hosts.items():
        try:
            for repository in host.repositories():
                found["pull_requests"] += [_pull_request(made, pull) for pull in host.open_pull_requests(repository)]
                found["environments"] += _environments(made, repository)
                found["flaky_tests"] += flaky_tests(made.ledger, repository)
        except ForgeError as error:
            found["problems"].append(f"{name}: {error.message}")
    return found


def _processes(settings: Settings, keeper: Supervision) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    own = services(settings, os.environ)
    names = [part.program.name for part in own]
    purposes = {part.program.name: part.purpose for part in own}
    addresses = {part.program.name: part.address for part in own}
    for name in (*names, *(name for name in keeper.programs() if name not in names)):
        state = keeper.state(name)
        shown.append(
            {
                "name": name,
                "purpose": purposes.get(name, "proxy" if name == "envoy" else "release or preview"),
                "running": state is not None and state.running,
                "pid": state.pid if state else None,
                "restarts": state.exits if state else 0,
                "address": addresses.get(name, ""),
                "detail": state.detail if state else "not started",
            }
        )
    return shown


def _pull_request(made: Services, pull: PullRequest) -> dict[str, Any]:
    attempts = made.ledger.attempts(repository=pull.repository, number=pull.number, head_sha=pull.head_sha, limit=1)
    attempt = attempts[0] if attempts else None
    verdict = made.ledger.verdict(attempt.id) if attempt else None
    return {
        "repository": pull.repository,
        "number": pull.number,
        "title": pull.title,
        "author": pull.author,
        "head": pull.head_sha,
        "state": attempt.state.value if attempt else "unseen",
        "outcome": verdict.outcome.value if verdict else None,
        "decision": verdict.decision.value if verdict else None,
        "reasons": list(verdict.reasons) if verdict else [],
        "run": made.run_url(attempt.run_id) if attempt and attempt.run_id else None,
    }


def flaky_tests(ledger: Ledger, repository: str) -> list[dict[str, Any]]:
    """The repository's tests that failed and then passed on the same input, the one seen most often first."""
    known = sorted(ledger.flaky_tests(repository, FLAKY_SHOWN), key=lambda test: (-test.count, test.test))
    return [test.model_dump(mode="json", exclude={"fingerprint"}) | {"told": test.told} for test in known]


def _environments(made: Services, repository: str) -> list[dict[str, Any]]:
    shown = []
    for name in dict.fromkeys(made.settings.production_branches.values()):
        environment = f"{repository}/{name}"
        for platform in made.platforms.values():
            weights = platform.weights(environment)
            if not weights:
                continue
            releases = [
                {
                    "release": release,
                    "weight": weight,
                    "healthy": platform.health(environment=environment, release=release).healthy,
                }
                for release, weight in sorted(weights.items(), key=lambda item: -item[1])
            ]
            rollouts = made.ledger.rollouts(environment=environment, limit=1)
            shown.append(
                {
                    "environment": environment,
                    "platform": platform.name,
                    "url": platform.url(environment),
                    "releases": releases,
                    "rollout": dict(rollouts[0]) if rollouts else None,
                }
            )
    return shown
