"""Sends queued webhook events: signed, retried a few times, recorded. Never in the way of a push."""

import hashlib
import hmac
import logging
import threading
from typing import Any

import httpx
import stamina
from sqlalchemy import Row, insert, select, update

from forge_dagster.hosts.embedded import schema
from forge_dagster.hosts.embedded.host import EmbeddedHost
from forge_dagster.hosts.embedded.refusals import not_found
from forge_dagster.hosts.embedded.shapes import iso

_LOG = logging.getLogger("forge.host.delivery")
TIMEOUT_S = 10.0
"""Seconds a receiver has to answer (GitHub's own limit)."""


class _Again(Exception):
    """The receiver did not take it this time."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Deliverer:
    """One background thread, in the order of events. Reconciliation finds what a receiver missed for good."""

    def __init__(self, host: EmbeddedHost, *, attempts: int = 4, wait_s: float = 0.2) -> None:
        self._host = host
        self._attempts = attempts
        self._wait_s = wait_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="forge-webhooks", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process left undelivered."""
        self._host.changed.set()
        self._thread.start()

    def stop(self) -> None:
        """End after the delivery in progress; the rest stays queued."""
        self._stopping.set()
        self._host.changed.set()
        self._thread.join(timeout=TIMEOUT_S)

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stopping.is_set():
                self._host.changed.wait()
                self._host.changed.clear()
                try:
                    while not self._stopping.is_set() and (row := self._next()) is not None:
                        self._deliver(client, row)
                except Exception:  # noqa: BLE001 - the thread must outlive a locked database or the like
                    _LOG.exception("webhook delivery stumbled; going on in a second")
                    if not self._stopping.wait(1.0):
                        self._host.changed.set()

    def _next(self) -> Row[Any] | None:
        told, hooks = schema.deliveries, schema.webhooks
        query = select(told, hooks.c.url, hooks.c.secret).join(hooks, hooks.c.id == told.c.webhook_id)
        with self._host.database.reading() as connection:
            return connection.execute(query.where(told.c.state == "pending").order_by(told.c.id).limit(1)).first()

    def _deliver(self, client: httpx.Client, row: Row[Any]) -> None:
        status: int | None = None
        error: str | None = None
        try:
            for attempt in stamina.retry_context(
                on=(_Again, httpx.HTTPError), attempts=self._attempts, wait_initial=self._wait_s, wait_max=5.0, timeout=45.0
            ):
                with attempt:
                    status = _send(client, row)
        except (_Again, httpx.HTTPError, httpx.InvalidURL) as problem:
            status = getattr(problem, "status", None)
            error = str(problem) or type(problem).__name__
        failed = error is not None or status is None or status >= 300
        if failed:
            _LOG.warning("webhook %s %s to hook %d failed: %s", row.event, row.guid, row.webhook_id, error or f"HTTP {status}")
        values = {"state": "failed" if failed else "delivered", "status_code": status, "error": error}
        with self._host.database.writing() as connection:
            where = schema.deliveries.c.id == row.id
            connection.execute(update(schema.deliveries).where(where).values(delivered_at=self._host.now(), **values))


def _send(client: httpx.Client, row: Row[Any]) -> int:
    body = row.body.encode("utf-8")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/forge",
        "X-GitHub-Event": row.event,
        "X-GitHub-Delivery": row.guid,
        "X-GitHub-Hook-ID": str(row.webhook_id),
        "X-Hub-Signature-256": f"sha256={hmac.new(row.secret.encode(), body, hashlib.sha256).hexdigest()}",
    }
    answer = client.post(row.url, content=body, headers=headers)
    if answer.status_code >= 500 or answer.status_code == 429:
        raise _Again(f"HTTP {answer.status_code}", answer.status_code)
    return answer.status_code


def list_deliveries(host: EmbeddedHost, *, limit: int = 100) -> list[dict[str, Any]]:
    """`hook-delivery-item`s that are done, newest first; without bodies."""
    table = schema.deliveries
    query = select(table).where(table.c.state != "pending").order_by(table.c.id.desc()).limit(limit)
    with host.database.reading() as connection:
        return [_item(row) for row in connection.execute(query)]


def _item(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "guid": row.guid,
        "delivered_at": iso(row.delivered_at),
        "redelivery": row.redelivery,
        "duration": 0.0,
        "status": "OK" if row.state == "delivered" else row.error or "failed",
        "status_code": row.status_code or 0,
        "event": row.event,
        "action": row.action,
        "installation_id": None,
        "repository_id": row.repository_id,
    }


def redeliver(host: EmbeddedHost, delivery: int) -> None:
    """Send one again under its old GUID."""
    table = schema.deliveries
    with host.database.writing() as connection:
        row = connection.execute(select(table).where(table.c.id == delivery)).first()
        if row is None:
            raise not_found(f"no delivery {delivery}")
        same = {name: getattr(row, name) for name in ("webhook_id", "repository_id", "guid", "event", "action", "body")}
        connection.execute(insert(table).values(redelivery=True, created_at=host.now(), **same))
