"""Seeds of the scanners of gate sca. Each brings the service that the scanner asks, since what a public one says changes daily.

The services answer as documented: npm's bulk advisory endpoint (docs.npmjs.com, "npm audit", "Bulk Advisory Endpoint"), and the
API of OSV (google.github.io/osv.dev/post-v1-query).
"""

import json
from typing import Any

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from forge_dagster.tools.analysis.osv_scanner import DATABASE_VARIABLE
from forge_dagster.tools.analysis.uv_audit import SERVICE_VARIABLE
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

REGISTRY = """import gzip
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLAWED = {"left-pad": {"id": 1112345, "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc", "title": "A flaw of left-pad",
                       "severity": "high", "vulnerable_versions": "<1.3.0", "cwe": ["CWE-1333"],
                       "cvss": {"score": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}}}


class Registry(BaseHTTPRequestHandler):
    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content)
        if not ANSWERS:
            return self.answer(405, {"error": "Method Not Allowed"})
        self.answer(200, {name: [FLAWED[name]] for name, versions in asked.items() if name in FLAWED and "1.1.0" in versions})

    def do_GET(self):
        name = self.path.strip("/")
        versions = {number: {"name": name, "version": number} for number in ("1.1.0", "1.3.0")}
        self.answer(200, {"name": name, "dist-tags": {"latest": "1.3.0"}, "versions": versions})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Registry).serve_forever()
"""


def npm_lock(version: str) -> str:
    entry: dict[str, Any] = {"version": version, "dev": True}
    root = {"name": "shop", "version": "1.0.0", "devDependencies": {"left-pad": "^1.1.0"}}
    packages = {"": root, "node_modules/left-pad": entry}
    lock = {"name": "shop", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    return json.dumps(lock, indent=2) + "\n"


PACKAGE = {"name": "shop", "version": "1.0.0", "devDependencies": {"left-pad": "^1.1.0"}}


def _npm(case: str, outcome: Outcome, version: str, *, answers: bool = True, **rest: Any) -> Seed:
    return Seed(
        tool="npm_audit",
        case=case,
        files={
            "package.json": json.dumps(PACKAGE, indent=2) + "\n",
            "package-lock.json": npm_lock(version),
            "registry.py": REGISTRY.replace("ANSWERS", str(answers)),
        },
        node=NodeProject(manager="npm", package=PACKAGE, lock_file="package-lock.json", dependencies=frozenset({"left-pad"})),
        outcome=outcome,
        serve=("python3", "registry.py"),
        told_in="NPM_CONFIG_REGISTRY",
        **rest,
    )


NPM_AUDIT = (
    _npm("fault", FAILED, "1.1.0", findings=(("package-lock.json", None, "GHSA-aaaa-bbbb-cccc"),)),
    _npm("clean", PASSED, "1.3.0"),
    _npm("no-answer", ERRORED, "1.3.0", answers=False, examined=0),
    _npm("own-registry", ERRORED, "1.3.0", examined=0, commits=({".npmrc": "audit-level=critical\n"},)),
)

OSV = """import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLAW = {"id": "PYSEC-2026-7", "aliases": ["CVE-2026-1"], "modified": "2026-11-01T10:00:00Z", "summary": "A flaw of iniconfig",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "iniconfig"}, "versions": ["1.1.0"],
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1.1"}]}]}]}


def flawed(asked):
    return asked.get("package", {}).get("name") == "iniconfig" and asked.get("version") == "1.1.0"


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not ANSWERS:
            return self.answer(503, {"message": "no"})
        if self.path.endswith("/querybatch"):
            known = {"id": FLAW["id"], "modified": FLAW["modified"]}
            return self.answer(200, {"results": [{"vulns": [known]} if flawed(one) else {} for one in asked["queries"]]})
        self.answer(200, {"vulns": [FLAW]} if flawed(asked) else {})

    def do_GET(self):
        self.answer(200, FLAW)

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Service).serve_forever()
"""


def _pip(case: str, outcome: Outcome, version: str, *, answers: bool = True, **rest: Any) -> Seed:
    return Seed(
        tool="pip_audit",
        case=case,
        files={"requirements.txt": f"iniconfig=={version}\n", "service.py": OSV.replace("ANSWERS", str(answers))},
        python=PythonProject(manager="pip", requirement_files=("requirements.txt",), dependencies=frozenset({"iniconfig"})),
        outcome=outcome,
        serve=("python3", "service.py"),
        told_in="PIP_AUDIT_OSV_URL",
        variables={"PIP_AUDIT_VULNERABILITY_SERVICE": "osv"},
        **rest,
    )


PIP_AUDIT = (
    _pip("fault", FAILED, "1.1.0", findings=((None, None, "CVE-2026-1"),)),
    _pip("clean", PASSED, "1.1.1"),
    _pip("no-answer", ERRORED, "1.1.1", answers=False, examined=0),
)

_PYPROJECT: dict[str, Any] = {
    "project": {"name": "shop", "version": "1", "requires-python": ">=3.11", "dependencies": ["iniconfig"]}
}
_UV_LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "iniconfig"
version = "VERSION"
source = { registry = "https://packages.example.org/simple" }
sdist = { url = "https://packages.example.org/iniconfig.tar.gz", hash = "sha256:HASH" }

[[package]]
name = "shop"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "iniconfig" }]

