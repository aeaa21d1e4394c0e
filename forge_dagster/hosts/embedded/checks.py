"""Check runs with their annotations, and commit statuses."""

from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from forge_dagster.hosts.embedded import schema, shapes, shapes_checks
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.git import BareRepository
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import invalid, not_found
from forge_dagster.hosts.embedded.shapes import Json

ANNOTATIONS_LIMIT = 50
"""Annotations of one request (docs.github.com, "Create a check run")."""


def _require_commit(git: BareRepository, resource: str, field: str, sha: str) -> str:
    found = git.resolve(sha) if len(sha) == 40 else None
    if found is None:
        raise invalid(resource, field, f"No commit found for SHA: {sha[:64]}", code="custom")
    return found


def create_check(
    host: EmbeddedHost, repository: Repository, values: Json, annotations: list[Json], *, by: Login, root: str
) -> Json:
    """Store a check run; `values` are columns of table checks."""
    _require_commit(host.git(repository), "CheckRun", "head_sha", values["head_sha"])
    with host.database.writing() as connection:
        row = {"repository_id": repository.id, "user_id": by.id, **_settled(host, values, started=True)}
        stored = connection.execute(insert(schema.checks).values(**row).returning(schema.checks)).one()
        _annotate(connection, stored.id, annotations)
        return _shape(connection, repository, stored, root)


def change_check(
    host: EmbeddedHost, repository: Repository, check: int, values: Json, annotations: list[Json], *, root: str
) -> Json:
    """Change a check run; annotations are appended, as GitHub does it."""
    with host.database.writing() as connection:
        _check(connection, repository, check)
        settled = _settled(host, values, started=False)
        if settled:
            connection.execute(update(schema.checks).where(schema.checks.c.id == check).values(**settled))
        _annotate(connection, check, annotations)
        return _shape(connection, repository, _check(connection, repository, check), root)


def _settled(host: EmbeddedHost, values: Json, *, started: bool) -> Json:
    """A conclusion completes the run (GitHub: "Providing conclusion will automatically set the status to completed")."""
    made = dict(values)
    if made.get("conclusion") is not None:
        made["status"] = "completed"
    if made.get("status") == "completed":
        if made.get("conclusion") is None:
            raise invalid("CheckRun", "conclusion", "a completed check run needs a conclusion", code="missing_field")
        made.setdefault("completed_at", host.now())
    elif "status" in made:
        made |= {"conclusion": None, "completed_at": None}
    if started:
        made.setdefault("status", "queued")
        made.setdefault("started_at", host.now())
    return made


def _annotate(connection: Connection, check: int, annotations: list[Json]) -> None:
    if len(annotations) > ANNOTATIONS_LIMIT:
        raise invalid("CheckRun", "annotations", f"at most {ANNOTATIONS_LIMIT} annotations in one request")
    if annotations:
        connection.execute(insert(schema.annotations), [{"check_id": check, "body": body} for body in annotations])


def _check(connection: Connection, repository: Repository, check: int) -> Row[Any]:
    table = schema.checks.c
    row = connection.execute(select(schema.checks).where(table.id == check, table.repository_id == repository.id)).first()
    if row is None:
        raise not_found(f"no check run {check}")
    return row


def _shape(connection: Connection, repository: Repository, row: Row[Any], root: str) -> Json:
    where = schema.annotations.c.check_id == row.id
    count = connection.execute(select(func.count()).select_from(schema.annotations).where(where)).scalar_one()
    return shapes_checks.check_run(root, repository, row, count)


def get_check(host: EmbeddedHost, repository: Repository, check: int, *, root: str) -> Json:
    """One check run."""
    with host.database.reading() as connection:
        return _shape(connection, repository, _check(connection, repository, check), root)


def list_checks(
    host: EmbeddedHost, repository: Repository, sha: str, *, name: str | None, status: str | None, latest: bool, root: str
) -> list[Json]:
    """Check runs of a commit, newest first; `latest`: only the newest of each name."""
    table = schema.checks.c
    query = select(schema.checks).where(table.repository_id == repository.id, table.head_sha == sha)
    query = query if name is None else query.where(table.name == name)
    query = query if status is None else query.where(table.status == status)
    with host.database.reading() as connection:
        rows = connection.execute(query.order_by(table.id.desc())).all()
        if latest:
            rows = list({row.name: row for row in reversed(rows)}.values())[::-1]
        return [_shape(connection, repository, row, root) for row in rows]


def list_annotations(
    host: EmbeddedHost, repository: Repository, check: int, *, offset: int, limit: int, root: str
) -> tuple[list[Json], int]:
    """One page, in the order they came, and how many there are."""
    table = schema.annotations
    with host.database.reading() as connection:
        row = _check(connection, repository, check)
        total = connection.execute(select(func.count()).select_from(table).where(table.c.check_id == check)).scalar_one()
        page = select(table.c.body).where(table.c.check_id == check).order_by(table.c.id).offset(offset).limit(limit)
        return [
            shapes_checks.annotation(root, repository, row.head_sha, body) for body in connection.execute(page).scalars()
        ], total


def create_status(host: EmbeddedHost, repository: Repository, sha: str, values: Json, *, by: Login, root: str) -> Json:
    """Add a status; the newest of a context counts."""
    _require_commit(host.git(repository), "Status", "sha", sha)
    table = schema.statuses
    with host.database.writing() as connection:
        row = {"repository_id": repository.id, "user_id": by.id, "sha": sha, "created_at": host.now(), **values}
        stored = connection.execute(insert(table).values(**row).returning(table)).one()
        return shapes_checks.status(root, repository, stored, host.user(connection, by.id))


def combined_status(host: EmbeddedHost, repository: Repository, sha: str, *, root: str) -> Json:
    """`combined-commit-status`: failure or error of any context, else pending (also without any), else success."""
    table = schema.statuses
    query = select(table).where(table.c.repository_id == repository.id, table.c.sha == sha).order_by(table.c.id)
    with host.database.reading() as connection:
        newest = list({row.context: row for row in connection.execute(query)}.values())
    states = {row.state for row in newest}
    state = "failure" if states & {"failure", "error"} else "pending" if not states or "pending" in states else "success"
    url = f"{shapes.api(root)}/repos/{repository.full_name}/commits/{sha}"
    return {
        "state": state,
        "statuses": [shapes_checks.status(root, repository, row) for row in newest],
        "sha": sha,
        "total_count": len(newest),
        "repository": shapes.repository(root, repository),
        "commit_url": url,
        "url": f"{url}/status",
    }
