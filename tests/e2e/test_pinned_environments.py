"""Environments of exact versions, what identifies an environment, and that trust domains share nothing; with uv and npm."""

import json
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import DomainEnvironments, LocalEnvironments
from tests.support.counting import CountingRun

PYTHON, NODE = Language.PYTHON, Language.TYPESCRIPT


@pytest.fixture
def run(home: Path) -> CountingRun:
    return CountingRun(home)


def quiet(_line: str) -> None:
    return None


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def seen(root: Path) -> Project:
    return detect(root, existing(root, walk(root)))


def of(environments: LocalEnvironments | DomainEnvironments, root: Path, language: Language) -> Environment:
    return environments.of(language, root=root, project=seen(root), log=quiet)


def test_exact_python_versions_once_and_warm_without_a_process(home: Path, run: CountingRun) -> None:
    environments = LocalEnvironments(home, run)
    found = environments.pinned(PYTHON, ("iniconfig==2.0.0", "pluggy==1.5.0"), log=quiet)
    assert found.versions == {"iniconfig": "2.0.0", "pluggy": "1.5.0"}
    assert found.python is not None
    run.started.clear()
    assert environments.pinned(PYTHON, ("pluggy==1.5.0", "iniconfig==2.0.0"), log=quiet) == found
    assert run.started == []
    assert environments.pinned(PYTHON, ("iniconfig==2.1.0",), log=quiet).versions == {"iniconfig": "2.1.0"}


def test_exact_node_versions_once_and_warm_without_a_process(home: Path, run: CountingRun) -> None:
    environments = LocalEnvironments(home, run)
    found = environments.pinned(NODE, ("semver@7.6.0",), log=quiet)
    assert found.versions["semver"] == "7.6.0"
    assert found.executable("semver") is not None
    run.started.clear()
    assert environments.pinned(NODE, ("semver@7.6.0",), log=quiet) == found
    assert run.started == []


@pytest.mark.parametrize(
    ("language", "requirement"),
    [
        (PYTHON, "--index-url=http://127.0.0.1:1/"),
        (PYTHON, "evil @ git+https://127.0.0.1:1/x"),
        (PYTHON, "./local"),
        (PYTHON, "."),
        (NODE, "--registry=http://127.0.0.1:1/"),
        (NODE, "evil@git+ssh://127.0.0.1/x"),
        (NODE, "./local"),
        (NODE, "evil@file:/tmp/x"),
        (NODE, "https://127.0.0.1:1/x.tgz"),
    ],
)
def test_what_is_no_plain_requirement_is_refused(home: Path, run: CountingRun, language: Language, requirement: str) -> None:
    with pytest.raises(WorkspaceError, match=r"Forge installs|package index"):
        LocalEnvironments(home, run).pinned(language, (requirement,), log=quiet)
    assert run.started == []


@pytest.mark.parametrize(("language", "requirement"), [(PYTHON, "iniconfig==99.0"), (NODE, "semver@99.0.0")])
def test_a_version_that_does_not_exist_is_named(home: Path, run: CountingRun, language: Language, requirement: str) -> None:
    with pytest.raises(WorkspaceError, match=requirement):
        LocalEnvironments(home, run).pinned(language, (requirement,), log=quiet)


def test_trust_domains_share_no_tool(home: Path, run: CountingRun, tmp_path: Path) -> None:
    domains = {"change": tmp_path / "change", "release": tmp_path / "release"}
    environments = DomainEnvironments(home, run, domains=domains)
    pinned = {
        name: environments.pinned(PYTHON, ("iniconfig==2.0.0",), log=quiet, root=folder / "x")
        for name, folder in domains.items()
    }
    places = {name: found.bin_directories[0].parent for name, found in pinned.items()}
    evil = next(places["change"].rglob("iniconfig/__init__.py"))
    good = next(places["release"].rglob("iniconfig/__init__.py")).read_text()
    evil.write_text("raise SystemExit('written by a change')")
    again = environments.pinned(PYTHON, ("iniconfig==2.0.0",), log=quiet, root=domains["release"] / "y")
    assert next(again.bin_directories[0].parent.rglob("iniconfig/__init__.py")).read_text() == good
    fresh = environments.pinned(PYTHON, ("iniconfig==2.0.0", "pluggy==1.5.0"), log=quiet, root=domains["change"] / "z")
    assert next(fresh.bin_directories[0].parent.rglob("iniconfig/__init__.py")).read_text() == good, "nor is a cache"
    boxes = {name: environments.toolbox(PYTHON, "ruff", log=quiet, root=folder) for name, folder in domains.items()}
    inodes = {name: box.bin_directories[0].joinpath("ruff").stat().st_ino for name, box in boxes.items()}
    assert inodes["change"] != inodes["release"]
    assert boxes["change"].versions == boxes["release"].versions


