"""The gates build, preview and smoke are proven by real builds and real processes, on a machine alone and in a nightly run."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_dagster import registry
from forge_dagster.bootstrap import build_services
from forge_dagster.domain.changes import Attempt, Identity
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.planted.plan import PROVABLE
from forge_dagster.domain.planted.proofs import Proof
from forge_dagster.domain.planted.releases import RELEASED
from forge_dagster.domain.policy import policy_digest
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.ports import Checkout, Environments, Gate, GateContext, Platform, Services
from forge_dagster.usecases.prove_gates import Proving, prove_gates
from forge_dagster.usecases.prove_nightly import prove_nightly
from forge_dagster.workspace.checkout import local_checkout
from forge_dagster.workspace.processes import ProcessRun
from tests.support.forge_command import ForgeCommand
from tests.support.proving import bare_check
from tests.support.repositories import TestRepository

pytestmark = pytest.mark.xdist_group("prove-releases")
SERVER = (
    '"""A shop."""\n\nfrom __future__ import annotations\n\nimport os\n'
    "from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n\n\n"
    "class Handler(BaseHTTPRequestHandler):\n    def do_GET(self) -> None:\n        self.send_response(200)\n"
    "        self.end_headers()\n\n\n"
    'ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()\n'
)
SERVICE = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n',
    "serve.py": SERVER,
    "forge.toml": '[deploy]\ncommand = ["python", "serve.py"]\n',
}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ProcessRun]:
    made = ProcessRun(home=tmp_path / "home", run_id="prove")
    yield made
    made.stop()


@pytest.fixture
def service(tmp_path: Path) -> TestRepository:
    repository = TestRepository(tmp_path / "service")
    repository.commit(**SERVICE)
    return repository


# --- who is asked, and what is left ------------------------------------------------------------------------------------


class FakeGate:
    """A gate that fails where a file that it looks at holds a text."""

    def __init__(self, name: str, path: str, text: str) -> None:
        self.name, self.path, self.text = name, path, text

    def examine(self, context: GateContext) -> GateResult:
        if self.name == "preview" and context.platform is not None:
            context.platform.preview(name="", artifact=context.root, policy=context.policy, log=context.log)
        if not self.text or self.text not in (context.root / self.path).read_text():
            return gate_result(self.name, Outcome.PASSED)
        found = Finding(tool="fake", rule="x", message=self.text, category=Category.DEPLOY, file=self.path)
        return gate_result(self.name, Outcome.FAILED, findings=[found])


class CountingPlatform:
    """A platform that counts what it starts and stops."""

    name = "local"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def preview(self, **_more: object) -> None:
        self.calls.append("preview")

    def remove_preview(self, *, name: str) -> None:
        self.calls.append(f"remove {name}")


def proofs(
    service: TestRepository, run: ProcessRun, tmp_path: Path, platform: CountingPlatform, **texts: str
) -> dict[str, Proof]:
    told = {"build": "file:///forge", "preview": "raise RuntimeError", "smoke": "500"} | texts
    files = {"build": "pyproject.toml", "preview": "serve.py", "smoke": "serve.py"}
    gates: dict[str, Gate] = {name: FakeGate(name, files[name], told[name]) for name in RELEASED}
    platforms: Any = {"local": platform}
    work = bare_check(service, gates, run, tmp_path, platforms=platforms)
    proving = Proving(work=work, tools=registry.tools(), parent=tmp_path / "copies", only=RELEASED)
    return {one.gate: one.proof for one in prove_gates(proving)}


def test_each_preview_is_removed_and_what_is_not_built_is_not_started(
    service: TestRepository, run: ProcessRun, tmp_path: Path
) -> None:
    platform = CountingPlatform()
    assert set(proofs(service, run, tmp_path, platform).values()) == {Proof.PROVEN}
    removed = f"remove {service.path.name}/local"
    assert platform.calls == ["preview", removed, "preview", removed], "one for gate preview and one for gate smoke"


@pytest.mark.parametrize("gate", RELEASED)
def test_a_gate_that_sees_nothing_is_found_out(gate: str, service: TestRepository, run: ProcessRun, tmp_path: Path) -> None:
    found = proofs(service, run, tmp_path, CountingPlatform(), **{gate: ""})
    assert {name: proof for name, proof in found.items() if proof is not Proof.PROVEN} == {gate: Proof.NOT_PROVEN}


# --- real builds and processes -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> ForgeCommand:
    return ForgeCommand(tmp_path_factory.mktemp("home"))


def asked(forge: ForgeCommand, repository: TestRepository, code: int = 0) -> dict[str, dict[str, Any]]:
    """Gate -> its row of the report."""
    names = [word for gate in RELEASED for word in ("--gate", gate)]
    done = forge.run("doctor", "--gates", *names, "--format", "json", repository.path)
    assert done.returncode == code, done.stdout + done.stderr
    return {row["gate"]: row for row in json.loads(done.stdout)["gates"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "smoke"),
    [("", "pages that answer 500"), ('health = "/"\n', "a health check that leads elsewhere")],
)
def test_a_python_service(forge: ForgeCommand, service: TestRepository, more: str, smoke: str) -> None:
    service.commit(**{"forge.toml": SERVICE["forge.toml"] + more})
    rows = asked(forge, service)
    assert [(gate, row["proof"], row["planted"]) for gate, row in rows.items()] == [
        ("build", "proven", "a dependency that cannot be installed"),
        ("preview", "proven", "a program that ends as it starts"),
        ("smoke", "proven", smoke),
    ]


@pytest.mark.slow
def test_a_service_with_a_lock(forge: ForgeCommand, service: TestRepository) -> None:
    lock = 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "shop"\nversion = "1"\nsource = { virtual = "." }\n'
    service.commit(**{"uv.lock": lock})
    assert {gate: row["proof"] for gate, row in asked(forge, service).items()} == dict.fromkeys(RELEASED, "proven")


@pytest.mark.slow
def test_a_python_library_is_not_started(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "library")
    project = '[project]\nname = "sample"\nversion = "1"\n\n[build-system]\nrequires = ["x"]\nbuild-backend = "x"\n'
    repository.commit(**{"pyproject.toml": project, "sample.py": "A = 1\n"})
    rows = asked(forge, repository)
    assert {gate: row["proof"] for gate, row in rows.items()} == {"build": "proven", "preview": "cannot", "smoke": "cannot"}
    assert "names no command" in rows["smoke"]["reason"]


SCRIPTED = {
    "package.json": (
        '{"name": "shop", "version": "1.0.0", "private": true,'
        ' "scripts": {"build": "node --check serve.cjs", "start": "node serve.cjs"}}\n'
    ),
    "serve.cjs": (
        'const http = require("node:http");\n\n'
        'http.createServer((_, response) => response.end("fine")).listen(Number(process.env.PORT), "127.0.0.1");\n'
    ),
    "forge.toml": '[deploy]\ncommand = ["npm", "start"]\n',
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["commonjs", "module"])
def test_a_javascript_service(forge: ForgeCommand, tmp_path: Path, kind: str) -> None:
    repository = TestRepository(tmp_path / "scripts")
    files = dict(SCRIPTED)
    if kind == "module":
        files = {name.replace(".cjs", ".mjs"): text.replace(".cjs", ".mjs") for name, text in files.items()}
        files["serve.mjs"] = files["serve.mjs"].replace('const http = require("node:http")', 'import http from "node:http"')
    repository.commit(**files)
    assert {gate: row["proof"] for gate, row in asked(forge, repository).items()} == dict.fromkeys(RELEASED, "proven")


@pytest.mark.slow
def test_a_build_script_that_cannot_fail_is_found_out(forge: ForgeCommand, tmp_path: Path) -> None:
    repository = TestRepository(tmp_path / "scripts")
    repository.commit(**{"package.json": SCRIPTED["package.json"].replace("--check serve.cjs", "--check serve.cjs || true")})
    repository.commit(**{name: text for name, text in SCRIPTED.items() if name != "package.json"})
    rows = asked(forge, repository, code=3)
    assert [row["proof"] for row in rows.values()] == ["not_proven", "proven", "proven"]
    assert "passed in spite of a build script that throws" in rows["build"]["reason"]


# --- the nightly run ---------------------------------------------------------------------------------------------------


class OneTree:
    """A workspace with one checkout."""

    def __init__(self, checkout: Checkout, environments: Environments, folder: Path) -> None:
        self.environments, self._checkout, self._folder = environments, checkout, folder

    def checkout(self, _attempt: Attempt, _host: object, *, log: Callable[[str], None]) -> Checkout:
        return self._checkout

    def scratch(self, _attempt: Attempt, gate: str) -> Path:
        return self._folder / gate


def services_for(service: TestRepository, run: ProcessRun, home: Path) -> Services:
    home.mkdir(exist_ok=True)
    made = build_services(home)
    workspace: Any = OneTree(local_checkout(service.path, "HEAD", "HEAD", run), made.workspace.environments, home / "scratch")
    host: Any = None
    never: dict[str, Platform] = {}
    return dataclasses.replace(made, workspace=workspace, host_of=lambda _repository: host, platforms=never)


@pytest.mark.slow
def test_a_night_proves_them_with_what_it_runs_itself(service: TestRepository, run: ProcessRun, tmp_path: Path) -> None:
    others = [name for name in PROVABLE if name not in RELEASED]
    policy = SERVICE["forge.toml"] + "".join(f"[gates.{name}]\nenabled = false\n" for name in others)
    sha = service.commit(**{"forge.toml": policy})
    services = services_for(service, run, tmp_path / "home")
    attempt = services.ledger.open_attempt(
        Attempt(
            repository="acme/shop",
            job=Job.NIGHTLY,
            title="a night",
            base_ref="main",
            head_sha=sha,
            policy_digest=policy_digest(policy),
            identity=Identity(),
            created_at=services.clock.now(),
        )
    )
    assert attempt is not None
    said: list[str] = []
    result, proven = prove_nightly(services, attempt.id, run_id="night", log=said.append)
    assert result.outcome is Outcome.PASSED, (result.reason, said)
    assert {one.gate for one in proven if one.proof is Proof.PROVEN} == set(RELEASED)
    assert services.ledger.results(attempt.id)["proof"].outcome is Outcome.PASSED
    assert not list((tmp_path / "home" / "supervisor" / "programs").glob("*")), "no program of the home's own"
