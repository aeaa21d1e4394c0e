"""The REST face of the embedded host: what every GitHub-shaped call has in common. Calls themselves are in `rest_*`."""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from forge_dagster.errors import ForgeError
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.git import BareRepository
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import Refused, forbidden, not_found
from forge_dagster.hosts.embedded.rules import KINDS, Kind
from forge_dagster.hosts.embedded.shapes import api
from forge_dagster.server.access import body_of, caller_of, parsed, root_of

_LOG = logging.getLogger("forge.server.rest")
WRITERS: tuple[Kind, ...] = ("agent", "operator", "forge")
PEOPLE: tuple[Kind, ...] = ("operator", "forge")
FORGE: tuple[Kind, ...] = ("forge",)
"""Kinds of tokens that a call may be open to, besides KINDS, which is all."""
BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request: 50 annotations with their texts fit well."""
PER_PAGE = 30
MAX_PER_PAGE = 100

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call returns."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request. `path`, `query` and `body` are untrusted text and values."""

    host: EmbeddedHost
    by: Login
    root: str
    url: str
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: dict[str, Any]

    @property
    def repository(self) -> Repository:
        """The repository in the path. Raises Refused (404), also where the token does not open it."""
        full_name = f"{self.path['owner']}/{self.path['repo']}"
        if not self.by.opens(full_name):
            raise not_found()
        return self.host.repository(full_name)

    @property
    def git(self) -> BareRepository:
        """Its git."""
        return self.host.git(self.repository)

    @property
    def number(self) -> int:
        """Number of the pull request in the path."""
        return int(self.path["number"])

    def parse(self, model: type[Body]) -> Body:
        """The body as `model`. Raises Refused (422)."""
        try:
            return model.model_validate(self.body)
        except ValidationError as error:
            errors = tuple(
                {"resource": model.__name__, "field": ".".join(map(str, e["loc"])), "code": "invalid", "message": e["msg"]}
                for e in error.errors(include_input=False, include_url=False)[:20]
            )
            raise Refused(f"Validation Failed: {errors[0]['field']}: {errors[0]['message']}", errors=errors) from None

    @property
    def page(self) -> tuple[int, int]:
        """(offset, limit) as `page` and `per_page` say; nonsense counts as absent, as GitHub does it."""
        limit = min(max(_number(self.query.get("per_page"), PER_PAGE), 1), MAX_PER_PAGE)
        return (max(_number(self.query.get("page"), 1), 1) - 1) * limit, limit

    def listed(self, items: Sequence[Any], total: int | None = None, *, key: str | None = None) -> Answer:
        """One page of `items` (of the whole list, unless `total` says that they are a page already), with Link headers."""
        offset, limit = self.page
        shown = items[offset : offset + limit] if total is None else items
        count = len(items) if total is None else total
        body = shown if key is None else {"total_count": count, key: shown}
        return Answer(body=body, headers=_links(self.url, self.query, offset // limit + 1, limit, count))


Handler = Callable[[Call], Answer]


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else default


def _links(url: str, query: Mapping[str, str], page: int, limit: int, total: int) -> dict[str, str]:
    """RFC 8288, as GitHub's pagination describes it."""
    last = max((total + limit - 1) // limit, 1)
    wanted = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    shown = {
        rel: number
        for rel, number in wanted.items()
        if 1 <= number <= last and ((number > page) if rel in ("next", "last") else (number < page))
    }
    links = [f'<{url}?{urlencode({**query, "page": number, "per_page": limit})}>; rel="{rel}"' for rel, number in shown.items()]
    return {"Link": ", ".join(links)} if links else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestApi:
    """Binds calls to routes below `/api/v3`."""

    host: EmbeddedHost
    public_url: str = ""
    body_limit: int = BODY_LIMIT

    def route(self, method: str, path: str, handler: Handler, *, allow: tuple[Kind, ...] | None = None) -> Route:
        """One call, open to tokens of the kinds in `allow`; by default all may GET, and all but readers may do the rest."""
        allowed = allow or (KINDS if method == "GET" else WRITERS)

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, handler, allowed)

        return Route(f"/api/v3{path}", endpoint, methods=[method], name=f"{method} {path}")

    async def _answer(self, request: Request, handler: Handler, allowed: tuple[Kind, ...]) -> Response:
        try:
            caller = caller_of(request)
            if caller.login.kind not in allowed:
                read = caller.login.kind == "read" and request.method not in ("GET", "HEAD")
                raise forbidden("this token may only read" if read else "Resource not accessible by integration")
            body = parsed(await body_of(request, self.body_limit)) if request.method not in ("GET", "HEAD") else {}
            root = root_of(request, self.public_url)
            call = Call(
                host=self.host,
                by=caller.login,
                root=root,
                url=f"{api(root)}{request.url.path.removeprefix('/api/v3')}",
                path=request.path_params,
                query=dict(request.query_params),
                body=body,
            )
            return _tagged(request, await run_in_threadpool(handler, call))
        except Refused as refused:
            return error_response(refused)
        except ForgeError as problem:
            _LOG.error("%s %s: %s", request.method, request.url.path, problem)
            return error_response(Refused("Server Error", status=500))


def _tagged(request: Request, answer: Answer) -> Response:
    """With an ETag; 304 where the client has this very answer already."""
    if answer.status == 204:
        return Response(status_code=204)
    content = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = dict(answer.headers)
    if request.method == "GET":
        headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
    return Response(content, answer.status, headers, media_type="application/json; charset=utf-8")


def error_response(refused: Refused) -> JSONResponse:
    """GitHub's error body."""
    status = refused.status or 500
    body: dict[str, Any] = {
        "message": refused.message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }
    if refused.errors:
        body["errors"] = list(refused.errors)
    headers = {"WWW-Authenticate": 'Basic realm="Forge"'} if status == 401 else {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(refused.retry_after_s))
    return JSONResponse(body, status, headers)
