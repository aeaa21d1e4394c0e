"""Who is calling: tokens in the Authorization header, sessions in a cookie, and bodies of bounded size."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection, Request

from forge_dagster.domain.foreign import load_json
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.refusals import Refused, forbidden
from forge_dagster.hosts.embedded.rules import Kind


class TooLarge(Refused):
    """A body above the limit (413)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes", status=413)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request. `csrf`: what the forms of the caller's pages must carry; None for a token in a header."""

    login: Login
    csrf: str | None = None

    def only(self, *kinds: Kind) -> None:
        """Raises Refused (403) for other kinds of callers."""
        if self.login.kind not in kinds:
            raise forbidden("Resource not accessible by integration")


def caller_of(connection: HTTPConnection) -> Caller:
    """The caller that the guard has let in. Raises Refused (401) where no guard stands before the route."""
    found = connection.scope.get("state", {}).get("caller")
    if not isinstance(found, Caller):
        raise Refused("Requires authentication", status=401)
    return found


def token_of(request: HTTPConnection) -> str | None:
    """The token of `Bearer`, `token` or Basic (as password, or as user name without one). None when there is none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "token"):
        return value or None
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or user or None


def root_of(request: HTTPConnection, public_url: str) -> str:
    """Address that links start with: the configured one, else the socket that took the request (never the Host header)."""
    if public_url:
        return public_url.rstrip("/")
    host, port = request.scope.get("server") or ("127.0.0.1", None)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}" if port else f"http://{name}"


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge, also for one that is sent in chunks."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(limit)
    kept = bytearray()
    async for chunk in request.stream():
        kept += chunk
        if len(kept) > limit:
            raise TooLarge(limit)
    return bytes(kept)


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one. Raises Refused (400), also for one nested too deeply to be honest."""
    if not body.strip():
        return {}
    try:
        value = load_json(body)
    except (ValueError, RecursionError) as error:
        raise Refused("Problems parsing JSON", status=400) from error
    if not isinstance(value, dict):
        raise Refused("Body should be a JSON object", status=400)
    return value
