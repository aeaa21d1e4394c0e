"""Deployments and their statuses."""

from sqlalchemy import func, insert, select

from forge_dagster.hosts.embedded import schema, shapes_checks
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import invalid, not_found
from forge_dagster.hosts.embedded.shapes import Json


def create_deployment(host: EmbeddedHost, repository: Repository, values: Json, *, by: Login, root: str) -> Json:
    """Record that `ref` is to be deployed."""
    sha = host.git(repository).resolve(values["ref"])
    if sha is None:
        raise invalid("Deployment", "ref", f"No ref found for: {values['ref'][:100]}", code="custom")
    table = schema.deployments
    with host.database.writing() as connection:
        row = {"repository_id": repository.id, "user_id": by.id, "sha": sha, "created_at": host.now(), **values}
        stored = connection.execute(insert(table).values(**row).returning(table)).one()
        return shapes_checks.deployment(root, repository, stored, host.user(connection, by.id), stored.created_at)


def list_deployments(host: EmbeddedHost, repository: Repository, filters: Json, *, root: str) -> list[Json]:
    """Newest first; `filters` on sha, ref, task, environment."""
    table, told = schema.deployments, schema.deployment_statuses
    query = select(table).where(table.c.repository_id == repository.id)
    for name, value in filters.items():
        query = query.where(table.c[name] == value)
    with host.database.reading() as connection:
        made = []
        for row in connection.execute(query.order_by(table.c.id.desc()).limit(1_000)).all():
            last = connection.execute(select(func.max(told.c.created_at)).where(told.c.deployment_id == row.id)).scalar()
            creator = host.user(connection, row.user_id)
            made.append(shapes_checks.deployment(root, repository, row, creator, last or row.created_at))
        return made


def add_deployment_status(
    host: EmbeddedHost, repository: Repository, deployment: int, values: Json, *, by: Login, root: str
) -> Json:
    """Tell how a deployment goes."""
    table, told = schema.deployments, schema.deployment_statuses
    with host.database.writing() as connection:
        where = (table.c.id == deployment) & (table.c.repository_id == repository.id)
        parent = connection.execute(select(table).where(where)).first()
        if parent is None:
            raise not_found(f"no deployment {deployment}")
        row = {"deployment_id": deployment, "user_id": by.id, "created_at": host.now(), **values}
        row["environment"] = row.get("environment") or parent.environment
        stored = connection.execute(insert(told).values(**row).returning(told)).one()
        return shapes_checks.deployment_status(root, repository, stored, host.user(connection, by.id))


def list_deployment_statuses(host: EmbeddedHost, repository: Repository, deployment: int, *, root: str) -> list[Json]:
    """Newest first."""
    table, told = schema.deployments, schema.deployment_statuses
    with host.database.reading() as connection:
        where = (table.c.id == deployment) & (table.c.repository_id == repository.id)
        if connection.execute(select(table.c.id).where(where)).first() is None:
            raise not_found(f"no deployment {deployment}")
        rows = connection.execute(select(told).where(told.c.deployment_id == deployment).order_by(told.c.id.desc())).all()
        return [shapes_checks.deployment_status(root, repository, row, host.user(connection, row.user_id)) for row in rows]
