from pathlib import Path
from typing import Any

import pytest

from forge_dagster.errors import ConfigurationError, HeadMoved, HostError
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.outbox import drain
from tests.fakes.git_world import REPOSITORY, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _comment(world: World, text: str = "x") -> None:
    body = {"number": 1, "marker": "", "body": text}
    world.ledger.post(key="k", kind="comment", repository=REPOSITORY, body=body, at=world.clock.now())


def test_a_write_killed_before_it_was_marked_is_made_again_to_the_same_effect(world: World) -> None:
    _comment(world)
    real = world.host.put_comment

    def write_then_die(*args: object, **more: object) -> None:
        real(*args, **more)  # type: ignore[arg-type]
        raise Killed

    world.host.put_comment = write_then_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        drain(world.services)
    world.host.put_comment = real  # type: ignore[method-assign]
    world.clock.time += 1000
    assert drain(world.services) == 1
    assert world.host.comments == {1: "x"}
    assert drain(world.services) == 0


def test_retries_wait_as_long_as_the_host_says_else_twice_as_long_each_time(world: World) -> None:
    _comment(world)
    begun = world.clock.now()
    world.host.fail_next["put_comment"] = HostError("slow down", status=403, retry_after_s=60)
    drain(world.services)
    assert world.ledger.due_errands(begun + 59) == ()
    assert len(world.ledger.due_errands(begun + 60)) == 1
    world.clock.time = begun + 60
    waits = []
    world.host.down = HostError("no answer")
    for _ in range(12):
        drain(world.services)
        last, step = world.clock.now(), 1.0
        while not world.ledger.due_errands(last + step):
            step += 1
        waits.append(step)
        world.clock.time = last + step
    assert waits == [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]


@pytest.mark.parametrize("status", [404, 410, 422])
def test_what_will_never_work_is_given_up_loudly(world: World, status: int) -> None:
    _comment(world)
    world.host.fail_next["put_comment"] = HostError("no such thing", status=status)
    assert drain(world.services) == 0
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()
    assert world.audit("errand.given_up")[0]["reason"] == "no such thing"


def test_a_host_that_never_answers_is_given_up_in_the_end(world: World) -> None:
    _comment(world)
    world.host.down = HostError("no answer")
    for _ in range(100):
        drain(world.services)
        world.clock.time += 1000
    assert world.audit("errand.given_up")[0]["tries"] == 60
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()


@pytest.mark.parametrize(
    ("kind", "body", "repository"),
    [
        ("comment", {}, REPOSITORY),
        ("nonsense", {}, REPOSITORY),
        ("comment", {"number": 1, "marker": "", "body": ""}, "no/where"),
    ],
)
def test_an_errand_that_cannot_be_read_does_not_hold_up_the_others(
    world: World, kind: str, body: dict[str, object], repository: str
) -> None:
    world.ledger.post(key="bad", kind=kind, repository=repository, body=body, at=world.clock.now())
    _comment(world)
    assert drain(world.services) == 1
    assert world.audit("errand.given_up")[0]["key"] == "bad"


def test_one_process_at_a_time_sends_for_a_repository(world: World) -> None:
    _comment(world)
    assert world.ledger.lock(f"outbox:{REPOSITORY}", owner="another", ttl_s=60, at=world.clock.now())
    assert drain(world.services) == 0
    world.clock.time += 61
    assert drain(world.services) == 1


def test_all_kinds_of_errand_reach_the_host(world: World) -> None:
    world.host.open_pull(1, world.host.commit_of("first", "x"))
    bodies: dict[str, dict[str, Any]] = {
        "status": {"sha": "s", "state": "success", "context": "c", "description": "d", "url": ""},
        "close": {"number": 1},
        "deployment": {"sha": "s", "environment": "production", "description": "d", "state": "success", "url": ""},
        "check_run": {"key": "k", "name": "n", "head_sha": "s", "status": "queued"},
    }
    for kind, body in bodies.items():
        world.ledger.post(key=kind, kind=kind, repository=REPOSITORY, body=body, at=world.clock.now())
    assert drain(world.services) == 4
    assert world.host.calls == ["put_status", "close", "create_deployment", "put_deployment_status", "put_check_run"]


def test_a_configuration_error_is_permanent(world: World) -> None:
    _comment(world)
    world.host.fail_next["put_comment"] = ConfigurationError("no token")
    drain(world.services)
    assert world.audit("errand.given_up")[0]["reason"] == "no token"


def test_a_moved_head_in_the_outbox_ends_the_errand(world: World) -> None:
    world.trust()
    attempt = world.run(world.opened())
    world.host.fail_next["merge"] = HostError("bad gateway", status=502)
    decide(world.services, attempt.id, run_id="r1")
    world.host.fail_next["merge"] = HeadMoved("moved", status=409)
    for _ in range(3):
        world.clock.time += 10
        drain(world.services)
    assert world.host.merges == []
    assert world.ledger.due_errands(world.clock.now() + 1e9) == ()
