"""Accounts and their tokens: who may come in, as what, to which repositories and for how long."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, update

from forge_dagster.errors import ConfigurationError
from forge_dagster.hosts.embedded import schema
from forge_dagster.hosts.embedded.database import Database
from forge_dagster.hosts.embedded.rules import KINDS, NOTE_LIMIT, Kind, is_login, is_repository, one_line

GHOST = "ghost"
"""GitHub's name for somebody unknown: who moved a branch while nobody was watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who is calling, and what the token lets them do (`kind` of the token; a read token of an agent only reads)."""

    id: int
    login: str
    kind: Kind
    token: int = 0
    """Id of the token; 0 for deeds that need none."""
    repositories: tuple[str, ...] = ()
    """The only repositories the token opens (`owner/name`); empty: all."""

    def opens(self, full_name: str) -> bool:
        """Whether the repository exists as far as this caller may know."""
        return not self.repositories or full_name in self.repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """What is kept of a token. Times are seconds since the epoch; `expires_at` None: never."""

    id: int
    login: str
    kind: Kind
    note: str
    repositories: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None


class Accounts:
    """Logins and tokens in the host's database. `now`: seconds since the epoch."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def create_token(
        self,
        login: str,
        kind: Kind,
        *,
        lifetime_s: float | None = None,
        repositories: Sequence[str] = (),
        note: str = "",
    ) -> str:
        """A new token, told this once: only its SHA-256 is kept (256 random bits need no slow hash).

        `lifetime_s`: seconds until it is worth nothing (None: until it is revoked). `repositories`: the only ones it opens.
        The first token makes the account; later ones must agree on whether it is an agent. Raises ConfigurationError.
        """
        if kind not in KINDS or not is_login(login):
            raise ConfigurationError(f"cannot make a token for {login!r} of kind {kind!r}", hint=f"kinds: {', '.join(KINDS)}")
        if wrong := [name for name in repositories if not is_repository(name)]:
            raise ConfigurationError(f"{wrong[0]!r} is no repository name", hint="write owner/name")
        token = f"forge_{kind}_{secrets.token_urlsafe(32)}"
        with self._database.writing() as connection:
            values = {
                "user_id": self._account(connection, login, kind),
                "digest": digest(token),
                "kind": kind,
                "note": one_line(note, NOTE_LIMIT),
                "repositories": list(repositories),
                "created_at": self._now(),
                "expires_at": None if lifetime_s is None else self._now() + lifetime_s,
            }
            connection.execute(insert(schema.tokens).values(**values))
        return token

    def _account(self, connection: Connection, login: str, kind: Kind) -> int:
        known = connection.execute(select(schema.users).where(schema.users.c.login == login)).first()
        if known is None:
            made = insert(schema.users).values(login=login, kind=kind).returning(schema.users.c.id)
            return cast(int, connection.execute(made).scalar_one())
        if kind not in ("read", known.kind):
            if known.kind != "read":
                raise ConfigurationError(f"{login} is of kind {known.kind}, not {kind}", hint="choose another login")
            connection.execute(update(schema.users).where(schema.users.c.id == known.id).values(kind=kind))
        return cast(int, known.id)

    def tokens(self) -> tuple[TokenRecord, ...]:
        """All that were ever made, oldest first; nothing of the tokens themselves."""
        table, users = schema.tokens, schema.users
        query = select(table, users.c.login).join(users, users.c.id == table.c.user_id).order_by(table.c.id)
        with self._database.reading() as connection:
            return tuple(
                TokenRecord(
                    id=row.id,
                    login=row.login,
                    kind=row.kind,
                    note=row.note or "",
                    repositories=tuple(row.repositories or ()),
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    revoked_at=row.revoked_at,
                )
                for row in connection.execute(query)
            )

    def revoke(self, token: str) -> bool:
        """End a token at once, and the sessions it opened. False when it was not valid."""
        return self._revoke(schema.tokens.c.digest == digest(token)) == 1

    def revoke_id(self, token_id: int) -> bool:
        """The same by the token's id."""
        return self._revoke(schema.tokens.c.id == token_id) == 1

    def revoke_all(self, login: str) -> int:
        """End every token of `login`; how many."""
        return self._revoke(schema.tokens.c.user_id.in_(select(schema.users.c.id).where(schema.users.c.login == login)))

    def _revoke(self, which: ColumnElement[bool]) -> int:
        table = schema.tokens
        with self._database.writing() as connection:
            where = which & table.c.revoked_at.is_(None)
            return connection.execute(update(table).where(where).values(revoked_at=self._now())).rowcount

    def login_of(self, token: str) -> Login | None:
        """Who a token belongs to; None when it is wrong, expired or revoked. Looking up a digest leaks nothing by its time."""
        with self._database.reading() as connection:
            row = connection.execute(valid_tokens(self._now()).where(schema.tokens.c.digest == digest(token))).first()
        return None if row is None else login_from(row)

    def ghost(self) -> Login:
        """The account for deeds whose doer is unknown; it has no token."""
        with self._database.writing() as connection:
            return Login(id=self._account(connection, GHOST, "read"), login=GHOST, kind="read")


def valid_tokens(now: float) -> Select[Any]:
    """Tokens that are worth something at `now`, with their accounts; what login_from reads."""
    table, users = schema.tokens, schema.users
    columns = (users.c.id, users.c.login, table.c.kind, table.c.id.label("token_id"), table.c.repositories)
    lasting = table.c.expires_at.is_(None) | (table.c.expires_at > now)
    return select(*columns).join(users, users.c.id == table.c.user_id).where(table.c.revoked_at.is_(None), lasting)


def login_from(row: Row[Any]) -> Login:
    """The caller of a row of valid_tokens."""
    names = tuple(row.repositories or ())
    return Login(id=row.id, login=row.login, kind=row.kind, token=row.token_id, repositories=names)


def digest(secret: str) -> str:
    """What is kept of a token, a session or a ticket: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
