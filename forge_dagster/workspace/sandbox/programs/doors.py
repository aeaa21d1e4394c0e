"""Opens doors between a network namespace and what is outside of it, then becomes the command that they are for.

Run as `doors.py DOOR... -- COMMAND...`, outside of a sandbox and inside of it. A door is one of

    in:PORT=SOCKET      connections to PORT on loopback go to the Unix socket SOCKET
    out:SOCKET=PORT     connections to SOCKET go to PORT on loopback
    served:PORT=SOCKET  as `in`, from when SOCKET is there
    serving:SOCKET=PORT as `out`, from when something listens on PORT: only then is SOCKET made
    registry:SOCKET=HOSTS  a proxy (RFC 9110, CONNECT and absolute forms) at SOCKET to HOSTS ("host:port,host:port") alone

The doors are kept by a child in the same process group, for as long as the command lives; when it cannot open one, it ends the
command.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

TYPE_CHECKING = False  # without `typing`, which takes longer to import than all that is done here
if TYPE_CHECKING:
    from urllib.parse import SplitResult

_POLL_S = 0.02
_LIFE_POLL_S = 0.25
_HEAD_LIMIT = 64 * 1024
_AT_ONCE = 256
_CONNECT_S = 30.0
Connect = Callable[[], socket.socket]


def _to_port(port: int) -> Connect:
    def connect() -> socket.socket:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_S)
        except OSError:
            return socket.create_connection(("::1", port), timeout=_CONNECT_S)

    return connect


def _to_socket(path: str) -> Connect:
    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(path)
        return made

    return connect


def _on_port(port: int) -> list[socket.socket]:
    """Loopback of both kinds; the second is not everywhere."""
    listening = [socket.create_server(("127.0.0.1", port), backlog=_AT_ONCE)]
    with contextlib.suppress(OSError):
        listening.append(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=_AT_ONCE))
    return listening


def _on_socket(path: str) -> list[socket.socket]:
    listening = socket.socket(socket.AF_UNIX)
    partial = f"{path}.new"
    listening.bind(partial)
    os.chmod(partial, 0o600)  # noqa: PTH101
    if os.geteuid() == 0:  # a container's user is another, whom the folder was given to
        owner = os.stat(os.path.dirname(path))  # noqa: PTH116, PTH120
        os.chown(partial, owner.st_uid, owner.st_gid, follow_symlinks=False)
    listening.listen(_AT_ONCE)
    os.rename(partial, path)  # noqa: PTH104 - who waits for it can connect at once
    return [listening]


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides are done."""
    for side in (one, other):
        side.settimeout(None)
    ends = {one: other, other: one}
    while ends:
        ready, _, _ = select.select(list(ends), [], [])
        for side in ready:
            target = one if side is other else other
            try:
                data = side.recv(65536)
                if data:
                    target.sendall(data)
                    continue
            except OSError:
                return
            del ends[side]
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)


def _carry(accepted: socket.socket, connect: Connect) -> None:
    with accepted, contextlib.suppress(OSError), connect() as other:
        _pump(accepted, other)


def _accept(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    room = threading.Semaphore(_AT_ONCE)

    def one(accepted: socket.socket) -> None:
        try:
            serve(accepted)
        finally:
            room.release()

    while True:
        room.acquire()
        try:
            accepted, _ = listening.accept()
        except OSError:
            room.release()
            continue
        threading.Thread(target=one, args=(accepted,), daemon=True).start()


# --- the proxy to package registries


def _proxied(accepted: socket.socket, hosts: frozenset[str]) -> None:
    from urllib.parse import urlsplit

    with accepted, contextlib.suppress(OSError, ValueError):
        accepted.settimeout(_CONNECT_S)
        head, rest = _head(accepted)
        method, target, _version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        tunnel = method == "CONNECT"
        address = urlsplit(f"//{target}" if tunnel else target)
        host, port = (address.hostname or "").rstrip(".").lower(), address.port or (443 if tunnel else 80)
        if f"{host}:{port}" not in hosts:
            said = f"{host}:{port} is no package registry of this machine"
            sys.stderr.write(f"forge: {said!r}\n"[:500])
            sys.stderr.flush()
            _answer(accepted, b"403 Forbidden", said)
            return
        if not tunnel and (method not in ("GET", "HEAD") or address.scheme != "http"):
            _answer(accepted, b"405 Method Not Allowed", "only GET and HEAD go to a registry in plain HTTP")
            return
        try:
            other = _upstream(host, port, through=tunnel)
        except OSError as error:
            _answer(accepted, b"502 Bad Gateway", f"{host}:{port}: {error}")
            return
        with other:
            if tunnel:
                accepted.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                other.sendall(rest)
                _pump(accepted, other)
            else:
                other.sendall(_forwarded(head, method, address, whole=_chosen_proxy(host, secure=False) is not None))
                while data := other.recv(65536):  # and nothing more that the client says: it could be for another host
                    accepted.sendall(data)


def _answer(accepted: socket.socket, status: bytes, said: str) -> None:
    body = said.encode() + b"\n"
    accepted.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))


