"""Comments, reviews and labels of a pull request."""

from typing import Any

from sqlalchemy import Row, func, insert, select, update

from forge_dagster.hosts.embedded import pulls, schema, shapes_pull
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.events import emit
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import forbidden, invalid, invalid_simply, not_found
from forge_dagster.hosts.embedded.rules import BODY_LIMIT, one_line
from forge_dagster.hosts.embedded.shapes import Json

REVIEW_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def _body(resource: str, body: str) -> str:
    if not body.strip():
        raise invalid(resource, "body", "body is empty", code="missing_field")
    if len(body) > BODY_LIMIT:
        raise invalid(resource, "body", f"body is too long (maximum is {BODY_LIMIT} characters)")
    return body


def list_comments(
    host: EmbeddedHost, repository: Repository, number: int, *, offset: int, limit: int, root: str
) -> tuple[list[Json], int]:
    """One page, oldest first, and how many there are."""
    pull = pulls.pull_row(host, repository, number)
    where = schema.comments.c.pull_id == pull.id
    with host.database.reading() as connection:
        total = connection.execute(select(func.count()).select_from(schema.comments).where(where)).scalar_one()
        page = select(schema.comments).where(where).order_by(schema.comments.c.id).offset(offset).limit(limit)
        rows = connection.execute(page).all()
        return [shapes_pull.comment(root, repository, number, row, host.user(connection, row.user_id)) for row in rows], total


def add_comment(host: EmbeddedHost, repository: Repository, number: int, body: str, *, by: Login, root: str) -> Json:
    """Comment on a pull request, open or not."""
    pull = pulls.pull_row(host, repository, number)
    now = host.now()
    values = {"pull_id": pull.id, "user_id": by.id, "body": _body("IssueComment", body), "created_at": now, "updated_at": now}
    with host.database.writing() as connection:
        row = connection.execute(insert(schema.comments).values(**values).returning(schema.comments)).one()
        made = shapes_pull.comment(root, repository, number, row, host.user(connection, by.id))
        where = schema.comments.c.pull_id == pull.id
        total = connection.execute(select(func.count()).select_from(schema.comments).where(where)).scalar_one()
        issue = shapes_pull.issue(root, repository, pulls.simple(host, connection, repository, pull, root=root), total)
        event = {"action": "created", "issue": issue, "comment": made}
        emit(host, connection, "issue_comment", event, root=root, repository=repository, by=by)
    return made


def change_comment(host: EmbeddedHost, repository: Repository, comment: int, body: str, *, by: Login, root: str) -> Json:
    """Replace a comment's text; only its author may."""
    table, requests = schema.comments, schema.pulls
    query = select(table, requests.c.number).join(requests, requests.c.id == table.c.pull_id)
    query = query.where(table.c.id == comment, requests.c.repository_id == repository.id)
    with host.database.writing() as connection:
        row = connection.execute(query).first()
        if row is None:
            raise not_found(f"no comment {comment}")
        if row.user_id != by.id:
            raise forbidden("only its author changes a comment")
        values = {"body": _body("IssueComment", body), "updated_at": host.now()}
        connection.execute(update(table).where(table.c.id == comment).values(**values))
        changed = connection.execute(query).one()
        return shapes_pull.comment(root, repository, changed.number, changed, host.user(connection, changed.user_id))


def list_reviews(host: EmbeddedHost, repository: Repository, number: int, *, root: str) -> list[Json]:
    """All reviews, oldest first."""
    pull = pulls.pull_row(host, repository, number)
    query = select(schema.reviews).where(schema.reviews.c.pull_id == pull.id).order_by(schema.reviews.c.id)
    with host.database.reading() as connection:
        rows = connection.execute(query).all()
        return [shapes_pull.review(root, repository, number, row, host.user(connection, row.user_id)) for row in rows]


def add_review(
    host: EmbeddedHost,
    repository: Repository,
    number: int,
    *,
    event: str,
    body: str,
    commit_id: str | None,
    by: Login,
    root: str,
) -> Json:
    """Submit a review of the head, or of `commit_id`. Only people approve, and nobody their own (422, as GitHub)."""
    git = host.git(repository)
    pulls.follow(host, repository, root=root)
    pull = pulls.pull_row(host, repository, number)
    if event in ("APPROVE", "REQUEST_CHANGES") and pull.user_id == by.id:
        raise invalid_simply(f"Can not {event.lower().replace('_', ' ')} your own pull request")
    if event == "APPROVE" and by.kind != "operator":
        raise forbidden("only people approve: this login is not a person")
    if event != "APPROVE" and not body.strip():
        raise invalid_simply("body is empty")
    sha = pull.head_sha if commit_id is None else git.resolve(commit_id)
    if sha is None or (sha != pull.head_sha and not git.is_ancestor(sha, pull.head_sha)):
        raise invalid_simply("commit_id is not part of the pull request")
    values = {"pull_id": pull.id, "user_id": by.id, "state": REVIEW_STATES[event], "body": body[:BODY_LIMIT]}
    with host.database.writing() as connection:
        row = insert(schema.reviews).values(commit_id=sha, submitted_at=host.now(), **values)
        stored = connection.execute(row.returning(schema.reviews)).one()
        made = shapes_pull.review(root, repository, number, stored, host.user(connection, by.id))
        told = {
            "action": "submitted",
            "review": {**made, "state": made["state"].lower()},
            "pull_request": pulls.simple(host, connection, repository, pull, root=root),
        }
        emit(host, connection, "pull_request_review", told, root=root, repository=repository, by=by)
    return made


def add_labels(host: EmbeddedHost, repository: Repository, number: int, names: list[str], *, root: str) -> list[Json]:
    """Label a pull request; all its labels."""
    pull = pulls.pull_row(host, repository, number)
    table = schema.labels
    clean = dict.fromkeys(one_line(name, 50) for name in names)
    if not all(clean):
        raise invalid("Label", "name", "name is empty", code="missing_field")
    with host.database.writing() as connection:
        query = select(table).where(table.c.pull_id == pull.id).order_by(table.c.id)
        known = {row.name for row in connection.execute(query)}
        for name in clean:
            if name not in known:
                connection.execute(insert(table).values(pull_id=pull.id, name=name))
        rows: list[Row[Any]] = list(connection.execute(query).all())
        return [shapes_pull.label(root, repository, row) for row in rows]
