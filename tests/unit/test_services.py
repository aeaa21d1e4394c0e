"""What services a repository is seen to want."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.services import COMPOSE_LIMIT, ComposeService, compose_services, wanted_services
from forge_dagster.workspace.postgres import login

COMPOSE = """
services:
  app:
    build: .
    depends_on: [db]
  db:
    image: docker.io/library/postgres:16-alpine@sha256:0123
    environment:
      POSTGRES_DB: shop
      POSTGRES_USER: ${DB_USER:-anna}
      POSTGRES_PASSWORD: hush
  cache:
    image: redis:7
  adminer:
    image: adminer
"""


def test_a_compose_file_is_read() -> None:
    db, cache, adminer = compose_services(COMPOSE)
    assert (db.name, db.kind, dict(db.environment)) == ("db", "postgres", {"POSTGRES_DB": "shop", "POSTGRES_USER": "anna"})
    assert (cache.kind, adminer.kind) == ("redis", None)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("postgres", "postgres"),
        ("postgres:16", "postgres"),
        ("localhost:5000/mirror/postgres:16", "postgres"),
        ("bitnami/postgresql:16", "postgres"),
        ("${IMAGE:-postgres}:16", "postgres"),
        ("postgis/postgis:16", ""),
        ("mysql:8", ""),
        ("valkey/valkey", "redis"),
        ("rediscommander/redis-commander", None),
        ("prometheuscommunity/postgres-exporter", None),
        ("mongo-express", None),
    ],
)
def test_an_image_shows_the_kind_of_service(image: str, kind: str | None) -> None:
    (found,) = compose_services(f"services: {{x: {{image: '{image}'}}}}")
    assert found.kind == kind


def test_both_spellings_of_the_environment() -> None:
    (found,) = compose_services("services: {db: {image: postgres, environment: ['POSTGRES_DB=shop', 'NOISE', 'X=1']}}")
    assert dict(found.environment) == {"POSTGRES_DB": "shop"}


def test_what_is_behind_a_profile_is_left_out() -> None:
    assert compose_services("services: {db: {image: postgres, profiles: [tools]}}") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "services",
        "services: [1]",
        "services: {db: 1}",
        "services: {db: {image: [1]}}",
        "services: {1: {image: postgres}}",
        "services: {'../x': {image: postgres}}",
        "a: &a [*a]",
        "!!python/object:os.system {}",
        "2024-99-99",
        "[" * 3_000,
        "services: {db: {image: postgres}}".ljust(COMPOSE_LIMIT + 1),
        "x: !!int a",
        "? {[1]: 2}\n: 3",
        "%YAML 9.9\n---\n",
    ],
)
def test_what_is_no_compose_file_has_no_services(text: str) -> None:
    assert compose_services(text) == ()


@given(st.text(max_size=300) | st.text(alphabet="{}[]:&*!- \nservicesimagepostgres", max_size=300))
def test_reading_never_raises(text: str) -> None:
    assert all(isinstance(service, ComposeService) for service in compose_services(text))


_NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)


@given(st.dictionaries(_NAMES, st.tuples(st.sampled_from(["postgres", "redis", "mysql", "adminer"]), _NAMES), max_size=5))
def test_every_service_of_a_written_file_is_found_again(services: dict[str, tuple[str, str]]) -> None:
    lines = ["services:"] if services else ["services: {}"]
    for name, (image, tag) in services.items():
        lines += [f"  '{name}':", f'    image: "{image}:{tag}"']
    found = compose_services("\n".join(lines))
    assert [(service.name, service.image) for service in found] == [(n, f"{i}:{t}") for n, (i, t) in services.items()]


# --- what follows ------------------------------------------------------------------------------------------------------

POSTGRES, MYSQL = (
    ComposeService(name="db", image="postgres:16", kind="postgres"),
    ComposeService(name="m", image="mysql", kind=""),
)
REDIS = ComposeService(name="cache", image="redis:7", kind="redis")


def test_forge_toml_has_the_last_word() -> None:
    declared = {"x": ServiceSection(command=("x",))}
    wanted = wanted_services(declared, compose=(MYSQL,), dependencies={"asyncpg"})
    assert (wanted.services, wanted.missing) == (declared, ())
    assert wanted_services({}, compose=(POSTGRES, MYSQL), dependencies={"asyncpg"}) == wanted_services({})


def test_an_empty_table_is_a_word_too() -> None:
    assert "services" in parse_policy("[services]\n").model_fields_set
    assert "services" not in parse_policy("").model_fields_set


def test_a_database_of_the_compose_file_is_started() -> None:
    wanted = wanted_services(None, compose=compose_services(COMPOSE)[:1], compose_file="compose.yaml")
    assert wanted.services["db"].kind == "postgres"
    assert wanted.services["db"].environment == {"POSTGRES_DB": "shop", "POSTGRES_USER": "anna"}
    assert "compose.yaml" in wanted.because
    assert not wanted.missing


def test_what_forge_cannot_start_is_named() -> None:
    wanted = wanted_services(None, compose=(POSTGRES, MYSQL), compose_file="compose.yaml")
    assert wanted.missing == ('compose.yaml has a service "m" (mysql), which Forge cannot start by itself',)
    assert "[services.m]" in wanted.hint


@pytest.mark.parametrize("installed", [True, False])
def test_redis_is_started_where_it_is_installed(installed: bool) -> None:
    wanted = wanted_services(None, compose=(REDIS,), compose_file="compose.yaml", on_path=lambda _name: installed)
    assert bool(wanted.services) is installed
    assert bool(wanted.missing) is not installed


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg", "pg", "postgres"])
def test_a_driver_shows_that_a_database_is_wanted(driver: str) -> None:
    wanted = wanted_services(None, dependencies={"requests", driver})
    assert [section.kind for section in wanted.services.values()] == ["postgres"]
    assert driver in wanted.because


def test_nothing_is_wanted_where_nothing_shows_it() -> None:
    assert not wanted_services(None, compose=(ComposeService(name="a", image="adminer"),), dependencies={"requests"}).services


# --- names of databases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ['x"; DROP ROLE postgres; --', "a b", "", "pg_evil", "x" * 100, "a\nb", "é"])
def test_a_name_that_is_no_name_is_not_used(name: str) -> None:
    found = login(1, {"POSTGRES_USER": name, "POSTGRES_DB": name})
    assert found.user == "forge"
    assert found.database in ("forge", "pg_evil")


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_a_file_says_the_names_can_stand_in_a_statement(user: str, database: str) -> None:
    found = login(1, {"POSTGRES_USER": user, "POSTGRES_DB": database})
    for name in (found.user, found.database):
        assert name.isascii()
        assert not set(name) & set("\"'\n\\; \0")
    assert urlsplit(found.url).password == found.password
    assert found.password not in repr(found)
