"""Every other parser of foreign data over tampered documents: what its docstring promises to raise, and nothing else.

A few examples of each by default; many in `make test-all`.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forge_dagster.domain.advisories import AdvisoryUnreadable, parse_advisory
from forge_dagster.domain.coverage_report import parse_coverage
from forge_dagster.domain.coverage_settings import left_out
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.identity import identity_of
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.releases import parse_manifest
from forge_dagster.domain.sbom_locks import read_lock
from forge_dagster.domain.script_imports import cruised_graph
from forge_dagster.domain.services import compose_services
from forge_dagster.domain.settings_file import parse_settings
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.errors import ConfigurationError, ForgeError, PlatformError, RevisionGone, WorkspaceError
from forge_dagster.ports import Command, ProcessResult
from forge_dagster.tools.tests.junit import parse_junit
from forge_dagster.workspace.detect import detect
from forge_dagster.workspace.diff import parse_diff
from forge_dagster.workspace.git import GitRepository
from tests.fakes.machine import IdleRun
from tests.support.mutations import mutated

FEW, MANY = 15, 1_000
amounts = pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])

SHA = "a" * 40
MANIFESTS = {
    "pyproject.toml": '[project]\nname = "x"\ndependencies = ["click>=8"]\n[tool.ruff]\n[dependency-groups]\ndev = ["pytest"]\n'
    "[tool.uv.workspace]\nmembers = ['packages/*']\n[tool.hatch.envs.test]\ndependencies = ['a']\n",
    "package.json": '{"name": "x", "dependencies": {"a": "^1"}, "scripts": {"test": "jest"}, "workspaces": ["packages/*"]}',
    "setup.cfg": "[options]\ninstall_requires =\n  a>=1\n[flake8]\nmax-line-length = 99\n",
    "tox.ini": "[tox]\nenvlist = py311\n[testenv]\ndeps = pytest\ncommands = pytest {posargs}\n",
    "requirements.txt": "-r other.txt\na==1 --hash=sha256:00\nb @ https://example.org/b.whl\n",
    "Pipfile": '[packages]\na = "*"\n[dev-packages]\nb = {version = "==1"}\n',
    ".pre-commit-config.yaml": "repos:\n- repo: https://github.com/x/y\n  rev: v1\n  hooks:\n  - id: ruff\n    args: [--fix]\n",
    "pnpm-workspace.yaml": "packages:\n- 'packages/*'\n",
    "noxfile.py": "import nox\n\n@nox.session\ndef tests(session):\n    session.install('pytest')\n    session.run('pytest')\n",
    "Makefile": "test:\n\tpython -m pytest\n",
}
DIFF = (
    f':100644 100644 {SHA} {SHA} M\ta.py\n:000000 100644 {SHA} {SHA} A\t"b\\303\\251"\n\ndiff --git a/a.py b/a.py\n'
    "--- a/a.py\n+++ b/a.py\n@@ -1,0 +2,3 @@ def f\n+one\n+two\n+three\n"
)
ADVISORY = {
    "id": "GHSA-1", "modified": "2024-01-01T00:00:00Z", "summary": "s", "aliases": ["CVE-2024-1"],
    "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"],
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
}  # fmt: skip


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _detected(name: str) -> Callable[[bytes], object]:
    """What a repository is made of whose manifest `name` is hostile and whose others are not."""

    def detected(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            for other, text in MANIFESTS.items():
                (Path(folder) / other).write_text(text)
            (Path(folder) / name).write_bytes(data)
            return detect(Path(folder), MANIFESTS)

    return detected


class Answering(IdleRun):
    """git, as far as its answer goes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def run(self, command: Command, *, log: Callable[[str], None] | None = None) -> ProcessResult:
        return ProcessResult(ended="exited", exit_code=0, stdout=self.data)


def _asked(ask: Callable[[GitRepository], object]) -> Callable[[bytes], object]:
    return lambda data: ask(GitRepository(Path(), Answering(data)))


@dataclass(frozen=True, kw_only=True)
class Parser:
    """`parse` raises nothing but `raises` for whatever is made of `seed`."""

    parse: Callable[[bytes], object]
    seed: str
    raises: tuple[type[Exception], ...] = ()


