"""Attacks on the server: by strangers, by agents with a token, and by pages of other sites in an operator's browser.

Undefended, the one defence in question is taken out of the same code, or the attacker holds what the defence withholds.
"""

import hashlib
import hmac
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jinja2 import Environment
from sqlalchemy import insert
from starlette.requests import HTTPConnection
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from forge_dagster.hosts.embedded import accounts, schema, sessions
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.server import access, app, dagster, guard, login, markdown, pages, webhooks
from forge_dagster.server.rates import Rates
from tests.attacks.attack import Attack, Attempt
from tests.support.server_app import ORIGIN, WEBHOOK_SECRET, ServerApp, csrf_of, dagster_stand_in, server_app
from tests.support.serving import REPOSITORY, first_import, served_host

Play = Callable[[ServerApp], bool]
_PUSH = json.dumps({"ref": "refs/heads/main", "repository": {"full_name": "acme/shop"}}).encode()
_EVIL = "http://127.0.0.1:8080"
"""A preview of the change itself, on another port: to a browser the same site, but not the same origin."""


def _on(play: Play, *removed: tuple[object, str, Any], **options: Any) -> Attempt:
    """Play it against the application, `removed`: (where, name, what stands there instead of the defence)."""

    def attempt(folder: Path) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            for where, name, instead in removed:
                patch.setattr(where, name, instead)
            with server_app(folder / "home", **options) as served:
                return play(served)

    return attempt


def _with_dagster(play: Play, *removed: tuple[object, str, Any]) -> Attempt:
    """The same with a stand-in for Dagster behind the server."""

    def attempt(folder: Path) -> bool:
        with dagster_stand_in(folder / "d.sock") as socket:

            def with_lifespan(served: ServerApp) -> bool:
                with TestClient(served.app, base_url=ORIGIN):
                    return play(served)

            return _on(with_lifespan, *removed, dagster_socket=socket)(folder)

    return attempt


def _nothing(*_args: object, **_options: object) -> None:
    return None


# --- webhooks


def _send(served: ServerApp, body: bytes, *, secret: str = WEBHOOK_SECRET) -> None:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1"}
    served.client().post("/webhooks/embedded", content=body, headers=headers)


def _forged(served: ServerApp) -> bool:
    _send(served, _PUSH, secret="guessed")
    return bool(served.ledger.due_events())


def _replayed(served: ServerApp) -> bool:
    for _ in range(2):
        _send(served, _PUSH)
    return len(served.ledger.due_events()) > 1


def _oversized(served: ServerApp) -> bool:
    _send(served, _PUSH[:-1] + b', "x": "' + b"x" * 2_000_000 + b'"}')
    return bool(served.ledger.due_events())


_RECEIVE, _COUNTER = SqlLedger.receive, iter(range(1_000_000))


def _receive_again(ledger: SqlLedger, **event: Any) -> bool:
    return _RECEIVE(ledger, **{**event, "delivery": f"{event['delivery']}-{next(_COUNTER)}"})


# --- agents


def _pull(served: ServerApp, *, title: str = "A title", author: str = "forge/builder-01", comment: str = "") -> None:
    """A pull request in the database; its commits do not matter here."""
    host = served.host
    user = host.accounts.login_of(served.tokens["forge/builder-01"])
    assert user is not None
    with host.database.writing() as connection:
        who = user.id
        if author != user.login:
            other = insert(schema.users).values(login=author, kind="agent").returning(schema.users.c.id)
            who = connection.execute(other).scalar_one()
        values = {
            "head_ref": "agents/x/y",
            "head_sha": "1" * 40,
            "base_ref": "main",
            "base_sha": "2" * 40,
            "created_at": 1.0,
            "updated_at": 1.0,
        }
        row = insert(schema.pulls).values(repository_id=1, number=1, title=title, user_id=who, **values)
        pull = connection.execute(row.returning(schema.pulls.c.id)).scalar_one()
        if comment:
            said = {"pull_id": pull, "user_id": who, "body": comment, "created_at": 1.0, "updated_at": 1.0}
            connection.execute(insert(schema.comments).values(**said))


