"""The gate integration with a real PostgreSQL and a real application: every seeded fault is found, every clean twin passes."""

import socket
from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome
from forge_dagster.domain.redaction import MASK
from forge_dagster.domain.results import GateResult
from forge_dagster.workspace import postgres
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.services import LocalServices
from tests.support.api_seeds import BAD, DOCUMENT, GOOD
from tests.support.gate_bench import Files, GateBench
from tests.support.holding import is_free
from tests.support.postgres import find_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
database = pytest.mark.skipif(find_server() is None, reason=f"no PostgreSQL server: {postgres.MISSING}")

MIGRATE = """import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE price (name text, amount integer)")
    connection.execute("INSERT INTO price VALUES ('tea', 3)")
"""
TEST = """import os

import psycopg
import pytest
from shop import amount


@pytest.fixture
def connection():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        yield connection


def test_amount(connection):
    assert amount(connection, "tea") == 3
"""
SHOP = (
    "def amount(connection, name):\n"
    '    return connection.execute("SELECT amount FROM price WHERE name = %s", [name]).fetchone()[0]\n'
)
PROJECT: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1"\ndependencies = ["psycopg[binary]>=3.2"]\n\n'
        '[tool.setuptools]\npy-modules = ["shop"]\n\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
    ),
    "shop.py": SHOP,
    "migrate.py": MIGRATE,
    "tests/integration/test_price.py": TEST,
    "tests/test_nothing.py": "def test_nothing():\n    pass\n",
}
POLICY = '[services.db]\nkind = "postgres"\nsetup = [["python", "migrate.py"]]\n'
DEPLOY = '[deploy]\ncommand = ["python3", "app.py"]\n'
API: Files = {"app.py": GOOD, "openapi.yaml": DOCUMENT}


class Bench(GateBench):
    """Examines the gate with services of this machine."""

    home: Path

    def integration(self) -> GateResult:
        assert isinstance(self.run, ProcessRun)
        return self.examine("integration", services=LocalServices(home=self.home, run=self.run))


@pytest.fixture
def bench(home: Path, place: Path, run: ProcessRun) -> Bench:
    bench = Bench(place, run, LocalEnvironments(home, run, domain="change"))
    bench.home = home
    return bench


def rules(result: GateResult) -> list[tuple[str, Attribution]]:
    return [(finding.rule, finding.attribution) for finding in result.findings]