def _locks() -> dict[str, Parser]:
    seeds = {
        "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0", "dev": true}}}',
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\npackages:\n  a@1.0.0:\n    resolution: {integrity: sha512-x}\n",
        "yarn.lock": '# yarn lockfile v1\n\na@^1.0.0:\n  version "1.0.0"\n  resolved "x"\n',
        "bun.lock": '{\n  "workspaces": {"": {"dependencies": {"a": "1"}}},\n'
        '  "packages": {\n    "a": ["a@1.0.0", "", {}, "x"],\n  }\n}\n',
        "uv.lock": 'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "x" }\n',
        "poetry.lock": '[[package]]\nname = "a"\nversion = "1"\ngroups = ["main"]\n[metadata]\n',
        "Pipfile.lock": '{"_meta": {}, "default": {"a": {"version": "==1"}}, "develop": {}}',
        "requirements.txt": "a==1 \\\n  --hash=sha256:00\n-r b.txt\n",
    }
    return {name: Parser(parse=lambda data, name=name: read_lock(name, _text(data)), seed=seed) for name, seed in seeds.items()}  # type: ignore[misc]


def _exclusions() -> dict[str, Parser]:
    seeds = {
        "package.json": '{"c8": {"exclude": ["a/**"]}, "nyc": {"exclude": "b.js"}}',
        ".c8rc.json": '{"exclude": ["a/**", "!b.js"]}',
        "pyproject.toml": '[tool.coverage.run]\nomit = ["a/*", "*/b.py"]\n',
        ".coveragerc": "[run]\nomit\n  a/*\n",
        "setup.cfg": "[coverage:run]\nomit =\n    a/*\n    b.py\n",
    }
    return {
        f"exclusions {name}": Parser(
            parse=lambda data, name=name: [left_out(path, {name: _text(data)}) for path in ("a/x.py", "b.js")],  # type: ignore[misc]
            seed=seed,
        )
        for name, seed in seeds.items()
    }


