"""Releases on the local platform: real processes, real Envoy, real load, real kills."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from forge_dagster.cli.demo.load import Load
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.releases import RELEASE_HEADER, cluster_name
from forge_dagster.domain.rollout_state import Cause, Phase, Rollout
from forge_dagster.errors import Interrupted, PlatformError, ReleaseFailed, UsageError
from forge_dagster.platforms.envoy_proxy import PROGRAM
from forge_dagster.usecases.promote import promote
from forge_dagster.usecases.roll_out import check_health, roll_out, rollout_key
from tests.support.artifacts import service, tarball
from tests.support.delivery import ENVIRONMENT, POLICY, Delivery, processes_of
from tests.support.waiting import wait_until

POLICY_VALUE = parse_policy(POLICY)


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    home = Path(tempfile.mkdtemp(prefix="forge-delivery-"))
    delivery = Delivery(home)
    yield delivery
    delivery.close()
    left = processes_of(home)
    shutil.rmtree(home, ignore_errors=True)
    assert left == []


def measured(text: str) -> None:
    """Show a measured number with -s."""
    sys.stdout.write(f"{text}\n")


def released(delivery: Delivery, version: str, **environment: str) -> str:
    """Roll out a release; its name."""
    attempt = delivery.attempt(version, **environment)
    result = roll_out(delivery.services, attempt.id, run_id=f"run-{attempt.id}", log=delivery.log)
    assert result.outcome is Outcome.PASSED, (result.reason, delivery.lines)
    return result.artifacts["release"]


def stored(delivery: Delivery, attempt_id: int) -> Rollout:
    state = delivery.ledger.rollout(rollout_key(delivery.ledger.attempt(attempt_id)))
    assert state is not None
    return Rollout.model_validate(state)


def test_canary_to_promotion_under_load_loses_nothing(delivery: Delivery) -> None:
    first = released(delivery, "one")
    url = delivery.platform.url(ENVIRONMENT)
    assert delivery.live() == {first: 100}
    attempt = delivery.attempt("two")
    with Load(url, 200) as load:
        result = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
        health = check_health(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
        count = load.stop()
    measured(f"promotion: {count}")
    assert result.outcome is Outcome.PASSED, (result.reason, delivery.lines)
    assert health.outcome is Outcome.PASSED, health
    assert (count.lost, count.server_errors, count.client_errors) == (0, 0, 0)
    assert count.sent == count.ok > 500
    assert set(count.bodies) == {"one", "two"}
    assert delivery.live() == {result.artifacts["release"]: 100}
    assert delivery.platform.url(ENVIRONMENT) == url
    assert f"release-{first}" not in " ".join(delivery.supervision.programs())
    places = [re.sub(r"^production: \w+ ", "", subject) for subject in delivery.commits()]
    steps = ["deploying", "baking at 5%", "baking at 25%", "promoting", "draining", "promoted"]
    assert places == ["deploying", "promoting", "promoted", *steps] or places[-6:] == steps
    file = tomllib.loads(delivery.git("show", "forge/environments:environments/production.toml"))
    assert file["release"] == attempt.head_sha
    assert (file["phase"], file["weight"]) == ("promoted", 100)


def test_a_bad_release_is_rolled_back_under_load_and_loses_nothing(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two", ERRORS="0.5")
    with Load(delivery.platform.url(ENVIRONMENT), 200) as load:
        result = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
        count = load.stop()
    measured(f"rollback: {count}")
    assert result.outcome is Outcome.FAILED
    assert count.lost == 0
    assert count.sent == count.ok + count.server_errors
    assert count.server_errors < count.sent * 0.25  # only the canary's share was ever at risk
    assert delivery.live() == {first: 100}
    assert set(delivery.platform.weights(ENVIRONMENT)) == {first}
    (finding,) = result.findings
    assert (finding.rule, finding.category) == ("rollout/error-rate", Category.DEPLOY)
    assert attempt.head_sha[:12] in finding.message
    assert "e-value" in finding.message
    assert "answers its health check" in result.reason
    assert result.metrics["errors_rate_after"] > 0.2 > result.metrics["errors_rate_before"]
    assert stored(delivery, attempt.id).phase is Phase.STABLE
    health = check_health(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
    assert health.outcome is Outcome.SKIPPED


def test_a_slow_release_is_rolled_back(delivery: Delivery) -> None:
    first = released(delivery, "one")
    delivery.host.policy = POLICY.replace("p99_latency = 30", "p99_latency = 3")
    attempt = delivery.attempt("two", DELAY="1.5")
    with Load(delivery.platform.url(ENVIRONMENT), 200) as load:
        result = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
        count = load.stop()
    assert result.outcome is Outcome.FAILED, (result, delivery.lines)
    assert result.findings[0].rule == "rollout/latency"
    assert count.lost == 0
    assert delivery.live() == {first: 100}


def test_without_traffic_a_release_waits_for_a_person(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two")
    done = Background(delivery, attempt.id, "run-2")
    wait_until(lambda: stored_or_none(delivery, attempt.id, Phase.PAUSED), 30)
    assert "only 0 requests" in " ".join(stored(delivery, attempt.id).notes)
    assert sorted(delivery.live().values()) == [5, 95]
    promote(delivery.services, ENVIRONMENT, by="olga")
    wait_until(lambda: stored(delivery, attempt.id).step == 1, 30)
    wait_until(lambda: stored(delivery, attempt.id).phase is Phase.PAUSED, 30)  # the word was for the step before
    assert sorted(delivery.live().values()) == [25, 75]
    promote(delivery.services, ENVIRONMENT, by="olga", approved=False)
    result = done.result()
    assert getattr(result, "outcome", None) is Outcome.FAILED
    assert stored(delivery, attempt.id).cause is Cause.REJECTED
    assert delivery.live() == {first: 100}
    with pytest.raises(UsageError, match="waits for a person"):
        promote(delivery.services, ENVIRONMENT, by="olga")


def stored_or_none(delivery: Delivery, attempt_id: int, phase: Phase) -> bool:
    state = delivery.ledger.rollout(rollout_key(delivery.ledger.attempt(attempt_id)))
    return state is not None and Rollout.model_validate(state).phase is phase


class Background:
    """A rollout in a thread."""

    def __init__(self, delivery: Delivery, attempt_id: int, run_id: str) -> None:
        self._outcome: list[object] = []
        self._thread = threading.Thread(target=self._work, args=(delivery, attempt_id, run_id))
        self._thread.start()

    def _work(self, delivery: Delivery, attempt_id: int, run_id: str) -> None:
        try:
            self._outcome.append(roll_out(delivery.services, attempt_id, run_id=run_id, log=delivery.log))
        except Interrupted as error:
            self._outcome.append(error)

    def result(self) -> object:
        self._thread.join(60)
        (outcome,) = self._outcome
        if isinstance(outcome, Interrupted):
            raise outcome
        return outcome


def test_cancelling_in_mid_canary_goes_back_first(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two")
    with Load(delivery.platform.url(ENVIRONMENT), 200) as load:
        done = Background(delivery, attempt.id, "run-2")
        wait_until(lambda: stored_or_none(delivery, attempt.id, Phase.BAKING), 20)
        delivery.run_for("run-2").stop()
        with pytest.raises(Interrupted):
            done.result()
        count = load.stop()
    assert count.lost == 0
    assert count.ok == count.sent
    assert delivery.live() == {first: 100}
    assert stored(delivery, attempt.id).phase is Phase.STABLE
    delivery.ledger.release_claim(attempt.id)
    again = roll_out(delivery.services, attempt.id, run_id="run-3", log=delivery.log)
    assert again.outcome is Outcome.ERRORED  # it was told to stop: it is not deployed behind anybody's back
    assert delivery.live() == {first: 100}


def test_kill_9_of_the_canary_rolls_back(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two")
    with Load(delivery.platform.url(ENVIRONMENT), 200) as load:
        done = Background(delivery, attempt.id, "run-2")
        wait_until(lambda: stored_or_none(delivery, attempt.id, Phase.BAKING), 20)
        program = next(name for name in delivery.supervision.programs() if attempt.head_sha[:12] in name)
        state = delivery.supervision.state(program)
        assert state is not None
        assert state.pid is not None
        os.kill(state.pid, signal.SIGKILL)
        result = done.result()
        count = load.stop()
    measured(f"kill -9 of the canary: {count}")
    assert getattr(result, "outcome", None) is Outcome.FAILED, result
    assert stored(delivery, attempt.id).reason.startswith("its process ended by itself")
    assert delivery.live() == {first: 100}
    assert count.lost == 0


def test_kill_9_of_envoy_recovers_with_its_weights(delivery: Delivery) -> None:
    released(delivery, "one")
    url = delivery.platform.url(ENVIRONMENT)
    state = delivery.supervision.state(PROGRAM)
    assert state is not None
    assert state.pid is not None
    with Load(url, 50) as load:
        wait_until(lambda: load.count.ok > 10)
        os.kill(state.pid, signal.SIGKILL)
        wait_until(lambda: load.count.lost > 0)
        before = load.count.ok
        wait_until(lambda: load.count.ok > before + 20)
        count = load.stop()
    measured(f"kill -9 of Envoy at 50/s: {count}")
    attempt = delivery.attempt("two")
    with Load(url, 200):
        result = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
    assert result.outcome is Outcome.PASSED, (result.reason, delivery.lines)


WORKER = """
import sys
from pathlib import Path
from forge_dagster.usecases.roll_out import roll_out
from tests.support.delivery import Delivery
delivery = Delivery(Path(sys.argv[1]))
roll_out(delivery.services, int(sys.argv[2]), run_id="run-killed", log=print)
"""


@pytest.mark.parametrize("phase", [Phase.DEPLOYING, Phase.BAKING, Phase.ROLLING_BACK])
def test_a_killed_worker_is_succeeded_by_another(delivery: Delivery, phase: Phase) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two", **({"ERRORS": "0.9", "DEAF": "1"} if phase is Phase.ROLLING_BACK else {}))
    root = Path(__file__).parents[2]
    with Load(delivery.platform.url(ENVIRONMENT), 200) as load:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(delivery.home), str(attempt.id)], cwd=root, stdout=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: stored_or_none(delivery, attempt.id, phase), 30, every_s=0.002)
        finally:
            worker.kill()
            worker.wait()
        delivery.ledger.release_claim(attempt.id)
        result = roll_out(delivery.services, attempt.id, run_id="run-after", log=delivery.log)
        count = load.stop()
    measured(f"worker killed while {phase.value}: {count}")
    ended = stored(delivery, attempt.id)
    assert ended.phase is (Phase.STABLE if phase is Phase.ROLLING_BACK else Phase.PROMOTED), (result, delivery.lines)
    assert delivery.live() == {(first if ended.phase is Phase.STABLE else ended.release.name): 100}
    assert count.lost == 0
    assert set(delivery.platform.weights(ENVIRONMENT)) == set(delivery.live())


def test_what_a_killed_worker_left_is_taken_back_by_the_next_release(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two")
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(delivery.home), str(attempt.id)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: stored_or_none(delivery, attempt.id, Phase.BAKING), 30)
    finally:
        worker.kill()
        worker.wait()
    with Load(delivery.platform.url(ENVIRONMENT), 200):
        third = released(delivery, "three")
    assert stored(delivery, attempt.id).phase is Phase.STABLE
    assert delivery.live() == {third: 100}
    delivery.ledger.release_claim(attempt.id)
    late = roll_out(delivery.services, attempt.id, run_id="run-late", log=delivery.log)
    assert late.outcome is Outcome.ERRORED
    assert first not in delivery.platform.weights(ENVIRONMENT)
    assert delivery.live() == {third: 100}


def test_an_older_release_does_not_replace_a_newer_one(delivery: Delivery) -> None:
    older = delivery.attempt("older")
    released(delivery, "newer")
    result = roll_out(delivery.services, older.id, run_id="run-older", log=delivery.log)
    assert result.outcome is Outcome.SKIPPED
    assert result.reason.startswith("superseded by newer release")


def test_a_release_that_never_becomes_healthy_is_refused_with_its_output(delivery: Delivery) -> None:
    first = released(delivery, "one")
    delivery.host.policy = POLICY.replace('"10s"', '"1500ms"')
    sick = delivery.attempt("sick", NEVER_HEALTHY="1")
    result = roll_out(delivery.services, sick.id, run_id="run-sick", log=delivery.log)
    assert (result.outcome, result.findings[0].rule) == (Outcome.FAILED, "rollout/start")
    assert "did not answer /health" in result.reason
    assert "listening" in result.reason
    ended = delivery.attempt("ended", EXIT="1")
    result = roll_out(delivery.services, ended.id, run_id="run-ended", log=delivery.log)
    assert result.outcome is Outcome.FAILED
    assert "ImportError: no module named shop" in result.reason
    assert delivery.live() == {first: 100}
    assert len(delivery.supervision.programs()) == 2  # Envoy and the first release


def test_a_promoted_release_that_falls_ill_is_taken_back(delivery: Delivery) -> None:
    first = released(delivery, "one")
    attempt = delivery.attempt("two")
    with Load(delivery.platform.url(ENVIRONMENT), 200):
        promoted = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
    assert promoted.outcome is Outcome.PASSED, (promoted.reason, delivery.lines)
    program = next(name for name in delivery.supervision.programs() if attempt.head_sha[:12] in name)
    state = delivery.supervision.state(program)
    assert state is not None
    assert state.pid is not None
    os.kill(state.pid, signal.SIGSTOP)
    release = promoted.artifacts["release"]
    wait_until(lambda: not delivery.platform.health(environment=ENVIRONMENT, release=release).healthy, 30)
    result = check_health(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
    assert result.outcome is Outcome.FAILED, (result, delivery.lines)
    assert delivery.live() == {first: 100}
    assert httpx.get(delivery.platform.url(ENVIRONMENT)).text == "one"


def test_a_process_that_ignores_sigterm_is_stopped_all_the_same(delivery: Delivery) -> None:
    artifact = service(delivery.home / "a.tar.gz", "deaf", DEAF="1")
    delivery.platform.deploy(environment=ENVIRONMENT, release="deaf", artifact=artifact, policy=POLICY_VALUE, log=print)
    delivery.platform.stop(environment=ENVIRONMENT, release="deaf")
    assert delivery.supervision.programs() == (PROGRAM,)
    assert not [line for line in processes_of(delivery.home) if "app.py" in line]


def test_header_reaches_a_release_at_weight_0_and_its_environment_is_clean(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_TEST_TOKEN", "hunter2")
    artifact = service(delivery.home / "a.tar.gz", "quiet", PATH="/evil", LD_PRELOADED="no")
    delivery.platform.deploy(environment=ENVIRONMENT, release="quiet", artifact=artifact, policy=POLICY_VALUE, log=print)
    url = delivery.platform.url(ENVIRONMENT)
    assert httpx.get(url).status_code == 503
    answer = httpx.get(f"{url}/environment", headers={RELEASE_HEADER: "quiet"})
    assert answer.status_code == 200
    seen = eval(answer.text)  # the test's own server printed it
    assert set(seen) - {"LC_CTYPE", "PWD", "SHLVL", "_"} == {"PATH", "HOME", "LANG", "PORT", "VERSION", "LD_PRELOADED"}
    assert "/evil" not in seen["PATH"]
    assert Path(seen["HOME"]).is_relative_to(delivery.home / "releases")


def test_routes_that_make_no_sense_are_refused(delivery: Delivery) -> None:
    artifact = service(delivery.home / "a.tar.gz", "one")
    delivery.platform.deploy(environment=ENVIRONMENT, release="one", artifact=artifact, policy=POLICY_VALUE, log=print)
    for weights in ({"one": 99}, {"one": 150, "two": -50}, {"two": 100}):
        with pytest.raises(PlatformError):
            delivery.platform.route(environment=ENVIRONMENT, weights=weights)
    delivery.platform.route(environment=ENVIRONMENT, weights={"one": 100})
    with pytest.raises(PlatformError, match="still takes 100%"):
        delivery.platform.stop(environment=ENVIRONMENT, release="one")
    with pytest.raises(PlatformError, match="still takes 100%"):
        delivery.platform.drain(environment=ENVIRONMENT, release="one", timeout_s=1)
    assert httpx.get(delivery.platform.url(ENVIRONMENT)).text == "one"


def test_previews_come_and_go(delivery: Delivery) -> None:
    name = "acme/shop#7; rm -rf / %(here)s"
    one = service(delivery.home / "1.tar.gz", "one")
    two = service(delivery.home / "2.tar.gz", "two")
    first = delivery.platform.preview(name=name, artifact=one, policy=Policy(), log=print)
    assert httpx.get(first.url).text == "one"
    assert delivery.platform.preview(name=name, artifact=one, policy=Policy(), log=print) == first
    second = delivery.platform.preview(name=name, artifact=two, policy=Policy(), log=print)
    assert httpx.get(second.url).text == "two"
    bad = service(delivery.home / "3.tar.gz", "bad", EXIT="1")
    with pytest.raises(ReleaseFailed):
        delivery.platform.preview(name=name, artifact=bad, policy=Policy(), log=print)
    delivery.platform.remove_preview(name=name)
    delivery.platform.remove_preview(name=name)
    assert delivery.supervision.programs() == ()


def test_static_site_and_worker(delivery: Delivery) -> None:
    site = tarball(
        delivery.home / "site.tar.gz",
        {"forge-artifact.json": '{"kind": "static", "directory": "dist"}', "dist/index.html": "<h1>hello</h1>"},
    )
    shown = delivery.platform.preview(name="site", artifact=site, policy=Policy(), log=print)
    assert httpx.get(shown.url).text == "<h1>hello</h1>"
    assert httpx.get(f"{shown.url}/../forge-artifact.json").status_code == 404
    lines: list[str] = []
    worker = service(delivery.home / "worker.tar.gz", "w", kind="worker", PORTLESS="1", NEVER_HEALTHY="1")
    manifest = '{"kind": "worker", "command": ["python", "-c", "import time; time.sleep(600)"]}'
    tarball(worker, {"forge-artifact.json": manifest})
    delivery.platform.deploy(environment="a/b/w", release="w1", artifact=worker, policy=Policy(), log=lines.append)
    assert "takes no traffic" in " ".join(lines)
    delivery.platform.route(environment="a/b/w", weights={"w1": 100})
    health = delivery.platform.health(environment="a/b/w", release="w1")
    assert (health.running, health.healthy) == (True, True)
    assert delivery.signals.traffic(environment="a/b/w", release="w1") is None


def test_signals_count_requests_errors_and_latency(delivery: Delivery) -> None:
    name = released(delivery, "one", ERRORS="0.5")
    url = delivery.platform.url(ENVIRONMENT)
    answers = [httpx.get(url).status_code for _ in range(40)]
    delivery.signals.traffic(environment=ENVIRONMENT, release=name)  # the histogram lags by one look
    traffic = delivery.signals.traffic(environment=ENVIRONMENT, release=name)
    assert traffic is not None
    assert (traffic.requests, traffic.errors) == (40, answers.count(500))
    assert traffic.latency[-1][1] == 40
    assert [count for _, count in traffic.latency] == sorted(count for _, count in traffic.latency)
    assert delivery.signals.traffic(environment=ENVIRONMENT, release="other") is None
    assert cluster_name(ENVIRONMENT, name) != cluster_name("acme/shop/staging", name)


def test_an_artifact_that_is_not_what_was_built_is_not_deployed(delivery: Delivery) -> None:
    attempt = delivery.attempt("one")
    service(delivery.home / "artifacts" / attempt.head_sha / "release.tar.gz", "evil")
    result = roll_out(delivery.services, attempt.id, run_id="run-1", log=delivery.log)
    assert result.outcome is Outcome.ERRORED
    assert "is not what was built" in result.reason
    assert delivery.live() == {}


def test_a_git_host_that_is_gone_holds_up_nothing(delivery: Delivery) -> None:
    delivery.host.origin = delivery.home / "gone.git"
    name = released(delivery, "one")
    assert delivery.live() == {name: 100}
    assert any("forge/environments was not written" in line for line in delivery.lines)
    (errand,) = delivery.ledger.due_errands(delivery.services.clock.now() + 1)
    assert (errand.kind, errand.body["state"], errand.body["environment"]) == ("deployment", "success", "production")


def test_a_library_is_not_deployed(delivery: Delivery) -> None:
    attempt = delivery.attempt("lib")
    wheel = delivery.home / "release.whl"
    wheel.write_bytes(b"PK")
    delivery.kept(attempt, wheel)
    result = roll_out(delivery.services, attempt.id, run_id="run-1", log=delivery.log)
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, "nothing to deploy: it is a library")
    assert check_health(delivery.services, attempt.id, run_id="run-1", log=delivery.log).outcome is Outcome.SKIPPED
    with pytest.raises(PlatformError, match="nothing to deploy"):
        delivery.platform.deploy(environment=ENVIRONMENT, release="l", artifact=wheel, policy=Policy(), log=print)


def test_a_port_that_was_taken_meanwhile_is_named(delivery: Delivery) -> None:
    released(delivery, "one")
    url = delivery.platform.url(ENVIRONMENT)
    delivery.supervision.shutdown()
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        taker.listen()
        delivery.supervision.ensure_running()
        attempt = delivery.attempt("two")
        result = roll_out(delivery.services, attempt.id, run_id="run-2", log=delivery.log)
    assert result.outcome is Outcome.ERRORED
    assert "port" in result.reason
