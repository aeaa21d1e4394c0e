"""The webhook receiver: what it acknowledges is stored; what is forged, oversized or unreadable leaves no row."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from forge_dagster.domain.foreign import load_json
from forge_dagster.errors import ConfigurationError, LedgerError
from forge_dagster.ports import Clock, Ledger

KNOWN = frozenset({"pull_request", "push", "pull_request_review"})
"""Events that Forge acts on; any other is answered 202 without being stored."""

MAX_DEPTH = 64
"""Nesting of a payload; GitHub's own go to about 10."""

_DELIVERY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")
_SIGNATURE = "x-hub-signature-256"


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def routes(*, ledger: Ledger, secrets: Mapping[str, str], body_limit: int, clock: Clock) -> list[Route]:
    """`POST /webhooks/{host}` for each host in `secrets` (host name -> webhook secret). `body_limit` in bytes.

    Raises ConfigurationError for an empty secret, with which anybody could sign.
    """
    for name, secret in secrets.items():
        if not secret:
            raise ConfigurationError(f"the webhook secret of host {name} is empty", hint="write one into webhook_secret_file")
    receiver = _Receiver(ledger=ledger, secrets=dict(secrets), body_limit=body_limit, clock=clock)
    return [Route("/webhooks/{host}", receiver.answer, methods=["POST"])]


class _Receiver:
    def __init__(self, *, ledger: Ledger, secrets: dict[str, str], body_limit: int, clock: Clock) -> None:
        self._ledger = ledger
        self._secrets = secrets
        self._body_limit = body_limit
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        """202 once the event is stored (or needs no storing); else one clear message."""
        try:
            return await self._receive(request)
        except _Refused as refused:
            return JSONResponse({"message": str(refused)}, status_code=refused.status)
        except LedgerError:
            message = "the event could not be stored and is not acknowledged: send it again"
            return JSONResponse({"message": message}, status_code=503, headers={"Retry-After": "30"})
        except ClientDisconnect:
            return Response(status_code=400)

    async def _receive(self, request: Request) -> Response:
        host = request.path_params["host"]
        secret = self._secrets.get(host)
        if secret is None:
            raise _Refused(404, "there is no such host")
        body = await self._body(request)
        _verify(secret, body, request.headers.get(_SIGNATURE, ""))
        name = request.headers.get("x-github-event", "")
        if name == "ping":
            return JSONResponse({"message": "pong"}, status_code=202)
        if name not in KNOWN:
            return JSONResponse({"ignored": True}, status_code=202)
        delivery = request.headers.get("x-github-delivery", "")
        if not _DELIVERY.fullmatch(delivery):
            raise _Refused(400, "X-GitHub-Delivery is missing or no delivery id")
        return await run_in_threadpool(self._store, host=host, name=name, delivery=delivery, body=body)

    async def _body(self, request: Request) -> bytes:
        """The raw body, never more than the limit of it."""
        too_large = _Refused(413, f"the body is larger than {self._body_limit} bytes")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._body_limit:
            raise too_large
        received = bytearray()
        async for chunk in request.stream():
            received += chunk
            if len(received) > self._body_limit:
                raise too_large
        return bytes(received)

    def _store(self, *, host: str, name: str, delivery: str, body: bytes) -> Response:
        payload = _parse(body)
        repository = payload.get("repository")
        full_name = repository.get("full_name") if isinstance(repository, dict) else None
        if not isinstance(full_name, str) or not _REPOSITORY.fullmatch(full_name):
            raise _Refused(400, "the payload names no repository (repository.full_name)")
        action = payload.get("action", "")
        if not isinstance(action, str) or len(action) > 100 or not action.isascii():
            raise _Refused(400, "the payload's action is no word")
        fresh = self._ledger.receive(
            delivery=delivery,
            host=host,
            name=name,
            action=action,
            repository=full_name,
            payload=payload,
            at=self._clock.now(),
        )
        return JSONResponse({"stored": True} if fresh else {"duplicate": True}, status_code=202)


def _verify(secret: str, body: bytes, signature: str) -> None:
    """GitHub's signature: HMAC-SHA256 over the raw bytes (docs.github.com, "Validating webhook deliveries")."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise _Refused(401, "the signature is missing or wrong: check the webhook's secret")


def _parse(body: bytes) -> dict[str, Any]:
    try:
        payload = load_json(body)
    except (ValueError, RecursionError):
        raise _Refused(400, "the body is not JSON: set the webhook's content type to application/json") from None
    if not isinstance(payload, dict):
        raise _Refused(400, "the body is not a JSON object")
    if _depth_exceeds(payload, MAX_DEPTH):
        raise _Refused(400, f"the payload is nested deeper than {MAX_DEPTH} levels")
    return payload


def _depth_exceeds(value: object, limit: int) -> bool:
    """Whether objects and lists lie in each other more than `limit` deep; without recursion, whatever comes."""
    level = [value]
    for _ in range(limit):
        inner: list[object] = []
        for one in level:
            inner.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        level = [one for one in inner if isinstance(one, (dict, list))]
        if not level:
            return False
    return True