# --- a real database ---------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@database
class TestDatabase:
    def test_tests_against_a_real_database_pass(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"shop.py": f"{SHOP}\n\ndef more():\n    return 1\n"}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason
        assert result.gate == "integration"
        assert [run.tool for run in result.tools] == ["pytest"]
        assert result.metrics["tests"] == 1.0
        assert {"coverage-pytest", "coverage"} <= set(result.artifacts)

    def test_nothing_is_left_behind(self, bench: Bench) -> None:
        bench.plant(PROJECT, policy=POLICY)
        bench.integration()
        ports = [line for line in bench.log if "PostgreSQL is up on port" in line]
        assert len(ports) == 1
        folders = [line.partition('socket "')[2].partition("/.s")[0] for line in bench.log if "Unix socket" in line]
        assert len(folders) == 1
        assert not Path(folders[0]).exists()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(ports[0].rsplit(" ", 1)[-1])), timeout=5)

    def test_a_test_that_fails_against_the_database(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"shop.py": SHOP.replace("SELECT amount", "SELECT 4 + 0 * amount")}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED, result.reason
        assert rules(result) == [("test-failed", Attribution.NEW)]
        assert result.findings[0].file == "tests/integration/test_price.py"

    def test_a_migration_that_breaks_the_tests_is_not_excused_by_the_base(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"migrate.py": MIGRATE.replace("'tea', 3", "'coffee', 3")}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED, result.reason
        assert rules(result) == [("test-failed", Attribution.NEW)]

    def test_a_migration_that_fails(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"migrate.py": MIGRATE.replace("CREATE TABLE", "CREATE TABEL")}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED
        assert rules(result) == [("setup-failed", Attribution.NEW)]
        assert "TABEL" in result.findings[0].message
        assert "python migrate.py ended with 1" in result.reason

    def test_a_migration_that_fails_on_the_base_too_blames_nobody(self, bench: Bench) -> None:
        broken = {**PROJECT, "migrate.py": MIGRATE.replace("CREATE TABLE", "CREATE TABEL")}
        bench.plant(broken, {"shop.py": f"{SHOP}\n\nMORE = 1\n"}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.ERRORED
        assert rules(result) == [("setup-failed", Attribution.PREEXISTING)]
        assert "baseline red" in result.reason

    def test_the_names_of_a_compose_file(self, bench: Bench) -> None:
        compose = "services:\n  db:\n    image: postgres:16\n    environment: {POSTGRES_DB: till, POSTGRES_USER: anna}\n"
        asks = (
            "import os\n\nimport psycopg\n\n\ndef test_names():\n"
            '    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:\n'
            '        found = connection.execute("SELECT current_database(), current_user").fetchone()\n'
            '    assert found == ("till", "anna")\n'
        )
        bench.plant({**PROJECT, "compose.yaml": compose, "tests/integration/test_price.py": asks})
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason

    def test_a_driver_among_the_dependencies_is_enough(self, bench: Bench) -> None:
        migrating = TEST.replace("import pytest\n", "import pytest\nimport migrate\n")
        bench.plant({**PROJECT, "tests/integration/test_price.py": migrating})
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason

    def test_the_password_is_shown_to_nobody(self, bench: Bench) -> None:
        tells = 'import os\n\n\ndef test_it():\n    assert False, os.environ["DATABASE_URL"]\n'
        bench.plant(PROJECT, {"tests/integration/test_price.py": tells}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED
        assert f"postgresql://{MASK}@127.0.0.1:" in result.findings[0].message
        assert not any("postgresql://" in line and f"{MASK}@" not in line for line in bench.log)

    def test_a_query_that_never_ends_ends_with_the_gate(self, bench: Bench) -> None:
        busy = (
            "import os\n\nimport psycopg\n\n\ndef test_it():\n"
            '    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:\n'
            '        connection.execute("SELECT count(*) FROM generate_series(1, 1e15)")\n'
        )
        policy = f'{POLICY}[gates.integration]\ntimeout = "8s"\n'
        bench.plant({**PROJECT, "tests/integration/test_price.py": busy}, policy=policy)
        result = bench.integration()
        assert result.outcome is Outcome.ERRORED
        assert "8" in result.reason
        wait_until(lambda: not _processes_named(b"generate_series"), timeout_s=10)

    def test_a_contract_of_an_application_with_a_database(self, bench: Bench) -> None:
        asking = GOOD.replace(
            '{"total": 12}', '{"total": psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT 12").fetchone()[0]}'
        ).replace("import os\n", "import os\nimport psycopg\n")
        policy = POLICY + DEPLOY.replace("python3", "python")
        bench.plant({**PROJECT, "app.py": asking, "openapi.yaml": DOCUMENT}, policy=policy)
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason
        assert [run.tool for run in result.tools] == ["pytest", "schemathesis"]


def _processes_named(text: bytes) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            content = place.read_bytes()
        except OSError:
            continue
        if text in content or (b"postgres: forge forge" in content and b"SELECT" in content):
            found.append(place.parent.name)
    return found


def test_no_server_on_the_machine_is_no_fault_of_the_change(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_FOLDERS", ())
    monkeypatch.setattr(postgres, "_WHEEL", "no_such_package")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    bench.plant(PROJECT, policy=POLICY)
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert "no PostgreSQL server on this machine (wanted since forge.toml declares them)" in result.reason
    assert "sudo apt-get install postgresql" in result.reason


def test_a_service_that_forge_cannot_start_is_named(bench: Bench) -> None:
    bench.plant({**PROJECT, "compose.yaml": "services: {cellar: {image: 'mysql:8'}}"})
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert 'compose.yaml has a service "cellar" (mysql:8)' in result.reason
    assert "[services.cellar]" in result.reason


# --- services as commands ----------------------------------------------------------------------------------------------

SERVER = """import os
import socket

listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    client, _ = listening.accept()
    client.close()
"""
ASKS = """import os
import socket


def test_echo():
    host, port = os.environ["ECHO_URL"].removeprefix("tcp://").split(":")
    socket.create_connection((host, int(port))).close()
"""
PLAIN: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "server.py": SERVER,
    "tests/integration/test_echo.py": ASKS,
}
ECHO = '[services.echo]\ncommand = ["python3", "server.py"]\nurl = "tcp://127.0.0.1:{port}"\nstart_timeout = "3s"\n'


def test_a_service_of_the_repository(bench: Bench) -> None:
    bench.plant(PLAIN, policy=ECHO)
    result = bench.integration()
    assert result.outcome is Outcome.PASSED, result.reason


def test_a_service_that_never_comes_up(bench: Bench) -> None:
    bench.plant({**PLAIN, "server.py": "import sys, time\nsys.stderr.write('still thinking')\ntime.sleep(60)\n"}, policy=ECHO)
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert "echo did not listen on its port within 3 s" in result.reason


def test_a_service_that_dies(bench: Bench) -> None:
    bench.plant({**PLAIN, "server.py": "raise SystemExit('no cellar')\n"}, policy=ECHO)
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert "echo ended with 1 before it was up" in result.reason
    assert "no cellar" in result.reason


def test_a_service_whose_program_is_missing(bench: Bench) -> None:
    bench.plant(PLAIN, policy='[services.echo]\ncommand = ["no-such-program"]\n')
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert "echo could not be started" in result.reason


def test_what_a_service_leaves_behind_is_gone_after_the_gate(bench: Bench) -> None:
    leaves = "import subprocess\nchild = subprocess.Popen(['flock', 'held', 'sleep', '300'], start_new_session=True)\n"
    bench.plant({**PLAIN, "server.py": leaves + SERVER}, policy=ECHO)
    assert bench.integration().outcome is Outcome.PASSED
    assert (bench.root / "held").exists()
    wait_until(lambda: is_free(bench.root / "held"))


def test_no_integration_test_is_nothing_to_examine(bench: Bench) -> None:
    plain = {name: text for name, text in PLAIN.items() if "integration" not in name}
    bench.plant(plain)
    result = bench.integration()
    assert result.outcome is Outcome.SKIPPED
    assert "no integration test" in result.reason
    bench.plant(plain, policy=ECHO)
    result = bench.integration()
    assert result.outcome is Outcome.SKIPPED
    assert "forge.toml declares [services.echo], and no test uses them" in result.reason


# --- the API contract --------------------------------------------------------------------------------------------------


def test_an_application_that_keeps_its_contract(bench: Bench) -> None:
    bench.plant(API, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is Outcome.PASSED, result.reason
    assert [(run.tool, run.examined) for run in result.tools] == [("schemathesis", 1)]
    assert "1 operations answer as documented" in result.reason


def test_an_application_that_breaks_its_contract(bench: Bench) -> None:
    bench.plant(API, {"app.py": BAD}, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is Outcome.FAILED, result.reason
    assert rules(result) == [("response_schema_conformance", Attribution.NEW)]
    finding = result.findings[0]
    assert finding.message.startswith("GET /prices/{number}: Response violates schema")
    assert 'curl -X GET "$APP"/prices/' in finding.suggested_fix


def test_a_contract_that_was_broken_before_blames_nobody(bench: Bench) -> None:
    bench.plant({**API, "app.py": BAD}, {"README.txt": "more\n"}, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is not Outcome.FAILED, result.reason
    assert rules(result) == [("response_schema_conformance", Attribution.PREEXISTING)]


def test_an_application_that_the_change_keeps_from_starting(bench: Bench) -> None:
    bench.plant(API, {"app.py": "raise SystemExit('broken')\n"}, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is Outcome.FAILED, result.reason
    assert rules(result) == [("application-down", Attribution.NEW)]


def test_an_application_that_never_started_blames_nobody(bench: Bench) -> None:
    bench.plant({**API, "app.py": "raise SystemExit('broken')\n"}, {"README.txt": "more\n"}, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is Outcome.ERRORED
    assert "the same happens on the base" in result.reason


def test_a_document_without_a_way_to_start_the_application(bench: Bench) -> None:
    bench.plant(API)
    result = bench.integration()
    assert result.outcome is Outcome.SKIPPED
    assert "there is openapi.yaml, but forge.toml says under [deploy] no command to start it" in result.reason


def test_a_document_that_nobody_can_read(bench: Bench) -> None:
    bench.plant(API, {"openapi.yaml": "not: [closed\n"}, policy=DEPLOY)
    result = bench.integration()
    assert result.outcome is Outcome.FAILED
    assert rules(result) == [("document", Attribution.NEW)]
