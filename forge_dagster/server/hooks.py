"""The Unix socket on which git hooks ask what to do with a push. Only this machine's owner can reach it."""

import json
import logging
import shutil
import socketserver
import tempfile
import threading
from pathlib import Path

from forge_dagster.hosts.embedded.receive import Receiver

_LOG = logging.getLogger("forge.server.hooks")
_QUESTION_LIMIT = 16 * 1024 * 1024
_FAILED = {"refused": True, "results": [], "messages": ["", "  Forge failed to judge this push; its log says why.", ""]}


class HookSocket:
    """Listens in a private folder (short path: a Unix socket's may have 107 bytes at most), one thread per question."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._folder: Path | None = None
        self._server: _Server | None = None

    @property
    def path(self) -> Path:
        """Where to ask. Only while it is started."""
        assert self._folder is not None
        return self._folder / "socket"

    def start(self) -> None:
        """Begin to answer."""
        self._folder = Path(tempfile.mkdtemp(prefix="forge-hooks-"))
        self._server = _Server(str(self.path), _Handler)
        self._server.receiver = self._receiver
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="forge-hooks", daemon=True).start()

    def stop(self) -> None:
        """Stop and remove the socket."""
        if self._server is not None and self._folder is not None:
            self._server.shutdown()
            self._server.server_close()
            shutil.rmtree(self._folder, ignore_errors=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    receiver: Receiver


class _Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        try:
            question = json.loads(self.rfile.readline(_QUESTION_LIMIT))
            answer = server.receiver.answer(question)
        except Exception:  # noqa: BLE001 - whatever went wrong, the push must be refused and not hang
            _LOG.exception("a push could not be judged")
            answer = _FAILED
        self.wfile.write(json.dumps(answer).encode())
