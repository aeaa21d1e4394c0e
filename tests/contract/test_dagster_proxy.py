"""What reaches Dagster's web server through the server, and what comes back."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from forge_dagster.errors import PlatformError
from forge_dagster.hosts.embedded.refusals import Refused
from forge_dagster.server import dagster
from forge_dagster.server.dagster import target_of
from forge_dagster.workspace.sockets import PATH_LIMIT, make_socket_folder, remove_socket_folder, socket_path
from tests.support.server_app import ORIGIN, ServerApp, dagster_stand_in, server_app

SUBSCRIPTIONS = "ws://127.0.0.1/dagster/graphql"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerApp]:
    folder = tmp_path_factory.mktemp("p")
    with (
        dagster_stand_in(folder / "d.sock") as socket,
        server_app(folder / "home", dagster_socket=socket) as made,
        TestClient(made.app, base_url=ORIGIN),
    ):
        yield made


@pytest.fixture(scope="module")
def browser(served: ServerApp) -> TestClient:
    return served.browser()


def test_a_question_arrives_without_the_callers_credentials(served: ServerApp, browser: TestClient) -> None:
    for client in (browser, served.client("olga")):
        answer = client.post("/dagster/graphql?a=%2Fb", json={"query": "{version}"})
        seen = answer.json()
        assert (seen["method"], seen["path"], seen["query"], seen["body"]) == (
            "POST", "/dagster/graphql", "a=%2Fb", '{"query":"{version}"}',
        )  # fmt: skip
        assert not {"cookie", "authorization", "origin", "x-forwarded-for"} & set(seen["headers"])
        assert "set-cookie" not in answer.headers
        assert "x-inner" not in answer.headers


def test_pages_keep_dagsters_policy_and_are_not_framed(browser: TestClient) -> None:
    policies = browser.get("/dagster/").headers.get_list("content-security-policy")
    assert policies == ["script-src 'nonce-1'", "frame-ancestors 'none'"]


def test_what_has_no_policy_may_do_nothing(browser: TestClient) -> None:
    log = browser.get("/dagster/logs/run/step.err")
    assert "<script>" in log.text
    assert "sandbox" in log.headers["content-security-policy"]
    assert "default-src 'none'" in log.headers["content-security-policy"]
    assert "sandbox" not in browser.get("/dagster/app.js").headers["content-security-policy"], "a worker would have it too"


def test_a_link_cannot_ask_graphql(browser: TestClient) -> None:
    assert browser.get("/dagster/graphql?query={version}").status_code == 405


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_either(browser: TestClient, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert browser.post("/dagster/graphql?query=mutation", content=b"x", headers=headers).status_code == 403


@pytest.mark.parametrize("login", ["reader", "forge/builder-01", "forge"])
def test_only_operators_are_let_through(served: ServerApp, login: str) -> None:
    assert served.client(login).post("/dagster/graphql", json={}).status_code == 403


def test_a_readers_session_is_refused(served: ServerApp) -> None:
    assert served.browser("reader").get("/dagster").status_code == 403


def test_a_large_question_is_refused(browser: TestClient) -> None:
    answer = browser.post(
        "/dagster/graphql", content=b"x" * (4 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_subscription_goes_both_ways(browser: TestClient) -> None:
    with browser.websocket_connect(SUBSCRIPTIONS, subprotocols=["graphql-ws"], headers={"Origin": ORIGIN}) as socket:
        protocol: str | None = socket.accepted_subprotocol
        assert protocol == "graphql-ws"
        assert not {"cookie", "authorization", "origin"} & set(socket.receive_json())
        socket.send_text("one")
        assert socket.receive_text() == "echo one"


def test_a_subscription_does_not_outlive_its_session_by_long(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dagster, "SUBSCRIPTION_S", 0.1)
    headers = {"Origin": ORIGIN}
    with browser.websocket_connect(SUBSCRIPTIONS, subprotocols=["graphql-ws"], headers=headers) as socket:
        socket.receive_json()
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://evil.example", "null"])
def test_another_sites_page_cannot_subscribe(browser: TestClient, origin: str) -> None:
    headers = {"Origin": origin}
    with (
        pytest.raises(WebSocketDisconnect),
        browser.websocket_connect(SUBSCRIPTIONS, subprotocols=["graphql-ws"], headers=headers),
    ):
        pass


def test_where_dagster_is_down_it_is_said(tmp_path: Path) -> None:
    with server_app(tmp_path) as served, TestClient(served.app, base_url=ORIGIN):
        answer = served.client("olga").get("/dagster")
        assert answer.status_code == 502
        assert "forge status" in answer.json()["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b"/dagster/../secret", b"/dagster/%2e%2e/secret", b"/dagster/%252e%252e/secret", b"/dagster/a/..", b"/dagster/./a",
        b"/dagster/..%2fsecret", b"/dagster/%2e%2e%5csecret", b"/dagster/a%00", b"/dagster/a%0d%0aHost:x", b"/dagsterx", b"/",
        b"/dagster/a%5c..%5cb", b"//evil.example/dagster",
    ],
)  # fmt: skip
def test_a_path_that_could_be_another_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        target_of(_request(raw))


@pytest.mark.parametrize(
    "raw", [b"/dagster", b"/dagster/runs/1-2", b"/dagster/assets/a%2Fb", b"/dagster/locations/forge@definitions"]
)
def test_dagsters_own_paths_are_passed_on_as_they_are(raw: bytes) -> None:
    assert target_of(_request(raw)) == httpx.URL("http://dagster").copy_with(raw_path=raw)


def _request(raw: bytes) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "raw_path": raw, "query_string": b"", "headers": []})


def test_a_sockets_path_is_never_too_long_and_its_folder_is_private(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 25)
    for home in (tmp_path, deep):
        home.mkdir(exist_ok=True)
        path = socket_path(home, "dagster.sock")
        assert len(str(path)) <= PATH_LIMIT
        make_socket_folder(home)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        path.parent.chmod(0o755)
        with pytest.raises(PlatformError, match="not this user's alone"):
            make_socket_folder(home)
        remove_socket_folder(home)
        assert not path.parent.exists()
