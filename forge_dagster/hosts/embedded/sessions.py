"""Browser sessions: opened by a token or by a ticket used once, ended by logout, by time, or with the token behind them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, update

from forge_dagster.hosts.embedded import schema
from forge_dagster.hosts.embedded.accounts import Login, digest, login_from, valid_tokens
from forge_dagster.hosts.embedded.database import Database
from forge_dagster.hosts.embedded.rules import Kind

SESSION_S = 12 * 3_600.0
"""Seconds a session lasts: a working day (OWASP, Session Management Cheat Sheet, "Absolute timeout": 4 to 8 hours and more)."""

TICKET_S = 600.0
"""Seconds in which a ticket can be used."""

BROWSERS: tuple[Kind, ...] = ("operator", "read")
"""Kinds of tokens that open a session. Agents and Forge itself use no browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is right now. `csrf` goes into the forms of its pages; it does not follow from the cookie."""

    login: Login
    csrf: str


class Sessions:
    """Sessions and tickets in the host's database, each kept as a digest only. `now`: seconds since the epoch."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def open(self, token: str) -> str | None:
        """A new session of the token's login: the cookie's value. None when the token is wrong or opens no sessions."""
        with self._database.writing() as connection:
            query = valid_tokens(self._now()).where(schema.tokens.c.digest == digest(token))
            row = connection.execute(query).first()
            return None if row is None or row.kind not in BROWSERS else self._begin(connection, row.token_id)

    def issue_ticket(self, token: str) -> str | None:
        """What opens one session of the token's login, within TICKET_S. None as for `open`."""
        with self._database.writing() as connection:
            query = valid_tokens(self._now()).where(schema.tokens.c.digest == digest(token))
            row = connection.execute(query).first()
            if row is None or row.kind not in BROWSERS:
                return None
            ticket = secrets.token_urlsafe(32)
            connection.execute(delete(schema.tickets).where(schema.tickets.c.expires_at <= self._now()))
            values = {"digest": digest(ticket), "token_id": row.token_id, "expires_at": self._now() + TICKET_S}
            connection.execute(insert(schema.tickets).values(**values))
            return ticket

    def redeem(self, ticket: str) -> str | None:
        """Use a ticket up: the cookie of a new session, or None when it is wrong, used or too old."""
        table = schema.tickets
        with self._database.writing() as connection:
            wanted = delete(table).where(table.c.digest == digest(ticket)).returning(table.c.token_id, table.c.expires_at)
            used = connection.execute(wanted).first()
            if used is None or used.expires_at <= self._now():
                return None
            alive = valid_tokens(self._now()).where(schema.tokens.c.id == used.token_id)
            return None if connection.execute(alive).first() is None else self._begin(connection, used.token_id)

    def _begin(self, connection: Connection, token_id: int) -> str:
        cookie, now = secrets.token_urlsafe(32), self._now()
        connection.execute(delete(schema.sessions).where(schema.sessions.c.expires_at <= now))
        values = {
            "digest": digest(cookie),
            "token_id": token_id,
            "csrf": secrets.token_urlsafe(32),
            "created_at": now,
            "expires_at": now + SESSION_S,
        }
        connection.execute(insert(schema.sessions).values(**values))
        return cookie

    def of(self, cookie: str) -> Session | None:
        """The session of a cookie, while it and its token last."""
        table, now = schema.sessions, self._now()
        query = valid_tokens(now).add_columns(table.c.csrf).join(table, table.c.token_id == schema.tokens.c.id)
        where = (table.c.digest == digest(cookie), table.c.ended_at.is_(None), table.c.expires_at > now)
        with self._database.reading() as connection:
            row = connection.execute(query.where(*where)).first()
        return None if row is None else Session(login=login_from(row), csrf=row.csrf)

    def end(self, cookie: str) -> None:
        """End a session at once; no-op when there is none."""
        table = schema.sessions
        with self._database.writing() as connection:
            where = (table.c.digest == digest(cookie)) & table.c.ended_at.is_(None)
            connection.execute(update(table).where(where).values(ended_at=self._now()))
