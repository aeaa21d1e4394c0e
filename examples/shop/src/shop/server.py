"""The HTTP server around the pages: ends open requests before it stops."""

import argparse
import signal
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shop.pages import JSON, Answer, answer


class Handler(BaseHTTPRequestHandler):
    """Answers GET requests from `shop.pages`."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = 64 * 1024  # head and body leave in one packet

    def do_GET(self) -> None:
        """Send the page's answer; a fault in a page is a 500, not a cut connection."""
        try:
            found = answer(self.path)
        except Exception as error:
            self.log_error("%s: %r", self.path, error)
            found = Answer(500, JSON, '{"error": "internal error"}')
        body = found.body.encode()
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that went well: the proxy in front counts them."""


class Server(ThreadingHTTPServer):
    """One thread a request; `server_close` does not wait for idle kept-alive connections."""

    daemon_threads = True
    request_queue_size = 128


def build_server(port: int) -> Server:
    """A server on loopback; port 0 lets the system choose."""
    return Server(("127.0.0.1", port), Handler)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="shop")
    parser.add_argument("--port", type=int, default=8000)
    server = build_server(parser.parse_args(arguments).port)

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with server:
        server.serve_forever(poll_interval=0.1)