def _head(stream: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(16384)
        if not more or len(data) > _HEAD_LIMIT:
            raise ValueError("no request")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _forwarded(head: bytes, method: str, address: "SplitResult", *, whole: bool) -> bytes:
    """The request as the registry (or, `whole`, the machine's own proxy) gets it, and the only one on its connection."""
    path = address.geturl() if whole else (address.path or "/") + (f"?{address.query}" if address.query else "")
    dropped = (b"proxy-", b"connection:", b"keep-alive:", b"host:")
    kept = [line for line in head.split(b"\r\n")[1:] if not line.lower().startswith(dropped)]
    first = [f"{method} {path} HTTP/1.1".encode(), f"Host: {address.netloc.rpartition('@')[2]}".encode()]
    return b"\r\n".join([*first, b"Connection: close", *kept]) + b"\r\n\r\n"


def _chosen_proxy(host: str, *, secure: bool) -> str | None:
    """The machine's own proxy for `host`, from this process's environment (which the sandbox does not see)."""
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    return None if proxy_bypass_environment(host) else getproxies_environment().get("https" if secure else "http")


def _upstream(host: str, port: int, *, through: bool) -> socket.socket:
    """A connection to the registry, or to the proxy that this machine itself uses for it."""
    from urllib.parse import unquote, urlsplit

    proxy = _chosen_proxy(host, secure=through)
    if proxy is None:
        return socket.create_connection((host, port), timeout=_CONNECT_S)
    address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    made = socket.create_connection((address.hostname or "", address.port or 80), timeout=_CONNECT_S)
    if not through:
        return made
    secret = b""
    if address.username:
        import base64

        user = f"{unquote(address.username)}:{unquote(address.password or '')}".encode()
        secret = b"Proxy-Authorization: Basic " + base64.b64encode(user) + b"\r\n"
    made.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode() + secret + b"\r\n")
    head, rest = _head(made)
    if b" 200" not in head.split(b"\r\n", 1)[0] or rest:
        made.close()
        raise OSError(f"the machine's proxy answered {head[:100].decode('ascii', 'replace')!r}")
    return made


# --- opening


def _wait(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(_POLL_S)


def _listens(port: int) -> bool:
    try:
        _to_port(port)().close()
    except OSError:
        return False
    return True


def _open(door: str) -> None:
    """Serve one door for ever. Raises OSError where its end cannot be had."""
    kind, _, rest = door.partition(":")
    first, _, second = rest.partition("=")
    serve: Callable[[socket.socket], None]
    if kind == "registry":
        listening = _on_socket(first)
        hosts = frozenset(filter(None, second.split(",")))
        serve = lambda accepted: _proxied(accepted, hosts)  # noqa: E731
    elif kind in ("in", "served"):
        if kind == "served":
            _wait(lambda: os.path.exists(second))  # noqa: PTH110
        listening = _on_port(int(first))
        serve = lambda accepted: _carry(accepted, _to_socket(second))  # noqa: E731
    else:
        if kind == "serving":
            _wait(lambda: _listens(int(second)))
        listening = _on_socket(first)
        serve = lambda accepted: _carry(accepted, _to_port(int(second)))  # noqa: E731
    for one in listening:
        threading.Thread(target=_accept, args=(one, serve), daemon=True).start()


def _keep(doors: list[str], tell: int, command: int) -> None:
    """Open those that can be opened at once, tell, then the others; end the command when one cannot be had."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1):
            os.dup2(nothing, standard)
        for door in doors:
            if not door.startswith(("served:", "serving:")):
                _open(door)
        os.write(tell, b"x")
        os.close(tell)
        for door in doors:
            if door.startswith(("served:", "serving:")):
                threading.Thread(target=_open_late, args=(door, command), daemon=True).start()
        while os.getppid() == command:
            time.sleep(_LIFE_POLL_S)
    except OSError as error:
        _give_up(error, command)


def _open_late(door: str, command: int) -> None:
    try:
        _open(door)
    except OSError as error:
        _give_up(error, command)


def _give_up(error: OSError, command: int) -> None:
    sys.stderr.write(f"a port cannot be had: {error.strerror or error}\n")
    sys.stderr.flush()
    os.kill(command, signal.SIGKILL)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Open the doors, then become the command; 127 where there is none."""
    cut = arguments.index("--")
    doors, command = arguments[:cut], arguments[cut + 1 :]
    opened, tell = os.pipe()
    if os.fork() == 0:
        os.close(opened)
        _keep(doors, tell, os.getppid())
        os._exit(0)
    os.close(tell)
    os.read(opened, 1)
    os.close(opened)
    try:
        os.execvp(command[0], command)  # noqa: S606 - it becomes the command, no shell anywhere
    except OSError as error:
        sys.stderr.write(f"setpriv: failed to execute {command[0]}: {error.strerror}\n")
        raise SystemExit(127) from error


if __name__ == "__main__":
    main(sys.argv[1:])
