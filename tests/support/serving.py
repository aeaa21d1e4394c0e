"""A server of the real application on a free port of loopback, in a thread, and real git to talk to it."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from forge_dagster.hosts.embedded import EmbeddedHost
from forge_dagster.server.app import build_app
from forge_dagster.server.listening import server_of
from forge_dagster.workspace.processes import ProcessRun
from tests.support.waiting import wait_until

REPOSITORY = "acme/shop"


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve `app`; its address."""
    server = server_of(app, port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), timeout_s=30)
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A served embedded host with one repository, `acme/shop`, and a token of each kind (login -> token)."""

    url: str
    host: EmbeddedHost
    tokens: Mapping[str, str]

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    def git_url(self, login: str) -> str:
        """The repository's address with the login's token in it, as a person would paste it."""
        return self.url.replace("http://", f"http://any:{self.tokens[login]}@") + f"/{REPOSITORY}.git"


@contextmanager
def served_host(home: Path, **limits: Any) -> Iterator[Served]:
    """The embedded host on a free port. `limits` go to build_app."""
    run = ProcessRun(home=home, run_id="host")
    host = EmbeddedHost(home, run=run)
    host.create_repository(REPOSITORY)
    kinds = {"forge": "forge", "olga": "operator", "forge/builder-01": "agent", "forge/builder-02": "agent", "reader": "read"}
    tokens = {login: host.accounts.create_token(login, kind) for login, kind in kinds.items()}  # type: ignore[arg-type]
    try:
        with serving(build_app(host, **limits)) as url:
            yield Served(url=url, host=host, tokens=tokens)
    finally:
        run.stop()
        host.close()


@dataclass(frozen=True)
class Clone:
    """A work tree, driven by the real git with a clean configuration."""

    root: Path

    def git(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        self.root.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
        }
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Write files and commit them; the commit."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, url: str, refspec: str, *options: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Push to an address; `options` are push options. Its result's stderr holds what the server said."""
        flags = [part for option in options for part in ("-o", option)]
        return self.git("push", "--porcelain", *flags, url, refspec, check=check)


def first_import(served: Served, folder: Path) -> Clone:
    """A clone whose first commit an operator has imported as `main`."""
    clone = Clone(folder)
    clone.git("init", "--quiet", "--initial-branch=main")
    clone.commit({"README.md": "# Shop\n", "src/shop.py": "PRICE = 1\n"}, "Start")
    clone.push(served.git_url("olga"), "HEAD:refs/heads/main")
    return clone
