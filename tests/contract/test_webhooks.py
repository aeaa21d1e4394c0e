"""What the webhook receiver promises: acknowledged means stored, and what is forged or too large leaves no row."""

import asyncio
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from forge_dagster.errors import ConfigurationError
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.server.webhooks import MAX_DEPTH, routes
from tests.fakes.machine import StillClock

SECRET = "s3cret"
LIMIT = 10_000
PUSH = {"ref": "refs/heads/main", "repository": {"full_name": "acme/shop"}, "sender": {"login": "ann"}}


class Receiver:
    def __init__(self, url: str) -> None:
        self.ledger = SqlLedger(url)
        secrets = {"embedded": SECRET, "github": "another"}
        app = Starlette(routes=routes(ledger=self.ledger, secrets=secrets, body_limit=LIMIT, clock=StillClock(5.0)))
        self.client = TestClient(app, raise_server_exceptions=True)

    def send(self, payload: Any = None, *, body: bytes | None = None, host: str = "embedded", **headers: str | None) -> Any:
        content = json.dumps(PUSH if payload is None else payload).encode() if body is None else body
        given: dict[str, str | None] = {
            "X-Hub-Signature-256": signed(content),
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        kept = {name: value for name, value in given.items() if value is not None}
        return self.client.post(f"/webhooks/{host}", content=content, headers=kept)


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.ledger.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    made = Receiver(f"sqlite:///{tmp_path_factory.mktemp('shared')}/ledger.db")
    yield made
    made.ledger.close()


def test_what_is_acknowledged_is_stored(receiver: Receiver) -> None:
    answer = receiver.send()
    assert (answer.status_code, answer.json()) == (202, {"stored": True})
    (event,) = receiver.ledger.due_events()
    assert (event.host, event.name, event.action, event.repository) == ("embedded", "push", "", "acme/shop")
    assert event.delivery == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert (event.payload, event.received_at) == (PUSH, 5.0)


def test_a_replay_is_acknowledged_and_stored_once(receiver: Receiver) -> None:
    receiver.send()
    answer = receiver.send()
    assert (answer.status_code, answer.json()) == (202, {"duplicate": True})
    receiver.ledger.finish_event(receiver.ledger.due_events()[0].id)
    assert receiver.send().json() == {"duplicate": True}
    assert receiver.ledger.due_events() == ()


@pytest.mark.parametrize(
    "signature",
    [None, "", "sha256=", "sha256=" + "0" * 64, "sha1=abc", signed(b"other"), signed(json.dumps(PUSH).encode(), "another")],
)
def test_a_wrong_signature_leaves_no_row(receiver: Receiver, signature: str | None) -> None:
    answer = receiver.send(X_Hub_Signature_256=signature)
    assert answer.status_code == 401
    assert "signature" in answer.json()["message"]
    assert receiver.ledger.due_events() == ()


def test_the_signature_is_over_the_raw_bytes(receiver: Receiver) -> None:
    body = json.dumps(PUSH, indent=3, ensure_ascii=False).encode()
    assert receiver.send(body=body).status_code == 202
    assert receiver.send(body=body, X_Hub_Signature_256=signed(json.dumps(PUSH).encode())).status_code == 401


def test_each_host_has_its_own_secret(receiver: Receiver) -> None:
    body = json.dumps(PUSH).encode()
    assert receiver.send(host="github").status_code == 401
    assert receiver.send(host="github", X_Hub_Signature_256=signed(body, "another")).status_code == 202
    assert receiver.send(host="nobody").status_code == 404
    assert [event.host for event in receiver.ledger.due_events()] == ["github"]


def test_an_oversized_body_is_refused(receiver: Receiver) -> None:
    declared = receiver.send(body=b"x" * (LIMIT + 1))
    assert declared.status_code == 413
    assert str(LIMIT) in declared.json()["message"]
    assert receiver.send(body=b"x" * LIMIT).status_code == 400, "the limit itself is allowed: it is only no JSON"
    assert receiver.ledger.due_events() == ()


def test_a_body_without_end_is_not_read_to_its_end(receiver: Receiver) -> None:
    chunks = 0
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal chunks
        chunks += 1
        return {"type": "http.request", "body": b"x" * 1_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/embedded",
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    asyncio.run(asyncio.wait_for(receiver.client.app(scope, receive, send), 30))
    assert sent[0]["status"] == 413
    assert chunks == LIMIT // 1_000 + 1


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1])
def test_depth_is_bounded(receiver: Receiver, levels: int) -> None:
    inner = b"[" * (levels - 1) + b"]" * (levels - 1)
    answer = receiver.send(body=b'{"repository": {"full_name": "acme/shop"}, "x": ' + inner + b"}")
    assert answer.status_code == (202 if levels <= MAX_DEPTH else 400)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"payload=%7B%7D", "application/json"),
        (b"\xff\xfe", "not JSON"),
        (b'{"a": ' + b"9" * 6000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "names no repository"),
        (b'{"repository": "acme/shop"}', "names no repository"),
        (b'{"repository": {"full_name": "../etc"}}', "names no repository"),
        (b'{"repository": {"full_name": "a/b/c"}}', "names no repository"),
        (b'{"repository": {"full_name": "-x/y"}}', "names no repository"),
        (b'{"repository": {"full_name": "acme/shop"}, "action": {}}', "action"),
        (b'{"repository": {"full_name": "acme/shop"}, "action": "\\ud800"}', "action"),
        (b"[" * 4000 + b"]" * 4000, "JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(receiver: Receiver, body: bytes, message: str) -> None:
    answer = receiver.send(body=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert receiver.ledger.due_events() == ()


@pytest.mark.parametrize("delivery", [None, "", "a b", "x" * 129, "reconcile:acme/shop:1", "../x"])
def test_a_delivery_needs_a_plain_id(receiver: Receiver, delivery: str | None) -> None:
    answer = receiver.send(X_GitHub_Delivery=delivery)
    assert answer.status_code == 400
    assert "X-GitHub-Delivery" in answer.json()["message"]


def test_other_events_are_acknowledged_without_a_row(receiver: Receiver) -> None:
    assert receiver.send({"zen": "x"}, X_GitHub_Event="ping").json() == {"message": "pong"}
    assert receiver.send(X_GitHub_Event="star").json() == {"ignored": True}
    assert receiver.send(X_GitHub_Event=None).json() == {"ignored": True}
    assert receiver.ledger.due_events() == ()


def test_a_ledger_that_fails_acknowledges_nothing(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    answer = Receiver(f"sqlite:///{tmp_path}/ledger.db").send()
    assert answer.status_code == 503
    assert "not acknowledged" in answer.json()["message"]
    assert answer.headers["retry-after"]


def test_an_event_whose_handling_failed_runs_again_when_it_is_redelivered(receiver: Receiver) -> None:
    receiver.send()
    while receiver.ledger.due_events():
        receiver.ledger.finish_event(receiver.ledger.due_events()[0].id, error="boom")
    assert receiver.send().json() == {"stored": True}
    assert len(receiver.ledger.due_events()) == 1


def test_only_post_is_answered(receiver: Receiver) -> None:
    assert receiver.client.get("/webhooks/embedded").status_code == 405


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="host h is empty"):
        routes(ledger=SqlLedger(f"sqlite:///{tmp_path}/l"), secrets={"h": ""}, body_limit=1, clock=StillClock())


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100)
@given(
    body=st.binary(max_size=80) | st.builds(lambda v: json.dumps({"repository": {"full_name": "a/b"}, "x": v}).encode(), _JSON)
)
def test_no_signed_body_breaks_the_receiver(shared: Receiver, body: bytes) -> None:
    delivery = uuid.uuid4().hex
    answer = shared.send(body=body, X_GitHub_Delivery=delivery)
    assert answer.status_code in (202, 400)
    stored = [event.id for event in shared.ledger.due_events(limit=10) if event.delivery == delivery]
    assert len(stored) == (1 if answer.status_code == 202 else 0)
    for event in stored:
        shared.ledger.finish_event(event)
