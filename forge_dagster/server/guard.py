"""The door: whoever has neither a token nor a session gets in nowhere but at the few paths named here."""

import hmac
import re
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from forge_dagster.hosts.embedded.accounts import Accounts
from forge_dagster.hosts.embedded.refusals import Refused, forbidden
from forge_dagster.hosts.embedded.sessions import Sessions
from forge_dagster.server.access import Caller, body_of, token_of
from forge_dagster.server.rates import Limiter
from forge_dagster.server.rest import error_response

OPEN = re.compile(r"/healthz|/login|/static/forge\.css|/webhooks/[^/]+")
"""Paths that need no caller: health, the login itself, and webhooks, which are signed."""

DAGSTER = r"/dagster(?:/.*)?"
PAGES = re.compile(rf"/|/logout|/[^/]+/[^/]+/pull/[0-9]+(?:/review)?|{DAGSTER}", re.DOTALL)
"""Paths where a browser's session counts. REST and git take a token in each request, so that no browser can be misled there."""

SAFE = ("GET", "HEAD")
FORM_LIMIT = 70_000
"""Bytes of a form: a token, or a comment."""


class Guard:
    """ASGI middleware: puts the Caller into the state of each request that it lets in, and counts requests."""

    def __init__(self, app: ASGIApp, *, accounts: Accounts, sessions: Sessions, limiter: Limiter, public_url: str) -> None:
        self._app = app
        self._accounts = accounts
        self._sessions = sessions
        self._limiter = limiter
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            if OPEN.fullmatch(scope["path"]) and scope["type"] == "http":
                self._limiter.anonymous(address_of(scope))
            else:
                await self._let_in(scope, receive)
        except Refused as refused:
            await _refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive) -> None:
        """Raises Refused: 401 nobody known, 403 misled browser, 429 too often."""
        connection = HTTPConnection(scope)
        token = token_of(connection)
        caller = await (self._by_session(connection) if token is None else self._by_token(connection, token))
        self._limiter.known(caller.login)
        state = scope.setdefault("state", {})
        state["caller"], state["login"] = caller, caller.login.login
        if caller.csrf is not None:
            state["form"] = await self._unmisled(caller.csrf, scope, receive)

    async def _by_token(self, connection: HTTPConnection, token: str) -> Caller:
        """A browser sends a token by itself once somebody has typed it into its password dialogue (Basic)."""
        if "origin" in connection.headers:
            from_own_page(connection, self._public_url)
        _from_nowhere_else(connection)
        login = await run_in_threadpool(self._accounts.login_of, token)
        if login is None:
            self._limiter.wrong(address_of(connection.scope))
            raise Refused("Bad credentials", status=401)
        return Caller(login=login)

    async def _by_session(self, connection: HTTPConnection) -> Caller:
        counts = PAGES.fullmatch(connection.scope["path"])
        cookie = connection.cookies.get(cookie_name(self._public_url)) if counts else None
        session = None if cookie is None else await run_in_threadpool(self._sessions.of, cookie)
        if session is None:
            self._limiter.anonymous(address_of(connection.scope))
            raise Refused("Requires authentication", status=401)
        return Caller(login=session.login, csrf=session.csrf)

    async def _unmisled(self, csrf: str, scope: Scope, receive: Receive) -> dict[str, str]:
        """The form of a session's request, after showing that one of our own pages made the browser send it.

        Dagster's UI has no token of ours: there the origin and a content type that no form can have do (OWASP, Cross-Site
        Request Forgery Prevention, "Standard headers" and "Disallowing simple requests").
        """
        connection = HTTPConnection(scope)
        if scope["type"] == "http" and scope["method"] in SAFE:
            _from_nowhere_else(connection)
            return {}
        from_own_page(connection, self._public_url)
        if re.fullmatch(DAGSTER, scope["path"], re.DOTALL):
            if scope["type"] == "http" and connection.headers.get("content-type", "").partition(";")[0] != "application/json":
                raise forbidden("only JSON is taken here")
            return {}
        form = await form_of(Request(scope, receive))
        if not hmac.compare_digest(form.get("csrf", "").encode(), csrf.encode()):
            raise forbidden("this form is not from a page of yours, or too old: load the page again")
        return form


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, the first of each name. Raises Refused (400, 413)."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refused("only a form is taken here", status=400)
    body = await body_of(request, FORM_LIMIT)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=20, keep_blank_values=True)
    except ValueError as error:
        raise Refused("this is no form", status=400) from error
    return {name: values[0] for name, values in fields.items()}


def from_own_page(connection: HTTPConnection, public_url: str) -> None:
    """Raises Refused (403) unless the browser says that a page of this very origin, port included, sends the request."""
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    own = {f"{scheme}://{connection.headers.get('host', '')}"}
    if public_url:
        parts = urlsplit(public_url)
        own.add(f"{parts.scheme}://{parts.netloc}")
    if connection.headers.get("origin") not in own:
        raise forbidden("another site's page sent this request")


def _from_nowhere_else(connection: HTTPConnection) -> None:
    """Another origin may link to a page, but not load one of ours as part of its own (W3C, Fetch Metadata)."""
    site = connection.headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin") and connection.headers.get("sec-fetch-mode") != "navigate":
        raise forbidden("another site's page sent this request")


def cookie_name(public_url: str) -> str:
    """Where people come by https, `__Host-` binds the cookie to this host, the path / and https (RFC 6265bis, 4.1.3.2)."""
    return "__Host-forge" if public_url.startswith("https://") else "forge-session"


def address_of(scope: Scope) -> str:
    """The address that the connection comes from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await refusal(refused, HTTPConnection(scope))(scope, receive, send)


def refusal(refused: Refused, connection: HTTPConnection) -> Response:
    """A person's browser is led to the login and back; a program is told in GitHub's shape."""
    to_look = connection.scope["method"] in SAFE and PAGES.fullmatch(connection.scope["path"])
    browser = "text/html" in connection.headers.get("accept", "") and "authorization" not in connection.headers
    if refused.status == 401 and to_look and browser:
        path, query = connection.url.path, connection.url.query
        return RedirectResponse(f"/login?next={quote(f'{path}?{query}' if query else path, safe='')}", 303)
    return error_response(refused)
