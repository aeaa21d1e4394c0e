"""Seeds of trivy, with a database of two flaws that are made up.

The database was made by trivy's own packages (github.com/aquasecurity/trivy-db, `PutAdvisory`, `PutVulnerability`); the format
is bolt's, which nothing here writes.
"""

import json
from typing import Any

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from forge_dagster.tools.analysis.trivy import DATABASE_VARIABLE
from tests.support.seeds import Seed

_METADATA = (
    '{"Version":2,"NextUpdate":"2036-11-01T10:00:00Z","UpdatedAt":"2026-11-01T10:00:00Z","DownloadedAt":"2026-11-01T10:00:00Z"}'
)
_DATABASE = (
    "c-rmV-"
    ")hrP9Ki9e>!#?`UV9aD;Z>9M4~hf?hm&nEWI8Q~4#}F+Hjp+UNvC5}@EyF@w@_cgOE0|g1@;d9vZS?(c6E3&w(kc{PJWzoa+*_m@"
    "jIk#p^z$N_2G}D!(wt$PUFSGahJ0Ca#k0!`se4b-"
    "#cIK^$Gw00002s%$b{!|Ig?87jykb<8Q3*Ke>5l^EN9A00000z}Yj(=gTYw000000O!_xZXW;u00000oIj;;{+~X{pB$5C0j^8=C"
    "MD{+LE!c~Mrg+>ns$}q_<I29=qpk_NO{<NWYnwmyGH#$Z>qlIha0PrZoSmk*0)y-M;J;NZK3Z}^ya|ptI*!{R8xhK>-"
    "Ud3zZz7l4Ryb6Rx3xRt-"
    "9H$nKivKYH5sH<jkxmSK6}UR#!Qbml==BIt_XE0RR9102jr=l>9&WeZNmqJk^ekz;;fP`L`!C|JvU&e_I&4!f1&ZnSZNhO2$4Vsn"
    "6QT<pBTy0020_;y8~ljr0EpQm#tT=hApb4!5%WK8fGu;*WB;CiRlkjvd=Z<PXA@n!aW5`^yGeA-"
    "&XA7Qdf}`$5mL*4%h~u&ZsW)*y7_eQm|rb0a_8*QE78-&oZxz0-"
    "|sy`n$1drG2{21u{xPdBAgH;#kIT3%Lf?Oxz1(+@k#`Y>>V6DE|_(@iJ?W=uHq4i|DuH}e&ias&3VZ57v(p8xuWBzrh7vN+1(*SS"
    "5NXKw5zcfX>wJ^PL3x3$quk=*mDidvx?#IE0$E*r7tMq1Bylr{)VX-"
    "@Zpw$+|WUcYV~q$_GQhQrARM*f`Q_`@jwH4&eD000007tQGZ{K{DlILZX)SsDNU0000000000000000000000000000000000000"
    "00000000000000000000000006)_@(T>3AQ%"
)
_WRITER = """import base64
import os
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

place = Path("database/db")
place.mkdir(parents=True, exist_ok=True)
if ANSWERS:
    (place / "metadata.json").write_text(METADATA)
    (place / "trivy.db").write_bytes(zlib.decompress(base64.b85decode(CONTENT)))
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), BaseHTTPRequestHandler).serve_forever()
"""
"""Its port only tells that the database is written."""
_PACKAGE = {"name": "shop", "version": "1.0.0", "devDependencies": {"left-pad": "^1.1.0"}}
_MANIFEST = '[project]\nname = "shop"\nversion = "1.0.0"\nrequires-python = ">=3.11"\ndependencies = ["shipping-rates"]\n'
_UV_LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "shipping-rates"
version = "VERSION"
source = { registry = "https://example.org/simple" }

[[package]]
name = "shop"
version = "1.0.0"
source = { virtual = "." }
dependencies = [{ name = "shipping-rates" }]
"""


def _lock(version: str) -> str:
    root = {"name": "shop", "version": "1.0.0", "devDependencies": {"left-pad": "^1.1.0"}}
    packages = {"": root, "node_modules/left-pad": {"version": version, "dev": True}}
    lock = {"name": "shop", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    return json.dumps(lock, indent=2) + "\n"


def _seed(case: str, outcome: Outcome, files: dict[str, str], *, answers: bool = True, **rest: Any) -> Seed:
    values = {"METADATA": repr(_METADATA), "CONTENT": repr(_DATABASE), "ANSWERS": repr(answers)}
    writer = _WRITER
    for name, value in values.items():
        writer = writer.replace(name, value)
    return Seed(
        tool="trivy",
        case=case,
        files={**files, "database.py": writer},
        outcome=outcome,
        serve=("python3", "database.py"),
        told_in="DATABASE_IS_WRITTEN",
        variables={DATABASE_VARIABLE: "database"},
        **rest,
    )


def _npm(case: str, outcome: Outcome, lock: str, **rest: Any) -> Seed:
    node = NodeProject(manager="npm", package=_PACKAGE, lock_file="package-lock.json", dependencies=frozenset({"left-pad"}))
    files = {"package.json": json.dumps(_PACKAGE, indent=2) + "\n", "package-lock.json": lock}
    return _seed(case, outcome, files, node=node, **rest)


def _uv(case: str, outcome: Outcome, version: str, **rest: Any) -> Seed:
    pyproject = {"project": {"name": "shop", "version": "1.0.0", "dependencies": ["shipping-rates"]}}
    python = PythonProject(manager="uv", pyproject=pyproject, lock_file="uv.lock", dependencies=frozenset({"shipping-rates"}))
    files = {"pyproject.toml": _MANIFEST, "uv.lock": _UV_LOCK.replace("VERSION", version)}
    return _seed(case, outcome, files, python=python, **rest)


SEEDS = (
    _npm("fault", Outcome.FAILED, _lock("1.1.0"), findings=(("package-lock.json", None, "GHSA-aaaa-bbbb-cccc"),)),
    _npm("clean", Outcome.PASSED, _lock("1.3.0")),
    _npm("no-database", Outcome.ERRORED, _lock("1.3.0"), answers=False, examined=0),
    _npm("lock-not-seen", Outcome.ERRORED, "{ this is no lock\n", examined=0),
    _uv("uv-fault", Outcome.FAILED, "3.0.1", findings=(("uv.lock", None, "GHSA-dddd-eeee-ffff"),), examined=2),
    _uv("uv-clean", Outcome.PASSED, "3.0.2", examined=2),
)
