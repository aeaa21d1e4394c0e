"""Browsers: how a session begins, what it is worth, what ends it, and that no other site can use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from forge_dagster.hosts.embedded import EmbeddedHost
from forge_dagster.hosts.embedded.sessions import SESSION_S, TICKET_S
from forge_dagster.server.login import local_path
from tests.fakes.machine import StillClock
from tests.support.server_app import ORIGIN, ServerApp, csrf_of, server_app


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServerApp]:
    with server_app(tmp_path) as made:
        yield made


def test_a_token_logs_in_and_the_cookie_is_for_this_server_alone(served: ServerApp) -> None:
    browser = served.browser(None)
    answer = browser.post("/login", data={"token": f" {served.tokens['olga']}\n", "next": "/acme/shop/pull/1?a=b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/acme/shop/pull/1?a=b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("forge-session=")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert "olga, operator" in browser.get("/").text
    stored = b"".join(path.read_bytes() for path in served.host.folder.glob("host.db*"))
    assert browser.cookies["forge-session"].encode() not in stored


def test_behind_https_the_cookie_never_travels_without_it(tmp_path: Path) -> None:
    with server_app(tmp_path, public_url="https://forge.example.org") as served:
        browser = TestClient(served.app, base_url="https://forge.example.org", follow_redirects=False)
        browser.headers["Origin"] = "https://forge.example.org"
        answer = browser.post("/login", data={"token": served.tokens["olga"]})
        assert answer.headers["set-cookie"].startswith("__Host-forge=")
        assert "Secure" in answer.headers["set-cookie"].split("; ")
        assert "max-age=" in answer.headers["strict-transport-security"]
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize("login", ["forge", "forge/builder-01"])
def test_agents_and_forge_itself_get_no_session(served: ServerApp, login: str) -> None:
    answer = served.browser(None).post("/login", data={"token": served.tokens[login]})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_link_logs_in_once_and_not_by_being_looked_at(served: ServerApp) -> None:
    ticket = served.host.sessions.issue_ticket(served.tokens["olga"])
    browser = served.browser(None)
    for _ in range(2):
        page = browser.get(f"/login?ticket={ticket}")
        assert "set-cookie" not in page.headers
        assert f'value="{ticket}"' in page.text
    assert browser.post("/login", data={"ticket": ticket}).status_code == 303
    assert browser.get("/").status_code == 200
    second = served.browser(None).post("/login", data={"ticket": ticket})
    assert second.status_code == 401
    assert "forge up" in second.text


def test_logging_out_ends_the_session_itself(served: ServerApp) -> None:
    browser = served.browser()
    cookie = browser.cookies["forge-session"]
    assert browser.post("/logout", data={"csrf": csrf_of(browser)}).headers["location"] == "/login"
    copied = served.browser(None)
    copied.cookies.set("forge-session", cookie)
    assert copied.get("/").status_code == 303


def test_logging_in_again_ends_the_former_session(served: ServerApp) -> None:
    browser = served.browser()
    former = browser.cookies["forge-session"]
    browser.post("/login", data={"token": served.tokens["reader"]})
    assert served.host.sessions.of(former) is None
    assert "reader, read" in browser.get("/").text


def test_a_session_ends_with_its_token(served: ServerApp) -> None:
    browser = served.browser()
    served.host.accounts.revoke(served.tokens["olga"])
    assert browser.get("/").status_code == 303
    assert served.host.sessions.issue_ticket(served.tokens["olga"]) is None


def test_sessions_and_tickets_end_with_time(tmp_path: Path) -> None:
    clock = StillClock()
    host = EmbeddedHost(tmp_path, now=clock.now)
    token = host.accounts.create_token("olga", "operator", lifetime_s=10 * SESSION_S)
    cookie, ticket = host.sessions.open(token), host.sessions.issue_ticket(token)
    assert cookie
    assert ticket
    clock.time += TICKET_S
    assert host.sessions.redeem(ticket) is None
    assert host.sessions.of(cookie) is not None
    clock.time += SESSION_S - TICKET_S
    assert host.sessions.of(cookie) is None
    later = host.sessions.open(token)
    assert later
    clock.time += 9 * SESSION_S
    assert host.sessions.open(token) is None, "the token itself is over"
    host.close()


@pytest.mark.parametrize("csrf", ["", "wrong"])
def test_a_form_needs_the_pages_own_token(served: ServerApp, csrf: str) -> None:
    browser = served.browser()
    assert browser.post("/logout", data={"csrf": csrf}).status_code == 403
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://127.0.0.1:8080", "http://localhost", "https://127.0.0.1", "http://evil.example"]
)
def test_a_form_must_come_from_this_very_origin(served: ServerApp, origin: str | None) -> None:
    browser = served.browser()
    csrf = csrf_of(browser)
    del browser.headers["Origin"]
    headers = {} if origin is None else {"Origin": origin}
    assert browser.post("/logout", data={"csrf": csrf}, headers=headers).status_code == 403
    assert browser.post("/login", data={"token": served.tokens["olga"]}, headers=headers).status_code == 403
    assert browser.post("/dagster/graphql", json={}, headers=headers).status_code == 403
    assert browser.get("/").status_code == 200


def test_another_site_may_link_to_a_page_but_not_load_it(served: ServerApp) -> None:
    browser = served.browser()
    for site in ("cross-site", "same-site"):
        assert browser.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status_code == 200
        assert browser.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status_code == 403


def test_only_a_form_is_taken_where_a_form_is_due(served: ServerApp) -> None:
    browser = served.browser()
    assert browser.post("/logout", json={"csrf": csrf_of(browser)}).status_code == 400
    assert browser.post("/logout", data={"csrf": "x" * 100_000}).status_code == 413
    assert browser.post("/logout", data={f"f{n}": "x" for n in range(50)}).status_code == 400


def test_attempts_to_log_in_are_counted_before_they_are_looked_at(served: ServerApp) -> None:
    browser = served.browser(None)
    wrong = [browser.post("/login", data={"token": f"guess {n}"}).status_code for n in range(12)]
    assert wrong == [401] * 10 + [429] * 2
    right = browser.post("/login", data={"token": served.tokens["olga"]})
    assert (right.status_code, "set-cookie" in right.headers) == (429, False)
    assert 1 <= int(right.headers["retry-after"]) <= 60


@given(st.text(alphabet="/\\.:@abc?#%\t\n \x00", max_size=12) | st.text(max_size=12))
def test_after_the_login_nobody_is_led_elsewhere(text: str) -> None:
    goal = local_path(text)
    assert goal.startswith("/")
    assert not goal.startswith(("//", "/\\"))
    assert goal == text or goal == "/"
    assert goal.isascii()
    assert goal.isprintable()
    assert "\\" not in goal


def test_where_to_go_is_kept_in_the_form(served: ServerApp) -> None:
    text = served.client().get('/login?next=/a"><script>&ticket="><script>').text
    assert "<script" not in text
    assert 'name="next" value="/a&#34;&gt;&lt;script&gt;"' in text
    assert served.client().get("/login?next=//evil.example").text.count('name="next" value="/"') == 1


def test_the_origin_is_the_one_that_the_browser_sees(tmp_path: Path) -> None:
    with server_app(tmp_path, public_url="https://forge.example.org") as served:
        near = served.browser(None)
        near.headers["Origin"] = "https://forge.example.org"  # a proxy that tells the server its own name for it
        assert near.post("/login", data={"token": served.tokens["olga"]}).status_code == 303
        assert near.post("/login", data={"token": served.tokens["olga"]}, headers={"Origin": ORIGIN}).status_code == 303
