"""Browsers log in with a token, or with a link that works once (`forge up` prints one), and log out."""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from forge_dagster.hosts.embedded.refusals import Refused, forbidden
from forge_dagster.hosts.embedded.sessions import SESSION_S, Sessions
from forge_dagster.server.guard import address_of, cookie_name, form_of, from_own_page
from forge_dagster.server.pages import page
from forge_dagster.server.rates import Limiter

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""A path on this server: no second slash or backslash, which browsers take for another host, and no control characters."""


class LoginPages:
    """`/login` and `/logout`."""

    def __init__(self, *, sessions: Sessions, limiter: Limiter, public_url: str) -> None:
        self._sessions = sessions
        self._limiter = limiter
        self._public_url = public_url

    def routes(self) -> list[Route]:
        """Both."""
        return [
            Route("/login", self._ask, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    async def _ask(self, request: Request) -> Response:
        """The form. A link's ticket is used by its button, not by looking at it: programs that preview links look too."""
        ticket = request.query_params.get("ticket", "")[:100]
        return page(request, "login.html", ticket=ticket, next=local_path(request.query_params.get("next", "")), problem="")

    async def _log_in(self, request: Request) -> Response:
        try:
            from_own_page(request, self._public_url)
            self._limiter.login(address_of(request.scope))
            form = await form_of(request)
            goal = local_path(form.get("next", ""))
            cookie = await run_in_threadpool(self._cookie, form)
        except Refused as refused:
            headers = {} if refused.retry_after_s is None else {"Retry-After": f"{refused.retry_after_s:.0f}"}
            shown = page(request, "login.html", ticket="", next="/", problem=refused.message, status=refused.status or 400)
            shown.headers.update(headers)
            return shown
        former = request.cookies.get(cookie_name(self._public_url))
        if former:
            await run_in_threadpool(self._sessions.end, former)
        answer = RedirectResponse(goal, 303)
        self._set_cookie(answer, cookie, max_age=int(SESSION_S))
        return answer

    def _cookie(self, form: dict[str, str]) -> str:
        """Of a new session: whatever cookie the browser had before is worth nothing. Raises Refused (401)."""
        ticket, token = form.get("ticket", ""), form.get("token", "").strip()
        cookie = self._sessions.redeem(ticket) if ticket else self._sessions.open(token)
        if cookie is None:
            what = (
                "this link was used, or is too old: forge up prints a new one"
                if ticket
                else "no token of an operator or reader"
            )
            raise Refused(what, status=401)
        return cookie

    async def _log_out(self, request: Request) -> Response:
        cookie = request.cookies.get(cookie_name(self._public_url))
        if cookie is None:
            raise forbidden("there is no session to end")
        await run_in_threadpool(self._sessions.end, cookie)
        answer = RedirectResponse("/login", 303)
        self._set_cookie(answer, "", max_age=0)
        return answer

    def _set_cookie(self, answer: Response, value: str, *, max_age: int) -> None:
        """Lax, not Strict: a link to a run in a pull request's comment is to work."""
        name = cookie_name(self._public_url)
        answer.set_cookie(
            name, value, max_age=max_age, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="lax"
        )


def local_path(text: str) -> str:
    """Where to go after the login: a path on this server, else the first page."""
    return text if len(text) <= 2_000 and _LOCAL.fullmatch(text) else "/"
