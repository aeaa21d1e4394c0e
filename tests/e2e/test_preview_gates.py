"""The gates build, preview and smoke with real builds and a real HTTP server, each fault beside its clean twin."""

import json
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import PlatformError, ReleaseFailed
from forge_dagster.gates.smoke import Smoke
from forge_dagster.platforms.artifacts import read_manifest, unpack
from forge_dagster.ports import Deployment, Gate, Platform
from forge_dagster.usecases.examine import examine_gate, gate_context
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun, SystemClock
from tests.support.gate_bench import Files, GateBench

SERVICE_POLICY = '[deploy]\ncommand = ["python", "-m", "shop"]\n'
PACKAGE: Files = {
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1.0"\n\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    ),
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/__main__.py": "print('shop')\n",
}
SITE: Files = {
    ".gitignore": "node_modules/\ndist/\n",
    "package.json": '{"name": "shop", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}\n',
    "build.mjs": (
        'import { mkdirSync, writeFileSync } from "node:fs";\n'
        'mkdirSync("dist");\nwriteFileSync("dist/index.html", "<p>shop</p>");\n'
    ),
}


@pytest.fixture
def run() -> Iterator[ProcessRun]:
    run = ProcessRun(home=None, run_id="preview-gates")
    yield run
    run.stop()


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, run: ProcessRun) -> GateBench:
    home = tmp_path_factory.getbasetemp() / "preview-gates-home"
    return GateBench(tmp_path, run, LocalEnvironments(home, run, domain="change"))


def members(artifact: str) -> list[str]:
    with tarfile.open(artifact) as tar:
        return tar.getnames()


# --- build -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_python_library_becomes_a_wheel(bench: GateBench) -> None:
    bench.plant(PACKAGE)
    result = bench.examine("build")
    assert result.outcome is Outcome.PASSED, result.reason
    artifact = Path(result.artifacts["artifact"])
    assert artifact.name == "release.whl"
    assert "shop/__init__.py" in zipfile.ZipFile(artifact).namelist()
    assert read_manifest(artifact).kind == "library"
    assert not (bench.folder / "scratch" / "build" / "tree").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pyproject.toml": str(PACKAGE["pyproject.toml"]).replace('version = "1.0"\n', "")}, "version"),
        ({"src/shop/__init__.py": None, "src/shop/__main__.py": None}, "files to ship"),
        ({"pyproject.toml": str(PACKAGE["pyproject.toml"]).replace("hatchling.build", "no_such_backend")}, "no_such_backend"),
    ],
    ids=["no version", "nothing to ship", "no such backend"],
)
def test_a_library_that_cannot_be_built_fails(bench: GateBench, change: Files, said: str) -> None:
    bench.plant(PACKAGE, change)
    result = bench.examine("build")
    assert result.outcome is Outcome.FAILED, result.reason
    assert result.findings[0].file == "pyproject.toml"
    assert said in result.findings[0].message
    assert "artifact" not in result.artifacts


@pytest.mark.slow
def test_an_index_out_of_reach_is_not_the_changes_fault(bench: GateBench) -> None:
    pyproject = str(PACKAGE["pyproject.toml"]) + '\n[[tool.uv.index]]\nurl = "http://127.0.0.1:9/simple"\ndefault = true\n'
    bench.plant({**PACKAGE, "pyproject.toml": pyproject})
    result = bench.examine("build")
    assert result.outcome is Outcome.ERRORED
    assert "index" in result.reason


@pytest.mark.slow
def test_a_service_is_packed_with_what_it_needs_and_always_the_same(bench: GateBench) -> None:
    pyproject = str(PACKAGE["pyproject.toml"]).replace('version = "1.0"\n', 'version = "1.0"\ndependencies = ["idna==3.10"]\n')
    bench.plant({**PACKAGE, "pyproject.toml": pyproject}, policy=SERVICE_POLICY)
    result = bench.examine("build")
    assert result.outcome is Outcome.PASSED, result.reason
    artifact = Path(result.artifacts["artifact"])
    assert artifact.name == "release.tar.gz"
    assert {"forge-artifact.json", "src/shop/__main__.py", "vendor/idna/__init__.py"} <= set(members(str(artifact)))
    assert not any("__pycache__" in name or name.startswith(".git/") for name in members(str(artifact)))
    made = read_manifest(artifact)
    assert (made.kind, made.command) == ("service", ("python", "-m", "shop"))
    assert made.environment == {"PYTHONPATH": ("src", ".", "vendor")}
    unpack(artifact, bench.folder / "unpacked")
    assert (bench.folder / "unpacked" / "vendor" / "idna").is_dir()
    assert bench.examine("build").artifacts["digest"] == result.artifacts["digest"]


def test_a_service_without_dependencies_needs_no_installation(bench: GateBench) -> None:
    bench.plant(PACKAGE, policy=SERVICE_POLICY)
    result = bench.examine("build")
    assert result.outcome is Outcome.PASSED, result.reason
    assert not any(name.startswith("vendor/") for name in members(result.artifacts["artifact"]))


