"""The embedded host: what is on disk, who may come in, and where events go. Pull requests and checks build on it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Row, insert, select, update

from forge_dagster.errors import ConfigurationError
from forge_dagster.hosts.embedded import schema
from forge_dagster.hosts.embedded.accounts import Accounts, Login
from forge_dagster.hosts.embedded.database import Database
from forge_dagster.hosts.embedded.git import BareRepository
from forge_dagster.hosts.embedded.hooks import write_hooks
from forge_dagster.hosts.embedded.refusals import not_found
from forge_dagster.hosts.embedded.rules import is_ref_name, is_repository
from forge_dagster.hosts.embedded.sessions import Sessions
from forge_dagster.ports import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A hosted repository. Times are seconds since the epoch."""

    id: int
    full_name: str
    default_branch: str
    created_at: float
    pushed_at: float
    path: Path

    @property
    def owner(self) -> str:
        """Part of the name before the slash."""
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        """Part of the name after the slash."""
        return self.full_name.partition("/")[2]


class EmbeddedHost:
    """State of the host in `home/host`. Administration needs no `run`; serving repositories does (git runs through it)."""

    def __init__(
        self,
        home: Path,
        *,
        run: Run | None = None,
        protected: Sequence[str] = ("main", "staging"),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = home / "host"
        self.changed = threading.Event()
        """Set when there may be something to deliver."""
        self.database = Database(self.folder / "host.db", written=self.changed.set)
        self.accounts = Accounts(self.database, now)
        self.sessions = Sessions(self.database, now)
        self.protected = tuple(protected)
        self.now = now
        self.pushing: dict[tuple[int, str, str], Login] = {}
        """(repository, branch, new commit) -> who is pushing it right now."""
        self.facts: dict[tuple[str, ...], Any] = {}
        """What git said of pairs of commits: never changes, so it is kept (bounded by its user)."""
        self._run = run
        self._locks: dict[int, threading.RLock] = {}
        self._guard = threading.Lock()

    # --- repositories

    def create_repository(self, full_name: str, *, default_branch: str = "main") -> None:
        """Make an empty repository; no-op when it exists. Raises ConfigurationError for a name that cannot be one."""
        if not is_repository(full_name) or not is_ref_name(default_branch):
            hint = "use owner/name of letters, digits, dots, dashes and underscores"
            raise ConfigurationError(f"{full_name!r} is no repository name", hint=hint)
        path = self.path_of(full_name)
        _create_bare(path, default_branch, hooks=write_hooks(self.folder / "hooks"))
        with self.database.writing() as connection:
            known = connection.execute(select(schema.repositories.c.id).where(schema.repositories.c.full_name == full_name))
            if known.first() is None:
                row = {
                    "full_name": full_name,
                    "default_branch": default_branch,
                    "created_at": self.now(),
                    "pushed_at": self.now(),
                }
                connection.execute(insert(schema.repositories).values(next_number=1, **row))

    def prepare(self) -> None:
        """Write hooks and settings of all repositories anew: before serving, since Forge may have moved or been upgraded."""
        hooks = write_hooks(self.folder / "hooks")
        for full_name in self.repositories():
            _create_bare(self.path_of(full_name), self.repository(full_name).default_branch, hooks=hooks)

    def repositories(self) -> tuple[str, ...]:
        """Full names, in order."""
        with self.database.reading() as connection:
            names = connection.execute(select(schema.repositories.c.full_name).order_by(schema.repositories.c.full_name))
            return tuple(names.scalars())

    def repository(self, full_name: str) -> Repository:
        """Raises Refused (404)."""
        table = schema.repositories
        with self.database.reading() as connection:
            row = connection.execute(select(table).where(table.c.full_name == full_name)).first()
        if row is None:
            raise not_found()
        return Repository(
            id=row.id,
            full_name=row.full_name,
            default_branch=row.default_branch,
            created_at=row.created_at,
            pushed_at=row.pushed_at,
            path=self.path_of(row.full_name),
        )

    def path_of(self, full_name: str) -> Path:
        """Folder of the bare repository."""
        return self.folder / "repositories" / f"{full_name}.git"

    def git(self, repository: Repository) -> BareRepository:
        """Git in the repository. Raises ConfigurationError on a host opened for administration only."""
        if self._run is None:
            raise ConfigurationError("this embedded host was opened without a way to run git", hint="pass run=ProcessRun(...)")
        return BareRepository(repository.path, self._run)

    @contextmanager
    def locked(self, repository: Repository) -> Iterator[None]:
        """One at a time through what touches both git and the database."""
        with self._guard:
            lock = self._locks.setdefault(repository.id, threading.RLock())
        with lock:
            yield

    @contextmanager
    def moving(self, repository: Repository, ref: str, new: str, by: Login) -> Iterator[None]:
        """Note who moves a ref to `new`, so that whoever notices first names the right one."""
        self.pushing[(repository.id, ref, new)] = by
        try:
            yield
        finally:
            self.pushing.pop((repository.id, ref, new), None)

    # --- accounts

    def user(self, connection: Connection, user_id: int) -> Row[Any]:
        """Account by id."""
        return connection.execute(select(schema.users).where(schema.users.c.id == user_id)).one()

    # --- webhooks

    def add_webhook(self, url: str, secret: str, events: Sequence[str] | None = None) -> int:
        """Send `events` (None: all) to `url`, signed with `secret`. The same address again replaces secret and events."""
        table = schema.webhooks
        values = {"secret": secret, "events": sorted(events) if events else ["*"]}
        with self.database.writing() as connection:
            known = connection.execute(select(table.c.id).where(table.c.url == url)).scalar()
            if known is not None:
                connection.execute(update(table).where(table.c.id == known).values(**values))
                return cast(int, known)
            made = insert(table).values(url=url, created_at=self.now(), **values).returning(table.c.id)
            return cast(int, connection.execute(made).scalar_one())

    def close(self) -> None:
        """Close the database."""
        self.database.close()


# Three faults that only old histories have and that harm nobody are let through, as the big public hosts do.
_CONFIG = """\
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	hooksPath = {hooks}
	fsync = committed,reference
[gc]
	auto = 0
[http]
	receivepack = true
	getanyfile = false
[transfer]
	fsckObjects = true
[receive "fsck"]
	badTimezone = warn
	missingSpaceBeforeDate = warn
	zeroPaddedFilemode = warn
[receive]
	advertisePushOptions = true
	procReceiveRefs = refs/for
	hideRefs = refs/pull
	autogc = false
	maxInputSize = {limit}
[uploadpack]
	allowReachableSHA1InWant = true
"""

PUSH_LIMIT = 1024 * 1024 * 1024
"""Bytes of one push's pack; git refuses more."""


def _create_bare(path: Path, default_branch: str, *, hooks: Path) -> None:
    """The layout of gitrepository-layout(5). Written anew each time, so that an upgrade reaches old repositories."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    quoted = '"' + str(hooks).replace("\\", "\\\\").replace('"', '\\"') + '"'
    (path / "config").write_text(_CONFIG.format(hooks=quoted, limit=PUSH_LIMIT), "utf-8")
    if not (path / "HEAD").exists():
        (path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n", "utf-8")