[package.metadata]
requires-dist = [{ name = "iniconfig" }]
"""
_MANIFEST = """[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["iniconfig"]
"""


def _uv(case: str, outcome: Outcome, version: str, *, answers: bool = True, more: str = "", **rest: Any) -> Seed:
    """`more`: what the project's file has besides."""
    return Seed(
        tool="uv_audit",
        case=case,
        files={
            "pyproject.toml": _MANIFEST + more,
            "uv.lock": _UV_LOCK.replace("VERSION", version).replace("HASH", "0" * 64),
            "service.py": OSV.replace("ANSWERS", str(answers)),
        },
        python=PythonProject(manager="uv", pyproject=_PYPROJECT, lock_file="uv.lock", dependencies=frozenset({"iniconfig"})),
        outcome=outcome,
        serve=("python3", "service.py"),
        told_in=SERVICE_VARIABLE,
        **rest,
    )


_UV_FAULT = (("uv.lock", None, "CVE-2026-1"),)
UV_AUDIT = (
    _uv("fault", FAILED, "1.1.0", findings=_UV_FAULT),
    _uv("clean", PASSED, "1.1.1"),
    _uv("told-to-ignore", FAILED, "1.1.0", findings=_UV_FAULT, more='\n[tool.uv.audit]\nignore = ["CVE-2026-1"]\n'),
    _uv("no-answer", ERRORED, "1.1.1", answers=False, examined=0),
)

DATABASE = """import json
import os
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

FLAW = {"id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2026-1"], "modified": "2026-11-01T10:00:00Z",
        "summary": "A flaw of left-pad",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
        "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
                      "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}]}]}
place = Path("database/osv-scalibr/npm")
place.mkdir(parents=True, exist_ok=True)
if ANSWERS:
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        archive.writestr("GHSA-aaaa-bbbb-cccc.json", json.dumps(FLAW))
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), BaseHTTPRequestHandler).serve_forever()
"""


def _osv(case: str, outcome: Outcome, version: str, *, answers: bool = True, **rest: Any) -> Seed:
    """`database.py` writes the database that the scanner reads; its port only tells that it has."""
    return Seed(
        tool="osv_scanner",
        case=case,
        files={
            "package.json": json.dumps(PACKAGE, indent=2) + "\n",
            "package-lock.json": npm_lock(version),
            "database.py": DATABASE.replace("ANSWERS", str(answers)),
        },
        node=NodeProject(manager="npm", package=PACKAGE, lock_file="package-lock.json", dependencies=frozenset({"left-pad"})),
        outcome=outcome,
        serve=("python3", "database.py"),
        told_in="DATABASE_IS_WRITTEN",
        variables={DATABASE_VARIABLE: "database"},
        **rest,
    )


OSV_SCANNER = (
    _osv("fault", FAILED, "1.1.0", findings=(("package-lock.json", None, "GHSA-aaaa-bbbb-cccc"),)),
    _osv("clean", PASSED, "1.3.0"),
    _osv("no-database", ERRORED, "1.3.0", answers=False, examined=0),
)

SEEDS = (*NPM_AUDIT, *PIP_AUDIT, *UV_AUDIT, *OSV_SCANNER)