@pytest.mark.slow
def test_a_site_is_built_by_its_own_script(bench: GateBench) -> None:
    bench.plant(SITE)
    result = bench.examine("build")
    assert result.outcome is Outcome.PASSED, result.reason
    made = read_manifest(Path(result.artifacts["artifact"]))
    assert (made.kind, made.directory) == ("static", "dist")
    assert "dist/index.html" in members(result.artifacts["artifact"])
    assert not (bench.root / "dist").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"build.mjs": "throw new Error('no');\n"}, Outcome.FAILED),
        ({"build.mjs": None}, Outcome.FAILED),
        ({"package.json": str(SITE["package.json"]).replace("node build.mjs", "no-such-bundler")}, Outcome.ERRORED),
    ],
    ids=["script throws", "script missing", "program missing"],
)
def test_a_build_script_that_fails(bench: GateBench, change: Files, outcome: Outcome) -> None:
    bench.plant(SITE, change)
    result = bench.examine("build")
    assert result.outcome is outcome, result.reason
    assert bool(result.findings) == (outcome is Outcome.FAILED)


def test_nothing_to_build_is_skipped(bench: GateBench) -> None:
    bench.plant({"README.md": "# Words\n"})
    assert bench.examine("build").outcome is Outcome.SKIPPED
    bench.plant({"README.md": "# Words\n"}, policy='[project]\nkind = "container"\n')
    assert bench.examine("build").outcome is Outcome.ERRORED


