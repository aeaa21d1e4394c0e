"""Talks to supervisord: its XML-RPC interface (supervisord.org/api.html) over a Unix socket."""

import socket
import xmlrpc.client
from http.client import HTTPConnection, HTTPException
from typing import Any

from forge_dagster.errors import PlatformError


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__()
        self._path, self._timeout_s = path, timeout_s

    def make_connection(self, host: Any) -> HTTPConnection:
        del host
        return _UnixConnection(self._path, self._timeout_s)


def call_supervisor(socket_path: str, method: str, *arguments: Any, timeout_s: float) -> Any:
    """Call `supervisor.<method>`. Raises PlatformError: refused (the message holds supervisor's fault name), or no answer."""
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(socket_path, timeout_s))
    try:
        with proxy:
            return getattr(proxy.supervisor, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        raise PlatformError(f"supervisord refused {method}{arguments}: {fault.faultString}") from fault
    except (OSError, HTTPException, xmlrpc.client.Error) as error:
        raise PlatformError(f"supervisord does not answer on {socket_path}: {error}", hint="`forge up` starts it") from error
