"""Holds requests and responses against GitHub's own OpenAPI description (npm `@octokit/openapi`)."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from filelock import FileLock
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.support.npm import cache_folder, npm_packages

REPO = "/repos/{owner}/{repo}"
PATHS = (
    REPO,
    *(
        f"{REPO}/{path}"
        for path in (
            "branches/{branch}",
            "check-runs",
            "check-runs/{check_run_id}",
            "check-runs/{check_run_id}/annotations",
            "commits/{ref}",
            "commits/{ref}/check-runs",
            "commits/{ref}/status",
            "compare/{basehead}",
            "contents/{path}",
            "deployments",
            "deployments/{deployment_id}/statuses",
            "git/ref/{ref}",
            "git/refs",
            "git/refs/{ref}",
            "issues/comments/{comment_id}",
            "issues/{issue_number}/comments",
            "issues/{issue_number}/labels",
            "pulls",
            "pulls/{pull_number}",
            "pulls/{pull_number}/commits",
            "pulls/{pull_number}/files",
            "pulls/{pull_number}/merge",
            "pulls/{pull_number}/reviews",
            "statuses/{sha}",
        )
    ),
    "/app/hook/deliveries",
    "/app/hook/deliveries/{delivery_id}/attempts",
    "/rate_limit",
    "/user",
    "/user/repos",
)
_LAST = re.compile(r"^(/repos/[^/]+/[^/]+/(?:git/refs?|commits|contents|branches|compare)/)(.+?)(/check-runs|/status)?$")


def _trimmed() -> dict[str, Any]:
    """The description with only PATHS and what they refer to: 13 MB take minutes to index, this takes seconds."""
    source = npm_packages() / "node_modules/@octokit/openapi/generated/api.github.com.json"
    digest = hashlib.sha256("\0".join(PATHS).encode()).hexdigest()[:12]
    kept = cache_folder() / f"{npm_packages().name}-openapi-{digest}.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            whole = json.loads(source.read_bytes())
            small = {name: whole[name] for name in ("openapi", "info")}
            small["paths"] = {path: whole["paths"][path] for path in PATHS}
            small["components"] = {}
            _take(small["paths"], whole, small["components"])
            fresh = kept.with_suffix(".new")
            fresh.write_text(json.dumps(small), "utf-8")
            fresh.replace(kept)
    return dict(json.loads(kept.read_bytes()))


def _take(part: Any, whole: Mapping[str, Any], components: dict[str, Any]) -> None:
    """Copy every component that `part` refers to, and theirs. Examples are left out: nothing is validated by them."""
    todo = [part]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict):
            value.pop("examples", None)
            if "mapping" in value.get("discriminator", {}):  # of no use where one alternative is a list
                del value["discriminator"]
            if value.get("nullable") and "oneOf" in value:  # OpenAPI 3.0.3 lets null through only beside a `type`
                value["oneOf"].append({"type": "object", "nullable": True, "enum": [None]})
            if value.get("nullable") and None not in value.get("enum", [None]):  # and not past an enumeration
                value["enum"].append(None)
            target = value.get("$ref")
            if isinstance(target, str):
                _, _, kind, name = target.split("/")
                if name not in components.setdefault(kind, {}):
                    components[kind][name] = whole["components"][kind][name]
                    todo.append(components[kind][name])
            todo += [v for k, v in value.items() if k != "example"]


@functools.cache
def github_api() -> OpenAPI:
    """Loaded once per test session."""
    spec = _trimmed()
    spec["servers"] = [{"url": "http://github.test/api/v3"}]
    config = Config(spec_validator_cls=None, extra_format_validators={"uri": _is_address})
    return OpenAPI.from_dict(spec, config=config)


def _is_address(value: object) -> bool:
    """GitHub's "uri" is looser than RFC 3986: an empty one is its own default, and templates such as `{/sha}` occur."""
    return not value or (isinstance(value, str) and urlsplit(value).scheme in ("http", "https", "git", "ssh"))


@dataclass
class _Request:
    """openapi-core's protocol for requests."""

    method: str
    path: str
    body: bytes | None
    content_type: str
    parameters: RequestParameters
    host_url: str = "http://github.test"


@dataclass
class _Response:
    """openapi-core's protocol for responses."""

    status_code: int
    data: bytes
    content_type: str
    headers: Mapping[str, str]


def _request(request: httpx.Request) -> _Request:
    path = urlsplit(str(request.url)).path.removeprefix("/api/v3")
    found = _LAST.match(path)
    if found is not None:  # names with slashes fill one path parameter
        path = found[1] + found[2].replace("/", "%2F") + (found[3] or "")
    query = ImmutableMultiDict(request.url.params.multi_items())
    parameters = RequestParameters(query=query, header=Headers(list(request.headers.items())))
    return _Request(request.method.lower(), f"/api/v3{path}", request.content or None, "application/json", parameters)


@dataclass
class DescribedTransport(httpx.BaseTransport):
    """Sends requests on and validates each request and its response. `seen`: (method, operation, status) that held."""

    inner: httpx.BaseTransport
    seen: set[tuple[str, str, int]] = field(default_factory=set)
    wrong_requests: bool = False
    """True: requests may be wrong on purpose, only responses must fit."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        response.read()
        api, asked = github_api(), _request(request)
        if not self.wrong_requests:
            api.validate_request(asked)
        answered = _Response(response.status_code, response.content, "application/json", dict(response.headers))
        try:
            api.validate_response(asked, answered)
        except ResponseNotFound:
            assert response.status_code in UNDESCRIBED, (request.method, str(request.url), response.status_code)
            assert response.status_code == 304 or {"message", "documentation_url"} <= set(response.json())
        self.seen.add((request.method, asked.path.removeprefix("/api/v3"), response.status_code))
        return response

    def close(self) -> None:
        self.inner.close()


UNDESCRIBED = (304, 400, 401, 403, 404, 413, 422)
"""Statuses that GitHub sends for many operations without describing them there; then the body must be its basic error."""
