"""git's smart HTTP protocol: `git http-backend` behind authentication, with pushes judged by the host's hooks."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from forge_dagster.errors import HostError, WorkspaceError
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.host import PUSH_LIMIT, EmbeddedHost, Repository
from forge_dagster.hosts.embedded.receive import Push, Receiver
from forge_dagster.hosts.embedded.refusals import not_found
from forge_dagster.server.access import TooLarge, caller_of, root_of
from forge_dagster.server.hooks import HookSocket
from forge_dagster.workspace.cgi import CgiHead, CgiProcess

_LOG = logging.getLogger("forge.server.git")
_SERVICES = ("git-upload-pack", "git-receive-pack")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitBackend:
    """What the git routes need. `body_limit` in bytes, `time_limit_s` for one fetch or push."""

    host: EmbeddedHost
    receiver: Receiver
    sockets: HookSocket
    public_url: str = ""
    body_limit: int = PUSH_LIMIT
    time_limit_s: float = 1_800.0

    def routes(self) -> list[Route]:
        """`/<owner>/<name>[.git]/...`; only the smart protocol, nothing is served as a plain file."""
        paths = ("/{owner}/{name}/info/refs", *(f"/{{owner}}/{{name}}/{service}" for service in _SERVICES))
        return [Route(path, self._serve, methods=["GET"] if "info" in path else ["POST"]) for path in paths]

    async def _serve(self, request: Request) -> Response:
        last = request.url.path.rpartition("/")[2]
        service = request.query_params.get("service", "") if last == "refs" else last
        if service not in _SERVICES:
            return PlainTextResponse("only git's smart protocol is served here\n", 403)
        login = caller_of(request).login
        if service == "git-receive-pack" and login.kind == "read":
            return PlainTextResponse("this token may only read\n", 403)
        full_name = f"{request.path_params['owner']}/{request.path_params['name'].removesuffix('.git')}"
        try:
            if not login.opens(full_name):
                raise not_found()
            repository = await run_in_threadpool(self.host.repository, full_name)
        except HostError:
            return PlainTextResponse("no such repository\n", 404)
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.body_limit:
            return PlainTextResponse(f"a push may have {self.body_limit} bytes at most\n", 413)
        return await self._run(request, repository, login, "info/refs" if last == "refs" else service)

    async def _run(self, request: Request, repository: Repository, login: Login, rest: str) -> Response:
        root = root_of(request, self.public_url)
        key = self.receiver.begin(Push(repository=repository, login=login, root=root))
        process = CgiProcess(
            ("git", "http-backend"),
            cwd=repository.path,
            environment=self._environment(request, repository, login, rest, key),
            time_limit_s=self.time_limit_s,
        )
        try:
            head = await process.start(_bounded(request, self.body_limit))
            await process.settle()
            if process.failure is not None:
                raise process.failure
        except BaseException as problem:
            await self._end(process, key)
            if isinstance(process.failure, TooLarge):
                return PlainTextResponse(f"{process.failure.message}\n", 413)
            if isinstance(process.failure, ClientDisconnect):
                return PlainTextResponse("", 400)  # nobody reads it
            if not isinstance(problem, WorkspaceError):
                raise
            _LOG.warning("%s", problem)
            return PlainTextResponse("git failed\n", 500)
        return _GitAnswer(process, head, lambda: self._end(process, key))

    async def _end(self, process: CgiProcess, key: str) -> None:
        try:
            await process.__aexit__()
        finally:
            self.receiver.end(key)

    def _environment(self, request: Request, repository: Repository, login: Login, rest: str, key: str) -> dict[str, str]:
        given = {
            "CONTENT_TYPE": request.headers.get("content-type"),
            "CONTENT_LENGTH": request.headers.get("content-length"),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding"),
            "GIT_PROTOCOL": request.headers.get("git-protocol"),
        }
        return {
            "GIT_PROJECT_ROOT": str(self.host.folder / "repositories"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": os.devnull,
            "LC_ALL": "C.UTF-8",
            "PATH_INFO": f"/{repository.full_name}.git/{rest}",
            "QUERY_STRING": request.url.query,
            "REQUEST_METHOD": request.method,
            "REMOTE_USER": login.login,
            "REMOTE_ADDR": request.client.host if request.client else "",
            "FORGE_HOOK_SOCKET": str(self.sockets.path),
            "FORGE_PUSH": key,
            **{name: value for name, value in given.items() if value is not None},
        }


class _GitAnswer(Response):
    """Passes git's answer on. Not a StreamingResponse: that one reads the request too, and git's answer may begin before
    the end of the request's body, whose chunks would then be lost."""

    def __init__(self, process: CgiProcess, head: CgiHead, close: Callable[[], Awaitable[None]]) -> None:
        super().__init__(status_code=head.status)
        self._process = process
        self._close = close
        self.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.headers]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        watch = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self._process.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watch.cancel()
            await self._close()
            if self._process.complaint:
                _LOG.info("git http-backend: %s", self._process.complaint)

    async def _watch(self, receive: Receive) -> None:
        """Once the body is through, the next thing to come is that the client has gone."""
        await self._process.fed.wait()
        while (await receive())["type"] != "http.disconnect":
            pass
        self._process.terminate()


async def _bounded(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The request's body. Raises TooLarge beyond `limit` bytes and ClientDisconnect."""
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise TooLarge(limit)
        yield chunk
