"""Who gets in where: every route of the composed application, held against a table that is written here by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from forge_dagster.server.rates import Rates
from tests.support.server_app import LOGINS, ORIGIN, ServerApp, server_app

OPEN = {"GET /healthz", "POST /webhooks/{host}", "GET /login", "POST /login", "GET /static/forge.css"}

EVERYBODY = frozenset(LOGINS.values())
WRITERS = EVERYBODY - {"read"}
PEOPLE = frozenset({"operator", "forge"})
FORGE = frozenset({"forge"})
REPO = "/api/v3/repos/{owner}/{repo}"

NOT_GET = {
    # what an agent works with
    f"POST {REPO}/pulls": WRITERS,
    f"PATCH {REPO}/pulls/{{number:int}}": WRITERS,
    f"POST {REPO}/pulls/{{number:int}}/reviews": WRITERS,  # to comment; approving is for people: see the attacks
    f"POST {REPO}/issues/{{number:int}}/comments": WRITERS,
    f"PATCH {REPO}/issues/comments/{{comment:int}}": WRITERS,
    f"POST {REPO}/git/refs": WRITERS,
    f"PATCH {REPO}/git/refs/{{ref:path}}": WRITERS,
    "POST /{owner}/{name}/git-receive-pack": WRITERS,
    "POST /{owner}/{name}/git-upload-pack": EVERYBODY,
    # what people do
    f"POST {REPO}/issues/{{number:int}}/labels": PEOPLE,
    f"POST {REPO}/statuses/{{sha}}": PEOPLE,
    f"POST {REPO}/hooks/{{hook:int}}/pings": PEOPLE,
    "POST /api/v3/app/hook/deliveries/{delivery:int}/attempts": PEOPLE,
    "POST /dagster": frozenset({"operator"}),
    "POST /dagster/{path:path}": frozenset({"operator"}),
    # what Forge alone does
    f"PUT {REPO}/pulls/{{number:int}}/merge": FORGE,
    f"POST {REPO}/check-runs": FORGE,
    f"PATCH {REPO}/check-runs/{{check:int}}": FORGE,
    f"POST {REPO}/deployments": FORGE,
    f"POST {REPO}/deployments/{{deployment:int}}/statuses": FORGE,
    # forms of pages, which take a browser's session and never a token
    "POST /logout": frozenset(),
    "POST /{owner}/{name}/pull/{number:int}/review": frozenset(),
}
GET_FOR_SOME = {
    "GET /api/v3/app/hook/deliveries": PEOPLE,
    "GET /dagster": frozenset({"operator"}),
    "GET /dagster/{path:path}": frozenset({"operator"}),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerApp]:
    plenty = Rates(token="100000/minute", anonymous="100000/minute", wrong="100000/minute", login="100000/minute")
    folder = tmp_path_factory.mktemp("access")
    with server_app(folder, rates=plenty) as made, TestClient(made.app, base_url=ORIGIN):  # its lifespan: Dagster's client
        yield made


def routes(served: ServerApp) -> list[tuple[str, str, str]]:
    """Each route as (method, path, an address that it matches)."""
    found = [route for route in served.app.routes if isinstance(route, Route)]
    assert len(found) + 1 == len(served.app.routes), "one WebSocket, no mounts: else this list is not whole"
    return [(m, r.path, address(r.path)) for r in found for m in sorted((r.methods or set()) - {"HEAD"})]


def address(path: str) -> str:
    """Names a repository that does not exist, so that a call which is let in ends in 404 or 422."""
    named = path.replace("{owner}", "acme").replace("{repo}", "none").replace("{name}", "none").replace("{host}", "embedded")
    made = re.sub(r"\{\w+:int\}", "1", re.sub(r"\{\w+(:path)?\}", "x", named))
    return f"{made}?service=git-upload-pack" if made.endswith("info/refs") else made


def test_every_route_turns_strangers_away(served: ServerApp) -> None:
    client = served.client()
    assert let_in(served, client) == OPEN


def test_a_wrong_token_is_worth_nothing_anywhere(served: ServerApp) -> None:
    client = served.client()
    client.headers["Authorization"] = "Bearer forge_operator_wrong"
    assert let_in(served, client) == OPEN


def let_in(served: ServerApp, client: TestClient) -> set[str]:
    """The routes that look at a request at all. (An unsigned webhook is looked at, and refused for that.)"""
    answers = [(f"{method} {path}", client.request(method, at)) for method, path, at in routes(served)]
    said = ("Requires authentication", "Bad credentials")
    return {name for name, answer in answers if answer.status_code != 401 or answer.json()["message"] not in said}


def test_what_is_no_route_is_refused_as_well(served: ServerApp) -> None:
    client = served.client()
    for path in ("/nothing", "/webhooks/a/info/refs", "/webhooks", "/healthz/x", "/login/x", "/static/x", "//login"):
        assert client.get(path).status_code == 401, path


def test_a_browser_is_led_to_the_login_and_back(served: ServerApp) -> None:
    browser = served.browser(None)
    for path in ("/", "/acme/shop/pull/1", "/dagster", "/dagster/runs/1?a=b"):
        answer = browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=%2F")
    assert browser.get("/api/v3/user").status_code == 401, "not led where a session does not count"


def test_each_scope_gets_what_the_table_says_on_each_route(served: ServerApp) -> None:
    table = {f"{method} {path}" for method, path, _ in routes(served)} - OPEN
    assert set(NOT_GET) == {name for name in table if not name.startswith("GET ")}
    assert set(GET_FOR_SOME) < table
    clients = {kind: served.client(login) for login, kind in LOGINS.items()}
    wrong = []
    for method, path, at in routes(served):
        name = f"{method} {path}"
        if name in OPEN:
            continue
        allowed = NOT_GET.get(name) if method != "GET" else GET_FOR_SOME.get(name, EVERYBODY)
        for kind, client in clients.items():
            status = client.request(method, at, json=None if method == "GET" else {}).status_code
            got_in = status not in (401, 403)
            if got_in != (kind in (allowed or ())):
                wrong.append((kind, name, status))
    assert wrong == []


def test_git_itself_is_told_the_same(served: ServerApp) -> None:
    for login, kind in LOGINS.items():
        answer = served.client(login).get("/acme/none/info/refs?service=git-receive-pack")
        assert answer.status_code == (403 if kind == "read" else 404)


@pytest.mark.parametrize("login", [None, "reader", "forge/builder-01", "forge"])
def test_a_subscription_is_for_operators(served: ServerApp, login: str | None) -> None:
    [route] = [route for route in served.app.routes if isinstance(route, WebSocketRoute)]
    assert route.path == "/dagster/graphql"
    with pytest.raises(WebSocketDisconnect), served.client(login).websocket_connect(f"ws://127.0.0.1{route.path}"):
        pass


def test_a_session_counts_on_pages_only(served: ServerApp) -> None:
    browser = served.browser("olga")
    assert browser.get("/").status_code == 200
    for path in ("/api/v3/user", "/acme/shop/info/refs?service=git-upload-pack"):
        assert browser.get(path).status_code == 401, path


def test_an_address_in_the_host_header_must_be_ours(served: ServerApp, tmp_path: Path) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "forge.example.org", ""):
        assert served.client("olga").get("/", headers={"Host": host}).status_code == 400
    for host in ("127.0.0.1:7730", "localhost", "[::1]:7730"):
        assert served.client("olga").get("/", headers={"Host": host}).status_code == 200
    with server_app(tmp_path, public_url="https://forge.example.org") as public:
        assert public.client("olga").get("/", headers={"Host": "forge.example.org"}).status_code == 200


def test_a_token_can_be_bound_to_repositories_and_to_a_time(tmp_path: Path) -> None:
    with server_app(tmp_path) as served:
        served.host.create_repository("acme/secret")
        narrow = served.host.accounts.create_token("reader", "read", repositories=["acme/shop"])
        client = served.client()
        client.headers["Authorization"] = f"Bearer {narrow}"
        assert client.get("/api/v3/repos/acme/shop").status_code == 200
        assert client.get("/api/v3/repos/acme/secret").status_code == 404
        assert [one["full_name"] for one in client.get("/api/v3/user/repos").json()] == ["acme/shop"]
        assert client.get("/acme/secret/pull/1").status_code == 404
        assert client.get("/acme/secret/info/refs?service=git-upload-pack").status_code == 404
        client.headers["Authorization"] = f"Bearer {served.host.accounts.create_token('reader', 'read', lifetime_s=0.0)}"
        assert client.get("/api/v3/user").status_code == 401


def test_requests_are_counted_by_token_and_by_address(tmp_path: Path) -> None:
    with server_app(
        tmp_path, rates=Rates(token="3/minute", anonymous="3/minute", wrong="2/minute", login="2/minute")
    ) as served:
        asked = [served.client("reader").get("/api/v3/user") for _ in range(5)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429, 429]
        assert 1 <= int(asked[-1].headers["retry-after"]) <= 60
        assert served.client("olga").get("/api/v3/user").status_code == 200, "others go on"
        assert {served.client("forge").get("/api/v3/user").status_code for _ in range(9)} == {200}, "Forge does not stop itself"
        assert [served.client().get("/healthz").status_code for _ in range(4)] == [200, 200, 200, 429]
        guess = served.client()
        guess.headers["Authorization"] = "Bearer forge_read_guess"
        assert [guess.get("/api/v3/user").status_code for _ in range(3)] == [401, 401, 429]
        assert served.client("olga").get("/api/v3/user").status_code == 200, "a valid token is heard beside wrong ones"


def test_every_answer_tells_the_browser_to_run_and_frame_nothing(served: ServerApp) -> None:
    for answer in (served.client().get("/login"), served.browser().get("/"), served.client("olga").get("/api/v3/user")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert "style=" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_route_reads_a_body_without_a_bound(served: ServerApp, method: str) -> None:
    """A body without end: whoever may send it is told 413 long before 2 GiB, or is not read at all."""
    piece = b"x" * 1024 * 1024
    for wanted, path, at in routes(served):
        if wanted != method or "git-" in path:  # git's own limit has a test with real pushes
            continue
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            while sent < 64:
                sent += 1
                yield piece

        who = "olga" if path.startswith("/dagster") else "forge"
        answer = served.client(None if f"{method} {path}" in OPEN else who).request(method, at, content=endless())
        assert answer.status_code in (400, 403, 404, 413), (path, answer.status_code)