PARSERS = {
    **_locks(),
    **_exclusions(),
    **{
        f"detect {name}": Parser(parse=_detected(name), seed=text, raises=(WorkspaceError,)) for name, text in MANIFESTS.items()
    },
    "junit": Parser(
        parse=parse_junit,
        seed='<?xml version="1.0"?><testsuites><testsuite failures="1" errors="0"><testcase name="t" classname="c" line="3">'
        '<failure message="m">text</failure></testcase></testsuite></testsuites>',
    ),
    "lcov": Parser(parse=lambda data: parse_coverage(data, ("/w",)), seed="SF:/w/a.js\nDA:1,1\nBRDA:1,0,0,1\nend_of_record\n"),
    "coverage.py": Parser(
        parse=lambda data: parse_coverage(data, ("/w",)),
        seed='{"meta": {"format": 3}, "files": {"a.py": {"executed_lines": [1], "missing_lines": [2], '
        '"executed_branches": [[1, 2]]}}}',
    ),
    "istanbul": Parser(
        parse=lambda data: parse_coverage(data, ("/w",)),
        seed='{"/w/a.js": {"path": "/w/a.js", "statementMap": {"0": {"start": {"line": 1}, "end": {"line": 1}}}, "s": {"0": 1},'
        ' "branchMap": {"0": {"loc": {"start": {"line": 1}}, "locations": [{}, {}]}}, "b": {"0": [1]}, "fnMap": {}, "f": {}}}',
    ),
    "dependency-cruiser": Parser(
        parse=lambda data: cruised_graph(data, lambda _path: True),
        seed='{"modules": [{"source": "a.js", "dependencies": [{"resolved": "b.js", "dependencyTypes": ["local"]}]}]}',
    ),
    "advisory": Parser(
        parse=lambda data: parse_advisory(load_json(data)), seed=json.dumps(ADVISORY), raises=(ValueError, AdvisoryUnreadable)
    ),
    "manifest": Parser(
        parse=lambda data: parse_manifest(_text(data), where="x"),
        seed='{"kind": "service", "command": ["a"]}',
        raises=(PlatformError,),
    ),
    "trailers": Parser(
        parse=lambda data: identity_of(_text(data), pusher="a", pusher_is_agent=True),
        seed="Title\n\nBody\n\nAgent-By: a\nTask-ID: T-1\n continued\nSigned-off-by: b\nModel: m\n",
    ),
    "forge.toml": Parser(
        parse=lambda data: parse_policy(_text(data)),
        seed='[project]\nkind = "service"\n[gates.coverage]\nnew_lines = 90\n[gates.lint]\ntimeout = "10m"\ntools = ["ruff"]\n'
        '[risk]\nhigh = ["a/**"]\n[deploy.rollout]\nsteps = [{weight = 100, bake = "10m"}]\n[services.db]\nkind = "postgres"\n',
        raises=(ConfigurationError,),
    ),
    "settings.toml": Parser(
        parse=lambda data: parse_settings(_text(data), home=Path("/h")),
        seed='max_parallel_gates = 4\nsecrets = ["abcdefgh"]\n[ports]\nserver = 0\n[[hosts]]\nname = "h"\nkind = "github"\n'
        'token_file = "/t"\n[reviewer]\nkind = "command"\ncommand = ["a"]\n',
        raises=(ConfigurationError,),
    ),
    "yaml": Parser(
        parse=lambda data: read_yaml(_text(data), "x"),
        seed="a: &a [1, 'x', {b: c}]\nd: *a\ne: |\n  text\n---\nsecond: 1\n",
        raises=(WorkspaceError,),
    ),
    "compose": Parser(
        parse=lambda data: compose_services(_text(data)),
        seed="services:\n  db:\n    image: postgres:16\n    environment:\n      POSTGRES_DB: shop\n  cache: {image: redis}\n",
    ),
    "git diff": Parser(parse=parse_diff, seed=DIFF, raises=(WorkspaceError,)),
    "git ls-files": Parser(
        parse=_asked(lambda git: git.listed_files()), seed="H a.py\0? b.py\0S c d\0", raises=(WorkspaceError,)
    ),
    "git cat-file": Parser(
        parse=_asked(lambda git: git.read(SHA, "a")),
        seed=f"{SHA} commit 3\nabc\n{SHA} blob 2\nhi\n",
        raises=(ForgeError, RevisionGone),
    ),
    "git merge-tree": Parser(
        parse=_asked(lambda git: git.merge_tree(SHA, SHA)), seed=f"{SHA}\0a.py\0", raises=(WorkspaceError,)
    ),
}


@amounts
@pytest.mark.parametrize("name", PARSERS)
def test_a_tampered_document_is_read_or_refused(name: str, examples: int) -> None:
    parser = PARSERS[name]

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(parser.seed.encode()) | st.binary(max_size=100))
    @example(parser.seed.encode())
    def play(data: bytes) -> None:
        try:
            parser.parse(data)
        except parser.raises:
            return

    play()


def test_trailers_by_the_thousand_and_long_names_are_bounded() -> None:
    message = "Title\n\n" + "Agent-By: a\n" * 20_000 + "".join(f"X-{n}: v\n" for n in range(20_000)) + "Task-ID: " + "x" * 10**6
    found = identity_of(message, pusher="a", pusher_is_agent=True)
    assert all(value is None or len(str(value)) < 10_000 for value in found.model_dump().values())


def test_a_diff_of_many_files_and_lines_is_read_whole() -> None:
    names = [f"{'d' * 200}/{n}.py" for n in range(5_000)]
    raw = "".join(f":000000 100644 {SHA} {SHA} A\t{name}\n" for name in names)
    patch = "".join(f"diff --git a/{name} b/{name}\n+++ b/{name}\n@@ -0,0 +1,40 @@\n" for name in names)
    files = parse_diff(f"{raw}\n{patch}".encode())
    assert len(files) == 5_000
    assert {len(file.added_lines) for file in files} == {40}


def test_every_seed_is_read() -> None:
    """The seeds are good documents: each is read without a refusal."""
    for name, parser in PARSERS.items():
        found: Any = parser.parse(parser.seed.encode())
        assert found is not None, name
