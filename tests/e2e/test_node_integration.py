"""The gate integration on Node projects, with real services, and on an application that serves its own OpenAPI document."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from forge_dagster.domain.outcomes import Attribution, Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.workspace import postgres
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.services import LocalServices
from tests.support.api_seeds import BAD, DOCUMENT, GOOD
from tests.support.gate_bench import Files, GateBench
from tests.support.postgres import find_server

pytestmark = pytest.mark.slow
database = pytest.mark.skipif(find_server() is None, reason=f"no PostgreSQL server: {postgres.MISSING}")
redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server: sudo apt-get install redis-server")

PACKAGE = {
    "name": "shop",
    "private": True,
    "type": "module",
    "scripts": {"test": "node --test"},
    "dependencies": {"pg": "^8.11.0"},
}
TEST = """import assert from "node:assert";
import { after, test } from "node:test";
import pg from "pg";
import { amount } from "../../shop.js";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
after(() => client.end());

test("amount", async () => {
  assert.equal(await amount(client, "tea"), 3);
});
"""
SHOP = """export async function amount(client, name) {
  const { rows } = await client.query("SELECT amount FROM price WHERE name = $1", [name]);
  return rows[0].amount;
}
"""
MIGRATE = """import pg from "pg";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query("CREATE TABLE price (name text, amount integer)");
await client.query("INSERT INTO price VALUES ('tea', 3)");
await client.end();
"""
PROJECT: Files = {
    ".gitignore": "node_modules/\n",
    "package.json": json.dumps(PACKAGE),
    "shop.js": SHOP,
    "migrate.js": MIGRATE,
    "test/integration/price.test.js": TEST,
    "test/nothing.test.js": 'import { test } from "node:test";\n\ntest("nothing", () => {});\n',
}
POLICY = '[services.db]\nkind = "postgres"\nsetup = [["node", "migrate.js"]]\n'

PING = """const assert = require("node:assert");
const net = require("node:net");
const { test } = require("node:test");

test("redis answers", async () => {
  const { hostname, port } = new URL(process.env.REDIS_URL);
  const socket = net.connect(Number(port), hostname);
  socket.write("PING\\r\\n");
  const [answer] = await require("node:events").once(socket, "data");
  socket.destroy();
  assert.equal(String(answer), "+PONG\\r\\n");
});
"""
CACHE: Files = {
    "package.json": json.dumps({"name": "cache", "private": True, "scripts": {"test": "node --test"}}),
    "test/integration/cache.test.js": PING,
}
REDIS = """[services.cache]
command = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", ""]
variable = "REDIS_URL"
url = "redis://127.0.0.1:{port}/0"
"""

_ANSWER = '        name, _, number = self.path.rpartition("/")\n'
_SERVING = (
    '        if self.path == "/openapi.json":\n'
    "            return self.answer(200, json.loads(open('contract.json').read()))\n"
)


def serving(application: str) -> str:
    """The application, which serves its document."""
    return application.replace(_ANSWER, _SERVING + _ANSWER)


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


@pytest.mark.postgres
@database
class TestDatabase:
    def test_tests_against_a_real_database_pass(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"shop.js": f"{SHOP}\nexport const more = 1;\n"}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason
        assert [(run.tool, run.examined) for run in result.tools] == [("node_test", 1)]

    def test_a_test_that_fails_against_the_database(self, bench: Bench) -> None:
        bench.plant(PROJECT, {"shop.js": SHOP.replace("SELECT amount", "SELECT 4 AS amount, amount AS old")}, policy=POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED, result.reason
        assert rules(result) == [("test-failed", Attribution.NEW)]
        assert result.findings[0].file == "test/integration/price.test.js"
        assert "amount failed" in result.findings[0].message

    def test_the_unit_gate_leaves_them_out(self, bench: Bench) -> None:
        bench.plant(PROJECT, policy=POLICY)
        result = bench.examine("unit")
        assert result.outcome is Outcome.PASSED, result.reason
        assert result.metrics["tests"] == 1.0


@redis
class TestRedis:
    def test_as_forge_toml_declares_it(self, bench: Bench) -> None:
        bench.plant(CACHE, policy=REDIS)
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason
        assert [(run.tool, run.examined) for run in result.tools] == [("node_test", 1)]

    def test_as_a_compose_file_names_it(self, bench: Bench) -> None:
        bench.plant({**CACHE, "compose.yaml": "services:\n  cache:\n    image: redis:7\n"})
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason


class TestServedDocument:
    POLICY = '[deploy]\ncommand = ["python3", "app.py"]\n[gates.integration]\nopenapi = "/openapi.json"\n'

    @pytest.fixture
    def files(self) -> Files:
        return {"app.py": serving(GOOD), "contract.json": json.dumps(yaml.safe_load(DOCUMENT))}

    def test_an_application_that_keeps_its_contract(self, bench: Bench, files: Files) -> None:
        bench.plant(files, policy=self.POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.PASSED, result.reason
        assert [(run.tool, run.examined) for run in result.tools] == [("schemathesis", 1)]

    def test_an_application_that_breaks_its_contract(self, bench: Bench, files: Files) -> None:
        bench.plant(files, {"app.py": serving(BAD)}, policy=self.POLICY)
        result = bench.integration()
        assert result.outcome is Outcome.FAILED, result.reason
        assert rules(result) == [("response_schema_conformance", Attribution.NEW)]

    def test_a_document_that_is_not_served(self, bench: Bench, files: Files) -> None:
        bench.plant({**files, "app.py": GOOD}, policy=self.POLICY)
        result = bench.integration()
        assert result.outcome is not Outcome.PASSED, result.reason
        assert "/openapi.json" in f"{result.reason} {[finding.message for finding in result.findings]}"