def _call(token_of: str, method: str, path: str, body: dict[str, object], *, stopped: tuple[int, ...] = (401, 403)) -> Play:
    """An agent calls REST; it got through when the call was not refused for who it is (what it names does not exist)."""

    def play(served: ServerApp) -> bool:
        answer = served.client(token_of).request(method, f"/api/v3/repos/acme/none{path}", json=body)
        return answer.status_code not in stopped

    return play


def _by_agent(name: str, published: str, method: str, path: str, body: dict[str, object], *, instead: str = "forge") -> Attack:
    """Undefended: tokens know no scopes, so that the agent's is as good as `instead`."""
    return Attack(
        name=f"server/agent {name}",
        published=published,
        undefended=_on(_call(instead, method, path, body)),
        defended=_on(_call("forge/builder-01", method, path, body)),
    )


# --- pages of other sites, in the browser of an operator who is logged in


def _csrf_post(served: ServerApp) -> bool:
    browser = served.browser()
    browser.post("/logout", data={}, headers={"Origin": _EVIL})
    return browser.get("/").status_code != 200


def _csrf_password(served: ServerApp) -> bool:
    """The operator once typed the token into the browser's own dialogue; a form can send JSON as text/plain."""
    headers = {"Origin": _EVIL, "Content-Type": "text/plain"}
    body = json.dumps({"state": "success"}).encode()
    url = f"/api/v3/repos/acme/shop/statuses/{'1' * 40}"
    return served.client().post(url, content=body, headers=headers, auth=("x", served.tokens["olga"])).status_code != 403


def _csrf_launch(served: ServerApp) -> bool:
    """A form or a fetch() without preflight that launches a run in Dagster."""
    headers = {"Origin": _EVIL, "Content-Type": "text/plain"}
    return served.browser().post("/dagster/graphql?query=mutation{x}", content=b"", headers=headers).status_code == 200


def _csrf_link(served: ServerApp) -> bool:
    return served.browser().get("/dagster/graphql?query=mutation{x}").status_code == 200


def _hijacked_socket(served: ServerApp) -> bool:
    try:
        address, options = "ws://127.0.0.1/dagster/graphql", {"subprotocols": ["graphql-ws"], "headers": {"Origin": _EVIL}}
        with served.browser().websocket_connect(address, **options) as socket:  # type: ignore[arg-type]
            return bool(socket.receive_json())
    except WebSocketDisconnect:
        return False


def _rebound(served: ServerApp) -> bool:
    """The attacker's name points to 127.0.0.1 by now: to the browser, the attacker's page is of this server."""
    return served.client().get("/login", headers={"Host": "evil.example:7730"}).status_code == 200


async def _unchecked(_guard: object, _csrf: str, _scope: object, _receive: object) -> dict[str, str]:
    return {}


def _fixed(served: ServerApp) -> bool:
    """The attacker has planted a cookie that it knows; the operator logs in."""
    victim = served.browser(None)
    victim.cookies.set("forge-session", "planted")
    victim.post("/login", data={"token": served.tokens["olga"]})
    return served.host.sessions.of("planted") is not None


class _Planted:
    """Goes on with the cookie that the browser brought, as sites did."""

    @staticmethod
    def token_urlsafe(_size: int) -> str:
        return "planted"


def _stolen(served: ServerApp) -> bool:
    """The attacker has a copy of the cookie; the operator logs out."""
    victim = served.browser()
    thief = served.browser(None)
    thief.cookies.set("forge-session", victim.cookies["forge-session"])
    victim.post("/logout", data={"csrf": csrf_of(victim)})
    return thief.get("/").status_code == 200


def _led_away(served: ServerApp) -> bool:
    answer = served.browser(None).post("/login", data={"token": served.tokens["olga"], "next": "//evil.example/forge"})
    return answer.headers["location"].startswith("//")


_SCRIPT = "<script>approve()</script>"


def _scripted(**values: str) -> Play:
    def play(served: ServerApp) -> bool:
        _pull(served, **values)
        return "<script" in served.browser().get("/acme/shop/pull/1").text

    return play


@contextmanager
def _unescaped() -> Iterator[None]:
    made = pages._TEMPLATES
    with pytest.MonkeyPatch.context() as patch:
        loose = Environment(loader=made.env.loader, autoescape=False)
        patch.setattr(pages, "_TEMPLATES", Jinja2Templates(env=loose))
        patch.setitem(markdown._READER.options, "html", True)
        yield


