"""Talking to a GitHub-shaped REST API: authentication, pages, conditional requests, limits. Knows no use case.

Waiting follows docs.github.com, "Best practices for using the REST API": `retry-after`, else `x-ratelimit-reset`, else at
least a minute, doubling. Long waits are not slept here: they are told by `HostError.retry_after_s`, and the outbox waits.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import stamina
from pydantic import BaseModel, TypeAdapter, ValidationError

from forge_dagster.errors import HostError

Model = TypeVar("Model", bound=BaseModel)

WRITE_INTERVAL_S = 1.0
"""Seconds between two writes to github.com (same source)."""
_MINUTE_S = 60.0
_LONGEST_S = 3_600.0
_CACHED = 512
_PAGES = 100
_SERVER_TROUBLE = (500, 502, 503, 504)


class _Trouble(Exception):
    """A reading request that may work if tried again at once."""

    def __init__(self, error: HostError) -> None:
        super().__init__(str(error))
        self.error = error


class GitHubClient:
    """One API root and one token source. Thread-safe. Every call raises HostError; no message ever holds the token."""

    def __init__(
        self,
        *,
        api_url: str,
        token: Callable[[], str],
        client: httpx.Client | None = None,
        write_interval_s: float | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tries: int = 3,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self._token = token
        self._client = client or httpx.Client(timeout=httpx.Timeout(30.0, connect=10.0), trust_env=True)
        on_github = urlsplit(self.api_url).hostname == "api.github.com"
        self._interval_s = write_interval_s if write_interval_s is not None else WRITE_INTERVAL_S if on_github else 0.0
        self._now = now
        self._sleep = sleep
        self._tries = tries
        self._write_lock = threading.Lock()
        self._next_write = 0.0
        self._limited = 0
        self._known: OrderedDict[str, httpx.Response] = OrderedDict()
        self._known_lock = threading.Lock()

    # --- reading

    def get(self, path: str, model: type[Model], **query: str | int) -> Model:
        """One object."""
        return self.read(self._read(self._url(path, query)), model)

    def get_or_none(self, path: str, model: type[Model], **query: str | int) -> Model | None:
        """One object, None when there is none (404)."""
        try:
            return self.get(path, model, **query)
        except HostError as error:
            if error.status == 404:
                return None
            raise

    def each(self, path: str, model: type[Model], *, key: str | None = None, **query: str | int) -> Iterator[Model]:
        """Items of all pages, by the Link header; `key`: the field that holds them. Stops after 100 pages."""
        adapter = TypeAdapter(list[model])  # type: ignore[valid-type]
        url = self._url(path, {"per_page": 100, **query})
        for _ in range(_PAGES):
            answer = self._read(url)
            page = _json(answer)
            yield from _checked(adapter, page.get(key) if key and isinstance(page, dict) else page, url)
            following = answer.links.get("next", {}).get("url")
            if following is None:
                return
            if urlsplit(following)[:2] != urlsplit(self.api_url)[:2]:
                raise HostError("the host sent a next page at another address, which would get the token", status=502)
            url = following

    def _read(self, url: str) -> httpx.Response:
        try:
            for attempt in stamina.retry_context(
                on=_Trouble, attempts=self._tries, wait_initial=0.2, wait_max=2.0, timeout=20.0
            ):
                with attempt:
                    return self._read_once(url)
        except _Trouble as trouble:
            raise trouble.error from None
        raise AssertionError("a retry loop ends by return or raise")

    def _read_once(self, url: str) -> httpx.Response:
        """GET, conditional on what was read before: an unchanged answer (304) costs nothing of the rate limit."""
        with self._known_lock:
            known = self._known.get(url)
        headers = {"If-None-Match": known.headers["etag"]} if known is not None else {}
        try:
            answer = self._send("GET", url, headers=headers)
        except HostError as error:
            if error.retry_after_s is None and (error.status is None or error.status in _SERVER_TROUBLE):
                raise _Trouble(error) from None
            raise
        if answer.status_code == 304 and known is not None:
            return known
        if "etag" in answer.headers:
            with self._known_lock:
                self._known[url] = answer
                self._known.move_to_end(url)
                while len(self._known) > _CACHED:
                    self._known.popitem(last=False)
        return answer

    # --- writing

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Change something; never repeated here, since whether it took effect may be unknown."""
        with self._write_lock:
            if self._interval_s:
                wait = self._next_write - self._now()
                if 0 < wait <= self._interval_s:
                    self._sleep(wait)
                self._next_write = self._now() + self._interval_s
            return self._send(method, self._url(path, {}), json=dict(body))

    def read(self, answer: httpx.Response, model: type[Model]) -> Model:
        """An answer's body as `model`."""
        return cast(Model, _checked(TypeAdapter(model), _json(answer), str(answer.url.path)))

    def _url(self, path: str, query: Mapping[str, str | int]) -> str:
        return str(httpx.URL(f"{self.api_url}{path}", params=dict(query))) if query else f"{self.api_url}{path}"

    def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, json: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        what = f"{method} {urlsplit(url).path}"
        all_headers = {
            "Authorization": f"Bearer {self._token()}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "forge-dagster",
            **(headers or {}),
        }
        try:
            answer = self._client.request(method, url, headers=all_headers, json=json, follow_redirects=method == "GET")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = f"check that {self.api_url} can be reached from here"
            raise HostError(f"{what}: no answer ({type(error).__name__})", hint=hint) from None
        if answer.status_code < 300 or answer.status_code == 304:
            self._limited = 0
            return answer
        raise self._error(what, answer)

    def _error(self, what: str, answer: httpx.Response) -> HostError:
        status = answer.status_code
        try:
            body = answer.json()
            said = str(body.get("message", "")) if isinstance(body, dict) else ""
        except ValueError:
            said = ""
        wait = self._wait(answer, said)
        hint = _HINTS.get(status, "") if wait is None else f"rate limited: next try in {wait:.0f} s"
        return HostError(f"{what}: HTTP {status} {said[:300]}".rstrip(), hint=hint, status=status, retry_after_s=wait)

    def _wait(self, answer: httpx.Response, said: str) -> float | None:
        """Seconds to keep away, None where nothing asks for it."""
        after, left = answer.headers.get("retry-after", ""), answer.headers.get("x-ratelimit-remaining")
        reset = answer.headers.get("x-ratelimit-reset", "")
        limited = answer.status_code == 429 or (
            answer.status_code == 403 and (left == "0" or bool(after) or "rate limit" in said.lower())
        )
        if after.isdigit() and (limited or answer.status_code in _SERVER_TROUBLE):
            return max(float(after), 1.0)
        if not limited:
            return None
        if left == "0" and reset.isdigit():
            return max(float(reset) - self._now(), 1.0)
        self._limited = min(self._limited + 1, 10)
        return min(_MINUTE_S * 2.0 ** (self._limited - 1), _LONGEST_S)


_HINTS = {
    401: "the token is wrong, expired or revoked: give a new one",
    403: "the token lacks a permission (check runs need a GitHub App; merging needs Contents: write)",
    404: "no such thing, or the token may not see the repository",
}


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise HostError(f"{answer.url.path}: the answer is not JSON", status=502) from error


def _checked(adapter: TypeAdapter[Any], value: Any, where: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise HostError(f"{where}: the answer lacks what Forge needs ({place}: {first['msg']})", status=502) from None
