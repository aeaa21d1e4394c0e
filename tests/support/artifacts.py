"""Artifacts as the gate `build` makes them, holding a small web server whose faults are chosen by its environment."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

APP = """
import asyncio, os, random, signal, sys, time
VERSION = os.environ.get("VERSION", "?")
ERRORS = float(os.environ.get("ERRORS", "0"))
DELAY = float(os.environ.get("DELAY", "0"))
started = time.monotonic()
if os.environ.get("EXIT"):
    print("Traceback: ImportError: no module named shop"); sys.exit(3)
if os.environ.get("DEAF"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            path = head.split(b" ", 2)[1].decode()
            status, body = "200 OK", VERSION
            if path == "/health":
                sick = float(os.environ.get("SICK_AFTER", "1e9"))
                if os.environ.get("NEVER_HEALTHY") or time.monotonic() - started > sick:
                    status = "500 Sick"
            else:
                if path == "/environment":
                    body = repr(dict(os.environ))
                await asyncio.sleep(DELAY)
                if random.random() < ERRORS:
                    status = "500 Broken"
            data = body.encode()
            writer.write(f"HTTP/1.1 {status}\\r\\ncontent-length: {len(data)}\\r\\n\\r\\n".encode() + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    print("listening", flush=True)
    async with server:
        await server.serve_forever()

asyncio.run(main())
"""


def tarball(path: Path, files: Mapping[str, str]) -> Path:
    """A tar.gz of text files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def service(path: Path, version: str, *, kind: str = "service", **environment: str) -> Path:
    """The release `version` of the small server; see APP for what `environment` can make of it."""
    manifest: dict[str, Any] = {
        "schema": "forge.artifact/1",
        "kind": kind,
        "command": ["python", "app.py"],
        "health": "/health",
        "environment": {"VERSION": version, **environment},
    }
    return tarball(path, {"app.py": APP, "forge-artifact.json": json.dumps(manifest)})


def sha256(path: Path) -> str:
    """As the gate `build` writes it."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