def _by_script(what: str, **values: str) -> Attack:
    def undefended(folder: Path) -> bool:
        with _unescaped():
            return _on(_scripted(**values))(folder)

    return Attack(
        name=f"server/script in {what}",
        published="OWASP Top 10, injection",
        undefended=undefended,
        defended=_on(_scripted(**values)),
    )


def _scripted_log(served: ServerApp) -> bool:
    """What a change's code printed, opened as a page."""
    answer = served.browser().get("/dagster/logs/run/step.err")
    return "<script>" in answer.text and "sandbox" not in answer.headers.get("content-security-policy", "")


# --- strangers


def _guessed(served: ServerApp) -> bool:
    browser = served.browser(None)
    guesses = [*(f"guess {n}" for n in range(40)), served.tokens["olga"]]
    return any(browser.post("/login", data={"token": guess}).status_code == 303 for guess in guesses)


def _launched(served: ServerApp) -> bool:
    return served.client().post("/dagster/graphql", json={"query": "mutation{x}"}).status_code == 200


def _escaped(served: ServerApp) -> bool:
    """An operator's link, made by somebody else, to what is not below Dagster's prefix."""
    found = []
    for path in ("/dagster/%2e%2e/secret", "/dagster/..%2fsecret"):
        answer = served.client("olga").get(path)
        found.append(answer.status_code == 200 and "not below" in answer.text)
    return any(found)


def _naive_target(connection: HTTPConnection) -> httpx.URL:
    return httpx.URL(f"http://dagster{connection.url.path}")


def _logged(served: ServerApp) -> bool:
    """A program puts its token into the address; somebody reads the log."""
    written = io.StringIO()
    handler, log = logging.StreamHandler(written), logging.getLogger("forge.server")
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        served.client("olga").get(f"/api/v3/user?access_token={served.tokens['olga']}")
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    return served.tokens["olga"] in written.getvalue()


class _TalkativeLog(app.RequestLog):
    """Logs addresses as web servers commonly do."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        logging.getLogger("forge.server").info("%s?%s", scope.get("path"), scope.get("query_string", b"").decode())
        await super().__call__(scope, receive, send)


def _read_from_disk(served: ServerApp) -> bool:
    """A copy of the database is all that the attacker has."""
    stored = b"".join(path.read_bytes() for path in served.host.folder.glob("host.db*"))
    return any(token.encode() in stored for token in served.tokens.values())


def _other_repository(repositories: tuple[str, ...]) -> Play:
    def play(served: ServerApp) -> bool:
        served.host.create_repository("acme/secret")
        token = served.host.accounts.create_token("forge/builder-01", "agent", repositories=repositories)
        headers = {"Authorization": f"Bearer {token}"}
        return served.client().get("/api/v3/repos/acme/secret", headers=headers).status_code == 200

    return play


def _plain(secret: str) -> str:
    return secret


def _approved_by(who: str) -> Attempt:
    """Real commits, since a review is of one."""

    def attempt(folder: Path) -> bool:
        with served_host(folder / "home") as served:
            clone = first_import(served, folder / "clone")
            clone.commit({"a.txt": "a"}, "Add a")
            clone.push(served.git_url("forge/builder-01"), "HEAD:refs/for/main")
            headers = {"Authorization": f"Bearer {served.tokens[who]}"}
            url = f"{served.api}/repos/{REPOSITORY}/pulls/1/reviews"
            httpx.post(url, json={"event": "APPROVE", "body": "fine"}, headers=headers)
            return any(review["state"] == "APPROVED" for review in httpx.get(url, headers=headers).json())

    return attempt


async def _let_all_in(_guard: object, scope: Any, _receive: object) -> None:
    """As Dagster's own port does."""
    operator = accounts.Login(id=1, login="anybody", kind="operator")
    scope.setdefault("state", {})["caller"] = access.Caller(login=operator)


def _both(name: str, published: str, play: Play, *removed: tuple[object, str, Any]) -> Attack:
    return Attack(name=f"server/{name}", published=published, undefended=_on(play, *removed), defended=_on(play))


