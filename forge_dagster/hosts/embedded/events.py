"""Webhook events: made in the transaction that makes the change, so that none is lost; sent later by `delivery`."""

import json
import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from forge_dagster.hosts.embedded import schema, shapes
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.git import CommitData
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import not_found
from forge_dagster.hosts.embedded.rules import ZERO
from forge_dagster.hosts.embedded.shapes import Json


def emit(
    host: EmbeddedHost,
    connection: Connection,
    event: str,
    body: Json,
    *,
    root: str,
    repository: Repository | None = None,
    by: Login | None = None,
    only: int | None = None,
) -> None:
    """Queue one event for every webhook that wants it (`only`: for that one). The caller's transaction carries it."""
    payload = dict(body)
    if repository is not None:
        payload["repository"] = shapes.repository(root, repository)
    if by is not None:
        payload["sender"] = shapes.user(root, host.user(connection, by.id))
    for hook in connection.execute(select(schema.webhooks.c.id, schema.webhooks.c.events)).all():
        wanted = event == "ping" or "*" in hook.events or event in hook.events
        if only not in (None, hook.id) or not wanted:
            continue
        row = {
            "webhook_id": hook.id,
            "repository_id": repository.id if repository else None,
            "guid": str(uuid.uuid4()),
            "event": event,
            "action": payload.get("action"),
            "body": json.dumps(payload, separators=(",", ":")),
            "created_at": host.now(),
        }
        connection.execute(insert(schema.deliveries).values(**row))


def ping(host: EmbeddedHost, webhook: int, *, repository: Repository, by: Login, root: str) -> None:
    """Tell a webhook that it exists. Raises Refused (404)."""
    with host.database.writing() as connection:
        row = connection.execute(select(schema.webhooks).where(schema.webhooks.c.id == webhook)).first()
        if row is None:
            raise not_found(f"no webhook {webhook}")
        address = f"{shapes.api(root)}/hooks/{row.id}"
        hook = {
            "type": "Repository",
            "id": row.id,
            "name": "web",
            "active": True,
            "events": list(row.events),
            "config": {"content_type": "json", "insecure_ssl": "0", "url": row.url, "secret": "********"},
            "updated_at": shapes.iso(row.created_at),
            "created_at": shapes.iso(row.created_at),
            "url": address,
            "test_url": f"{address}/test",
            "ping_url": f"{address}/pings",
            "deliveries_url": f"{address}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        }
        body = {"zen": "Keep it logically awesome.", "hook_id": row.id, "hook": hook}
        emit(host, connection, "ping", body, root=root, repository=repository, by=by, only=row.id)


def push(
    host: EmbeddedHost,
    repository: Repository,
    *,
    ref: str,
    before: str,
    after: str,
    forced: bool,
    commits: Sequence[CommitData],
    by: Login,
    root: str,
) -> None:
    """`push`: a branch or tag moved. `commits` are the new ones, newest first (at most 20 are sent)."""
    told = [shapes.pushed_commit(root, repository, c) for c in reversed(commits[:20])]
    body = {
        "ref": ref,
        "before": before,
        "after": after,
        "created": before == ZERO,
        "deleted": after == ZERO,
        "forced": forced,
        "base_ref": None,
        "compare": f"{root}/{repository.full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": told,
        "head_commit": told[-1] if told else None,
        "pusher": {"name": by.login, "email": None},
    }
    with host.database.writing() as connection:
        emit(host, connection, "push", body, root=root, repository=repository, by=by)
