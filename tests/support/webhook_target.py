"""A receiver of webhooks that keeps what it gets, and the schemas that GitHub's own bodies follow (npm)."""

import functools
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft7Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.npm import npm_packages
from tests.support.serving import serving
from tests.support.waiting import wait_until

SECRET = "a secret of this test"


@dataclass
class Target:
    """What arrived. `answers`: statuses to give, one after the other; then 202."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[Mapping[str, str], dict[str, Any]]] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        wanted = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(request.headers["x-hub-signature-256"], wanted)
        self.got.append((dict(request.headers), json.loads(body)))
        return Response(status_code=self.answers.pop(0) if self.answers else 202)

    @property
    def names(self) -> list[str]:
        """`event` or `event.action`, in order."""
        return [".".join(filter(None, (headers["x-github-event"], body.get("action")))) for headers, body in self.got]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """Body of the newest event of this name, once there are `count` of them."""
        wait_until(lambda: self.names.count(name) >= count, timeout_s=60)
        return next(body for found, (_, body) in zip(self.names[::-1], self.got[::-1], strict=True) if found == name)


@contextmanager
def webhook_target() -> Iterator[Target]:
    target = Target()
    with serving(Starlette(routes=[Route("/hook", target.receive, methods=["POST"])])) as url:
        target.url = f"{url}/hook"
        yield target


@functools.cache
def _definitions() -> dict[str, Any]:
    schema = npm_packages() / "node_modules/@octokit/webhooks-schemas/schema.json"
    return dict(json.loads(schema.read_bytes())["definitions"])


def schema_errors(event: str, body: Mapping[str, Any]) -> list[str]:
    """What GitHub's schema of the event holds against a body; `event` such as push or pull_request.opened."""
    name = event.replace(".", "$") if "." in event else f"{event}$event"
    validator = Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": _definitions()})
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(body)]


def github_example(event: str) -> dict[str, Any]:
    """A body that GitHub itself sent."""
    index = npm_packages() / "node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    name, _, action = event.partition(".")
    entry = next(one for one in json.loads(index.read_bytes()) if one["name"] == name)
    return dict(next(one for one in entry["examples"] if one.get("action", "") == action))