def test_links_and_strays_stay_out_of_the_artifact(bench: GateBench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    bench.plant({"index.html": "<p>shop</p>\n", ".gitignore": "stray\n"})
    (bench.root / "stray").write_text("not tracked")
    (bench.root / "out").symlink_to(tmp_path / "secret")
    (bench.root / "in").symlink_to("index.html")
    bench.commit_more()
    result = bench.examine("build")
    assert result.outcome is Outcome.PASSED, result.reason
    assert sorted(members(result.artifacts["artifact"])) == [".gitignore", "forge-artifact.json", "in", "index.html"]


# --- preview -----------------------------------------------------------------------------------------------------------


class OnePreview:
    """A platform that runs one thing, or fails."""

    name = "local"

    def __init__(self, url: str = "http://127.0.0.1:1", error: Exception | None = None) -> None:
        self.url, self.error = url, error
        self.named: list[str] = []

    def preview(self, *, name: str, artifact: Path, policy: Policy, log: Callable[[str], None]) -> Deployment:
        self.named.append(name)
        if self.error is not None:
            raise self.error
        return Deployment(id="x", url=self.url, artifact=str(artifact))


def previewed(bench: GateBench, platform: OnePreview | None, **artifacts: str) -> Any:
    bench.plant({"README.md": "# Words\n"})
    bench.results["build"] = gate_result("build", Outcome.PASSED, artifacts=artifacts)
    return bench.examine("preview", platform=cast(Platform, platform))


def test_a_preview_has_an_address(bench: GateBench) -> None:
    result = previewed(bench, OnePreview(), artifact="/x/release.tar.gz", kind="service")
    assert (result.outcome, result.links) == (Outcome.PASSED, {"preview": "http://127.0.0.1:1"})


def test_what_does_not_start_is_the_changes_fault(bench: GateBench) -> None:
    broken = OnePreview(error=ReleaseFailed("it ended by itself: ImportError", hint="listen on $PORT"))
    result = previewed(bench, broken, artifact="/x/release.tar.gz", kind="service")
    assert result.outcome is Outcome.FAILED
    assert "ImportError" in result.findings[0].message


@pytest.mark.parametrize("platform", [OnePreview(error=PlatformError("no supervisor")), None])
def test_a_platform_that_fails_is_not(bench: GateBench, platform: OnePreview | None) -> None:
    assert previewed(bench, platform, artifact="/x/release.tar.gz", kind="service").outcome is Outcome.ERRORED


def test_a_library_has_no_preview(bench: GateBench) -> None:
    result = previewed(bench, OnePreview(), artifact="/x/release.whl", kind="library")
    assert (result.outcome, "nothing to deploy" in result.reason) == (Outcome.SKIPPED, True)
    assert previewed(bench, OnePreview()).outcome is Outcome.SKIPPED


# --- smoke -------------------------------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Answers as the path says."""

    released = threading.Event()

    def do_GET(self) -> None:
        match self.path:
            case "/health" | "/" | "/ok":
                self._answer(200, b"fine")
            case "/none":
                self._answer(204, b"")
            case "/broken":
                self._answer(500, b"Traceback: <b>boom</b>\n" + b"x" * 1_000_000)
            case "/missing":
                self._answer(404, b"nothing here")
            case "/circle":
                self._answer(302, b"", location="/circle")
            case "/there":
                self._answer(301, b"", location="/ok")
            case "/login":
                self._answer(302, b"", location="http://login.invalid/")
            case "/hang":
                self.released.wait(30)
            case "/drip":
                self.send_response(200)
                self.end_headers()
                while not self.released.wait(0.05):
                    self.wfile.write(b".")
            case "/garbage":
                self.wfile.write(b"\x00\x01 not http\r\n\r\n")

    def _answer(self, status: int, body: bytes, *, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    Answers.released.clear()
    served = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    Answers.released.set()
    served.shutdown()
    served.server_close()
    thread.join()


def smoke(bench: GateBench, url: str, *, health: str = "/health", paths: tuple[str, ...] = ("/",)) -> Any:
    policy = f"[deploy]\nhealth = {json.dumps(health)}\ncritical_paths = {json.dumps(paths)}\n"
    bench.plant({"README.md": "# Words\n"}, policy=policy)
    context = gate_context(
        gate="smoke",
        job=Job.CHANGE,
        checkout=bench.checkout,
        scratch=bench.folder / "scratch" / "smoke",
        run=bench.run,
        environments=bench.environments,
        clock=SystemClock(),
        log=bench.log.append,
        results={"preview": gate_result("preview", Outcome.PASSED, links={"preview": url})},
    )
    return examine_gate(context, {"smoke": cast(Gate, Smoke(answer_limit_s=0.5, connect_limit_s=0.3))})


@pytest.mark.parametrize("paths", [("/",), ("/ok", "/there"), ("/none",), ("/login",)])
def test_a_preview_that_answers_passes(bench: GateBench, server: str, paths: tuple[str, ...]) -> None:
    result = smoke(bench, server, paths=paths)
    assert result.outcome is Outcome.PASSED, result.reason
    assert result.metrics["requests"] == 1 + len(paths)


@pytest.mark.parametrize(
    ("health", "paths", "rule", "said"),
    [
        ("/broken", ("/",), "health", "answered 500: Traceback: <b>boom</b>"),
        ("/login", ("/",), "health", "answered 302"),
        ("/missing", ("/",), "health", "answered 404: nothing here"),
        ("/health", ("/missing",), "critical-path", "answered 404"),
        ("/health", ("/circle",), "critical-path", "redirects more than"),
        ("/health", ("/hang",), "critical-path", "did not answer within"),
        ("/health", ("/drip",), "critical-path", "did not answer whole within"),
        ("/health", ("/garbage",), "critical-path", "did not answer properly"),
    ],
)
def test_a_preview_that_does_not_answer_fails(
    bench: GateBench, server: str, health: str, paths: tuple[str, ...], rule: str, said: str
) -> None:
    result = smoke(bench, server, health=health, paths=paths)
    assert result.outcome is Outcome.FAILED
    (finding,) = result.findings
    assert finding.rule == rule
    assert said in finding.message
    assert server in finding.message
    assert len(finding.message) < 900


def test_a_refused_connection_is_tried_again_for_a_while(bench: GateBench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = smoke(bench, url)
    assert result.outcome is Outcome.FAILED
    assert len(result.findings) == 2
    assert "cannot be reached" in result.findings[0].message


def test_no_preview_nothing_to_smoke(bench: GateBench) -> None:
    bench.plant({"README.md": "# Words\n"})
    assert bench.examine("smoke").outcome is Outcome.ERRORED
    bench.results["preview"] = gate_result("preview", Outcome.SKIPPED, reason="nothing to deploy")
    assert bench.examine("smoke").outcome is Outcome.SKIPPED


# --- integrity ---------------------------------------------------------------------------------------------------------


def test_integrity_looks_at_the_changed_files(bench: GateBench) -> None:
    bench.plant({"a.py": "x = 1\nold = '\u202e'\n"}, {"a.py": "x = 2\nold = '\u202e'\n"})
    assert bench.examine("integrity").outcome is Outcome.PASSED
    bench.plant({"a.py": "x = 1\n"}, {"a.py": "x = '\u202e'\n", "forge.toml": "\n"})
    result = bench.examine("integrity")
    assert result.outcome is Outcome.FAILED
    assert [(f.rule, f.place) for f in result.findings] == [("hidden-character", "a.py:1"), ("protected-path", "forge.toml")]
    assert "identity not checked" in result.reason


def test_integrity_refuses_a_policy_that_would_stop_every_later_change(bench: GateBench) -> None:
    bench.plant({"a.py": "x = 1\n"}, {"forge.toml": "[gates.lnt]\n"})
    result = bench.examine("integrity")
    assert result.outcome is Outcome.FAILED
    assert ("broken-policy", "forge.toml") in [(f.rule, f.file) for f in result.findings]
    bench.plant({"a.py": "x = 1\n"}, {"forge.toml": "[gates.lint]\nenabled = true\n"})
    assert bench.examine("integrity").outcome is Outcome.PASSED


def test_integrity_sees_links_out_of_the_tree(bench: GateBench, tmp_path: Path) -> None:
    bench.plant({"a.py": "x = 1\n"})
    (bench.root / "out").symlink_to("../secret")
    (bench.root / "loop").symlink_to("loop")
    (bench.root / "in").symlink_to("a.py")
    bench.commit_more()
    result = bench.examine("integrity")
    assert result.outcome is Outcome.FAILED
    assert [f.file for f in result.findings] == ["out"]
