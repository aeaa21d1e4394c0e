"""Which services a repository's integration tests want: what `forge.toml` declares, else what its files give away."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.errors import WorkspaceError

COMPOSE_FILES = tuple(
    f"{name}.{ending}"
    for name in ("compose", "docker-compose", "compose.test", "docker-compose.test")
    for ending in ("yaml", "yml")
)
"""Where Docker Compose looks (compose-spec, "Compose file"), and what people call the one for their tests."""
COMPOSE_LIMIT = 256 * 1024
"""Bytes of a compose file that is read at all; the parser is slow, and the file is the change's."""
_MERGES = 4
"""Merge keys in one mapping, and in each other, that are followed: each can stand for many."""

_KINDS = {
    "postgres": ("postgres", "postgresql"),
    "redis": ("redis", "valkey"),
    "": (
        "postgis", "pgvector", "timescaledb", "timescaledb-ha", "mysql", "mysql-server", "mariadb", "mongo",
        "mongodb-community-server", "redis-stack", "redis-stack-server", "rabbitmq", "elasticsearch", "opensearch",
        "kafka", "kafka-native", "cp-kafka", "redpanda", "memcached", "minio", "localstack", "clickhouse-server",
        "cassandra", "nats", "etcd", "neo4j", "eclipse-mosquitto", "cockroach", "dynamodb-local", "azurite",
    ),
}  # fmt: skip
"""What Forge can start by itself -> last parts of images' names; "": what tests are known to need and Forge cannot start."""
_KNOWN = {name: kind for kind, names in _KINDS.items() for name in names}
_POSTGRES_DRIVERS = frozenset(
    {
        "psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "aiopg", "pg8000", "py-postgresql",
        "pg", "postgres", "pg-promise", "pg-native", "slonik", "@prisma/adapter-pg",
    }
)  # fmt: skip
"""Packages that speak to PostgreSQL and to nothing else (PyPI and npm)."""
_VARIABLE = re.compile(r"\$\{?[A-Za-z_]\w*(?::?-([^}]*))?\}?")
_REDIS = ServiceSection(
    command=(
        "redis-server",
        "--port",
        "{port}",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        "{folder}",
    ),
    variable="REDIS_URL",
    url="redis://127.0.0.1:{port}/0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """A service of a compose file that runs a published image.

    `kind`: "postgres" or "redis", "" for another that tests need, None for what they do not (a proxy, an administration page).
    """

    name: str
    image: str
    kind: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedServices:
    """What to start, and why. `missing`: what Forge sees is wanted and cannot start by itself, in words."""

    services: Mapping[str, ServiceSection] = field(default_factory=dict)
    because: str = ""
    missing: tuple[str, ...] = ()
    hint: str = ""


def wanted_services(
    declared: Mapping[str, ServiceSection] | None,
    *,
    compose: tuple[ComposeService, ...] = (),
    compose_file: str = "",
    dependencies: Collection[str] = (),
    on_path: Callable[[str], bool] = lambda _program: False,
) -> WantedServices:
    """What to start for integration tests.

    `declared`: [services] of forge.toml, which then has the last word, also where it is empty; None: there is no such table.
    Else the databases of the compose file, else a PostgreSQL where the repository depends on a driver for it.
    """
    if declared is not None:
        return WantedServices(services=declared, because="forge.toml declares them" if declared else "")
    known = [service for service in compose if service.kind is not None]
    if known:
        return _of_compose(known, compose_file, on_path)
    driver = next((name for name in sorted(dependencies) if name in _POSTGRES_DRIVERS), None)
    if driver is None:
        return WantedServices()
    return WantedServices(
        services={"postgres": ServiceSection(kind="postgres")},
        because=f"{driver} is a declared dependency",
        hint="or say in forge.toml that nothing is to be started: an empty table [services]",
    )


def _of_compose(known: list[ComposeService], file: str, on_path: Callable[[str], bool]) -> WantedServices:
    services: dict[str, ServiceSection] = {}
    missing: list[str] = []
    for service in known:
        if service.kind == "postgres":
            services[service.name] = ServiceSection(kind="postgres", environment=dict(service.environment))
        elif service.kind == "redis" and on_path("redis-server"):
            services[service.name] = _REDIS
        else:
            missing.append(f'{file} has a service "{service.name}" ({service.image}), which Forge cannot start by itself')
    names = ", ".join(f"[services.{service.name}]" for service in known)
    return WantedServices(
        services=services,
        because=f"{file} has {', '.join(f'{service.name} ({service.image})' for service in known)}",
        missing=tuple(missing),
        hint=f"declare in forge.toml how they are started: {names}; or an empty table [services] where tests need none",
    )


def compose_services(text: str) -> tuple[ComposeService, ...]:
    """The services of a compose file that run a published image, in its order; nothing for what is no compose file.

    Services behind a profile are left out, since `docker compose up` does not start them (compose-spec, "profiles"). Never
    raises: the file is the change's.
    """
    services = _load(text).get("services")
    found = []
    for name, declared in services.items() if isinstance(services, Mapping) else ():
        if not isinstance(declared, Mapping):
            continue
        body = _merged(declared)
        if not isinstance(body.get("image"), str) or body.get("profiles"):
            continue
        if not isinstance(name, str) or not re.fullmatch(r"(?!\d+$)[A-Za-z0-9._-]{1,60}", name):
            continue
        image = _substituted(body["image"])[:120]
        environment = _environment(body.get("environment"))
        found.append(ComposeService(name=name, image=image, kind=_kind(image), environment=environment))
    return tuple(found)


def _load(text: str) -> Mapping[str, Any]:
    if len(text) > COMPOSE_LIMIT:
        return {}
    try:
        found = read_yaml(text, "the compose file")
    except WorkspaceError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _merged(body: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """With what its merge keys (`<<: *defaults`, yaml.org, "Merge Key") bring along."""
    others = body.get("<<")
    if others is None or depth > _MERGES:
        return body
    brought: dict[str, Any] = {}
    for other in (others if isinstance(others, list) else [others])[:_MERGES][::-1]:
        brought |= _merged(other, depth + 1) if isinstance(other, Mapping) else {}
    return {**brought, **{name: value for name, value in body.items() if name != "<<"}}


def _kind(image: str) -> str | None:
    """docker.io/library/postgres:16-alpine@sha256:... is a "postgres"."""
    return _KNOWN.get(image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0].lower())


def _environment(value: object) -> dict[str, str]:
    """The variables that name a database, from either spelling: a mapping or a list of "NAME=value"."""
    pairs: dict[str, str] = {}
    if isinstance(value, Mapping):
        pairs = {str(name): str(given) for name, given in value.items() if isinstance(given, (str, int))}
    elif isinstance(value, list):
        pairs = dict(str(entry).split("=", 1) for entry in value if isinstance(entry, str) and "=" in entry)
    wanted = ("POSTGRES_DB", "POSTGRES_USER")
    return {name: _substituted(pairs[name]) for name in wanted if name in pairs}


def _substituted(text: str) -> str:
    """`${NAME:-default}` is its default, and `${NAME}` nothing (compose-spec, "Interpolation")."""
    return _VARIABLE.sub(lambda match: match[1] or "", text)