PACKAGE = {"name": "web", "version": "1.0.0", "devDependencies": {"semver": "7.6.0"}}


@pytest.fixture(scope="module")
def node_lock(home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = write(tmp_path_factory.mktemp("lock"), {"package.json": json.dumps(PACKAGE)})
    cache = {"npm_config_cache": str(home / "cache/npm-local")}
    made = CountingRun(home).run(
        Command(argv=("npm", "install", "--package-lock-only"), cwd=root, network=True, environment=cache, trusted=True)
    )
    assert made.exit_code == 0, made.stderr
    return (root / "package-lock.json").read_text()


def test_what_a_change_brings_as_installed_is_not_believed(
    home: Path, run: CountingRun, tmp_path: Path, node_lock: str
) -> None:
    files = {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock}
    environments = LocalEnvironments(home, run, domain="change")
    first = write(tmp_path / "one", files)
    of(environments, first, NODE)
    mark = (first / "node_modules/.forge-install.json").read_text()
    second = write(tmp_path / "two", files)
    write(second, {"node_modules/.forge-install.json": mark, "node_modules/semver/index.js": "brought by the change"})
    of(environments, second, NODE)
    assert (second / "node_modules/semver/index.js").read_text() == (first / "node_modules/semver/index.js").read_text()


def test_digest_of_a_locked_project_is_known_before_it_is_installed(
    home: Path, run: CountingRun, tmp_path: Path, node_lock: str
) -> None:
    environments = LocalEnvironments(home, run, domain="change")
    files = {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock}
    one, two = write(tmp_path / "one", files), write(tmp_path / "two", files)
    before = environments.digest(NODE, root=one, project=seen(one))
    assert run.started == []
    assert before is not None
    assert of(environments, one, NODE).digest == before
    assert environments.digest(NODE, root=one, project=seen(one)) == before
    assert environments.digest(NODE, root=two, project=seen(two)) == before, "wherever the checkout lies"
    write(two, {"package-lock.json": node_lock + "\n"})
    assert environments.digest(NODE, root=two, project=seen(two)) != before
    assert environments.digest(NODE, root=one, project=seen(one).allowing(True)) != before
    assert environments.digest(PYTHON, root=one, project=seen(one)) is None


def test_digest_of_the_users_own_node_modules(home: Path, run: CountingRun, tmp_path: Path, node_lock: str) -> None:
    environments = LocalEnvironments(home, run)
    root = write(tmp_path, {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock})
    assert environments.digest(NODE, root=root, project=seen(root)) is None
    found = of(environments, root, NODE)
    assert environments.digest(NODE, root=root, project=seen(root)) == found.digest
    record = root / "node_modules/.package-lock.json"
    record.write_text(record.read_text() + " ")
    assert environments.digest(NODE, root=root, project=seen(root)) != found.digest


def test_digest_of_what_no_lock_pins_is_known_when_it_is_installed(home: Path, run: CountingRun, tmp_path: Path) -> None:
    environments = LocalEnvironments(home, run)
    root = write(tmp_path, {"requirements.txt": "iniconfig\n", "a.py": ""})
    assert environments.digest(PYTHON, root=root, project=seen(root)) is None
    found = of(environments, root, PYTHON)
    run.started.clear()
    assert environments.digest(PYTHON, root=root, project=seen(root)) == found.digest
    assert run.started == []
    other = write(tmp_path / "other", {"requirements.txt": "iniconfig==2.0.0\n", "a.py": ""})
    assert of(environments, other, PYTHON).digest != found.digest
