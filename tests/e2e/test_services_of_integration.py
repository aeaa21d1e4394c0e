"""The gate integration with programs that people really run beside their tests: redis-server, and an application of FastAPI
that serves its own OpenAPI document.
"""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.services import LocalServices
from tests.support.gate_bench import Files, GateBench
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="no redis-server on PATH: sudo apt-get install redis-server"
)

Examine = Callable[[], GateResult]


@pytest.fixture
def examine(bench: GateBench, home: Path, run: ProcessRun) -> Examine:
    return lambda: bench.examine("integration", services=LocalServices(home=home, run=run))


def _project(*dependencies: str) -> str:
    listed = ", ".join(f'"{name}"' for name in dependencies)
    return (
        f'[project]\nname = "basket"\nversion = "1"\ndependencies = [{listed}]\n\n'
        '[tool.setuptools]\npy-modules = ["basket"]\n\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
    )


# --- redis -------------------------------------------------------------------------------------------------------------

BASKET = """def put(store, name, amount):
    return store.hincrby("basket", name, amount)
"""
BASKET_TEST = """import os

import basket
import redis


def test_amounts_add_up():
    store = redis.Redis.from_url(os.environ["REDIS_URL"])
    assert store.dbsize() == 0
    assert (basket.put(store, "tea", 2), basket.put(store, "tea", 3)) == (2, 5)
    print("server", store.info("server")["process_id"])
"""
WITH_REDIS: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": _project("redis>=5") + 'addopts = "-s"\n',
    "basket.py": BASKET,
    "tests/integration/test_basket.py": BASKET_TEST,
}
DECLARED = """[services.store]
command = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--dir", "{folder}"]
variable = "REDIS_URL"
url = "redis://127.0.0.1:{port}/0"
"""
COMPOSE = "services:\n  store:\n    image: docker.io/library/redis:7-alpine\n    ports: ['6379:6379']\n"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_redis
def test_a_redis_that_the_policy_declares(bench: GateBench, examine: Examine) -> None:
    bench.plant(WITH_REDIS, policy=DECLARED)
    result = examine()
    assert result.outcome is Outcome.PASSED, result.reason
    assert result.metrics["tests"] == 1.0
    (port,) = {int(line.rpartition(" ")[2]) for line in bench.log if line.startswith("store: up on port ")}
    wait_until(lambda: not listens(port))
    assert examine().outcome is Outcome.PASSED, "the second run found what the first left in the store"


@needs_redis
def test_a_redis_of_a_compose_file(bench: GateBench, examine: Examine) -> None:
    bench.plant({**WITH_REDIS, "docker-compose.yml": COMPOSE})
    result = examine()
    assert result.outcome is Outcome.PASSED, result.reason


@needs_redis
def test_a_change_that_breaks_what_is_stored_is_rejected_by_name(bench: GateBench, examine: Examine) -> None:
    bench.plant({**WITH_REDIS, "compose.yaml": COMPOSE}, {"basket.py": BASKET.replace("amount)\n", "1)\n")})
    result = examine()
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(finding.rule, finding.attribution) for finding in result.findings] == [("test-failed", Attribution.NEW)]
    assert "test_amounts_add_up" in result.findings[0].message


def test_no_redis_on_the_machine_is_no_fault_of_the_change(
    bench: GateBench, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.plant({**WITH_REDIS, "compose.yaml": COMPOSE})
    monkeypatch.setenv("PATH", "/no-such-folder")
    result = examine()
    assert result.outcome is Outcome.ERRORED
    assert 'compose.yaml has a service "store"' in result.reason


# --- a served OpenAPI document -----------------------------------------------------------------------------------------

SERVED = """import os

import fastapi
import uvicorn

app = fastapi.FastAPI()


@app.get("/prices/{number}")
def price(number: int) -> dict[str, int]:
    return {"total": number}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
"""
WITH_API: Files = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": _project("fastapi>=0.110", "uvicorn"),
    "basket.py": SERVED,
    "tests/test_basket.py": "import basket\n\n\ndef test_price():\n    assert basket.price(3) == {'total': 3}\n",
}
DEPLOYED = '[deploy]\ncommand = ["python", "basket.py"]\n'


def test_an_application_is_held_against_the_document_it_serves(bench: GateBench, examine: Examine) -> None:
    bench.plant(WITH_API, policy=DEPLOYED)
    result = examine()
    assert result.outcome is Outcome.PASSED, result.reason
    assert [(run.tool, run.examined) for run in result.tools] == [("schemathesis", 1)]


def test_an_application_that_breaks_the_document_it_serves(bench: GateBench, examine: Examine) -> None:
    broken = SERVED.replace('{"total": number}', '{"total": 100 // number}')
    bench.plant(WITH_API, {"basket.py": broken}, policy=DEPLOYED)
    result = examine()
    assert result.outcome is Outcome.FAILED, result.reason
    found = {(finding.rule, finding.attribution) for finding in result.findings}
    assert ("not_a_server_error", Attribution.NEW) in found


def test_an_application_that_serves_no_document_is_not_examined(bench: GateBench, examine: Examine) -> None:
    bench.plant({**WITH_API, "basket.py": SERVED.replace("FastAPI()", "FastAPI(openapi_url=None)")}, policy=DEPLOYED)
    result = examine()
    assert result.outcome is Outcome.SKIPPED
    assert "serves no OpenAPI document at /openapi.json" in result.reason