def _with(name: str, published: str, play: Play, *removed: tuple[object, str, Any]) -> Attack:
    """With Dagster behind the server."""
    undefended, defended = _with_dagster(play, *removed), _with_dagster(play)
    return Attack(name=f"server/{name}", published=published, undefended=undefended, defended=defended)


ATTACKS = (
    _both(
        "webhook with a forged signature",
        "GitHub docs, Validating webhook deliveries",
        _forged,
        (webhooks, "_verify", _nothing),
    ),
    _both(
        "webhook replayed", "GitHub docs, Best practices for using webhooks", _replayed, (SqlLedger, "receive", _receive_again)
    ),
    Attack(
        name="server/webhook of two megabytes where one is allowed",
        published="CWE-770",
        undefended=_on(_oversized),
        defended=_on(_oversized, webhook_body_limit=1_000_000),
    ),
    _by_agent("merges", "OWASP CICD-SEC-1", "PUT", "/pulls/1/merge", {}),
    _by_agent(
        "reports its own check as passed", "OWASP CICD-SEC-1", "POST", "/check-runs", {"name": "unit", "head_sha": "1" * 40}
    ),
    _by_agent(
        "sets a status in Forge's name",
        "OWASP CICD-SEC-1",
        "POST",
        f"/statuses/{'1' * 40}",
        {"state": "success", "context": "forge"},
    ),
    _by_agent("deploys", "OWASP CICD-SEC-5", "POST", "/deployments", {"ref": "main"}),
    Attack(
        name="server/agent reads a repository that its token is not for",
        published="OWASP CICD-SEC-2",
        undefended=_on(_other_repository(())),
        defended=_on(_other_repository(("acme/shop",))),
    ),
    Attack(
        name="server/agent approves its own change",
        published="OWASP CICD-SEC-1",
        undefended=_approved_by("olga"),
        defended=_approved_by("forge/builder-01"),
    ),
    Attack(
        name="server/agent approves another agent's change",
        published="OWASP CICD-SEC-1",
        undefended=_approved_by("olga"),
        defended=_approved_by("forge/builder-02"),
    ),
    _both("form of another site (CSRF)", "CWE-352", _csrf_post, (guard.Guard, "_unmisled", _unchecked)),
    _both("form of another site with a remembered password", "CWE-352", _csrf_password, (guard, "from_own_page", _nothing)),
    _with("form of another site launches a run", "CWE-352", _csrf_launch, (guard.Guard, "_unmisled", _unchecked)),
    _with("link launches a run", "CWE-352", _csrf_link, (dagster, "GRAPHQL_METHODS", ("GET", "HEAD", "POST"))),
    _with("socket of another site", "CWE-1385", _hijacked_socket, (guard, "from_own_page", _nothing)),
    _both("DNS rebinding", "CWE-350; Singularity of Origin", _rebound, (app, "LOOPBACK", ("*",))),
    _both("session fixation", "CWE-384", _fixed, (sessions, "secrets", _Planted), (sessions.Sessions, "end", _nothing)),
    _both("session used after the logout", "CWE-613", _stolen, (sessions.Sessions, "end", _nothing)),
    _both("login that leads elsewhere", "CWE-601", _led_away, (login, "local_path", _plain)),
    _by_script("a title", title=_SCRIPT),
    _by_script("a comment", comment=_SCRIPT),
    _by_script("an agent's name", author=_SCRIPT),
    _with("script in a log", "CWE-79", _scripted_log, (dagster, "NO_POLICY", "frame-ancestors 'none'")),
    Attack(
        name="server/token guessed at the login",
        published="CWE-307",
        undefended=_on(_guessed, rates=Rates(login="100000/minute")),
        defended=_on(_guessed),
    ),
    _with(
        "run launched without a login", "dagster docs, Running the webserver", _launched, (guard.Guard, "_let_in", _let_all_in)
    ),
    _with("path out of Dagster's prefix", "CWE-22", _escaped, (dagster, "target_of", _naive_target)),
    _both("token read from the log", "CWE-532", _logged, (app, "RequestLog", _TalkativeLog)),
    _both("token read from the database", "CWE-312", _read_from_disk, (accounts, "digest", _plain)),
)
