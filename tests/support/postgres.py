"""A PostgreSQL server of the machine's own binaries, on a Unix socket in a temporary folder, for as long as it is needed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace import postgres as forge_postgres


def find_server() -> Path | None:
    """Folder with `initdb` and `pg_ctl`, or None where PostgreSQL is not installed."""
    try:
        return forge_postgres.find_server()
    except WorkspaceError:
        return None


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; yields the URL of an empty database. PostgreSQL refuses to run as root, so root lends it another user."""
    folder = find_server()
    assert folder is not None
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    user: str | None = None
    if os.getuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(home, user)
    data = home / "data"

    def run(*argv: str) -> None:
        # No pipes: the server keeps what it inherits open, and reading them would wait for it to end.
        with (home / "log").open("ab") as log:
            subprocess.run(
                argv, check=True, user=user, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": "/bin"}
            )

    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    try:
        run(str(folder / "initdb"), "-D", str(data), "-U", "forge", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(str(folder / "pg_ctl"), "-D", str(data), "-w", "-o", options, "start")
        try:
            yield f"postgresql://forge@/postgres?host={home}"
        finally:
            run(str(folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
