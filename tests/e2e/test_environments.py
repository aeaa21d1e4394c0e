"""Environments with the real uv and npm."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment, ProcessResult
from forge_dagster.workspace.checkout import LocalWorkspace
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import DomainEnvironments, LocalEnvironments
from forge_dagster.workspace.node_environments import mismatch
from forge_dagster.workspace.python_environments import uv_program
from forge_dagster.workspace.serving import Ending
from tests.support.counting import CountingRun
from tests.support.repositories import TestRepository

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "shop"
version = "1.2"
requires-python = ">=3.11"
dependencies = ["iniconfig==2.0.0"]
[project.optional-dependencies]
test = ["pluggy<1.6"]
[dependency-groups]
dev = ["packaging"]
"""


@pytest.fixture
def run(home: Path) -> CountingRun:
    return CountingRun(home)


@pytest.fixture
def environments(home: Path, run: CountingRun) -> LocalEnvironments:
    return LocalEnvironments(home, run)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def of(environments: LocalEnvironments | DomainEnvironments, root: Path, language: Language = Language.PYTHON) -> Environment:
    lines: list[str] = []
    project = detect(root, existing(root, walk(root)))
    return environments.of(language, root=root, project=project, log=lines.append)


def run_python(run: CountingRun, environment: Environment, code: str) -> ProcessResult:
    assert environment.python is not None
    return run.run(
        Command(argv=(str(environment.python), "-c", code), cwd=Path("/"), environment=environment.variables, trusted=True)
    )


def test_python_project_is_installed_once_and_warm_without_a_process(
    environments: LocalEnvironments, run: CountingRun, home: Path, tmp_path: Path
) -> None:
    root = write(tmp_path, {"pyproject.toml": PYPROJECT, "shop/__init__.py": "x = 1\n", "tests/test_shop.py": ""})
    cold = of(environments, root)
    assert cold.versions["iniconfig"] == "2.0.0", "what the repository pins is not upgraded by what Forge adds"
    assert {"shop", "pytest", "pytest-cov", "coverage", "pluggy", "packaging"} <= cold.versions.keys()
    assert cold.executable("pytest") is not None
    assert run_python(run, cold, "import shop; print(shop.x)").stdout == b"1\n"
    (root / "shop/__init__.py").write_text("x = 2\n")
    assert run_python(run, cold, "import shop; print(shop.x)").stdout == b"2\n", "the project is installed in place"
    run.started.clear()
    assert of(environments, root) == cold
    assert of(LocalEnvironments(home, run), root) == cold
    assert run.started == []
    write(root, {"pyproject.toml": PYPROJECT + "[tool.ruff]\nline-length = 99\n"})
    assert of(environments, root) == cold
    assert run.started == []


def test_no_test_tools_without_tests_and_nothing_installed_without_need(
    environments: LocalEnvironments, tmp_path: Path
) -> None:
    assert of(environments, write(tmp_path, {"script.py": ""})).versions == {}


def test_requirement_files_with_hashes_are_respected(environments: LocalEnvironments, tmp_path: Path) -> None:
    root = write(tmp_path, {"requirements.txt": "iniconfig==2.0.0 --hash=sha256:" + "0" * 64 + "\n", "a.py": ""})
    with pytest.raises(WorkspaceError, match=r"(?i)hash") as caught:
        of(environments, root)
    assert "dependencies could not be installed" in caught.value.message


def test_a_uv_lock_is_installed_as_it_is(environments: LocalEnvironments, run: CountingRun, home: Path, tmp_path: Path) -> None:
    root = write(tmp_path, {"pyproject.toml": PYPROJECT, "shop/__init__.py": ""})
    cache = {"UV_CACHE_DIR": str(home / "cache/uv-local")}
    locked = run.run(Command(argv=(uv_program(), "lock"), cwd=root, network=True, environment=cache, trusted=True))
    assert locked.exit_code == 0, locked.stderr
    text = (root / "uv.lock").read_text()
    found = of(environments, root)
    assert found.versions["iniconfig"] == "2.0.0"
    assert {"shop", "packaging", "pluggy"} <= found.versions.keys()
    assert (root / "uv.lock").read_text() == text
    assert not (root / ".venv").exists()


def test_a_requirement_that_does_not_exist_is_named(environments: LocalEnvironments, tmp_path: Path) -> None:
    root = write(tmp_path, {"requirements.txt": "iniconfig==99.0\n", "a.py": ""})
    with pytest.raises(WorkspaceError, match=r"iniconfig==99\.0") as caught:
        of(environments, root)
    assert "correct what the project declares" in caught.value.hint
    write(tmp_path, {"requirements.txt": "iniconfig==2.0.0\n"})
    assert of(environments, root).versions["iniconfig"] == "2.0.0"


def test_a_group_that_cannot_be_had_is_left_out_if_checks_do_not_need_it(
    environments: LocalEnvironments, tmp_path: Path
) -> None:
    text = PYPROJECT + 'docs = ["iniconfig==1.1.1"]\n'
    found = of(environments, write(tmp_path, {"pyproject.toml": text, "shop/__init__.py": ""}))
    assert found.versions["iniconfig"] == "2.0.0"


def test_what_requirement_files_install_in_place_comes_last_and_through_no_cache(
    home: Path, run: CountingRun, tmp_path: Path
) -> None:
    member = "[build-system]\nrequires=['hatchling']\nbuild-backend='hatchling.build'\n[project]\nname='part'\nversion='1'\n"
    files = {"requirements.txt": "-e ./part\niniconfig==2.0.0\n", "test_a.py": "", "part/pyproject.toml": member}
    root = write(tmp_path, {**files, "part/src/part/__init__.py": "x = 1\n"})
    found = of(LocalEnvironments(home, run), root)
    assert {"part", "iniconfig", "pytest", "pytest-cov"} <= found.versions.keys()
    assert run_python(run, found, "import part; print(part.x)").stdout == b"1\n"
    wheels, tools, rest = [argv for argv in run.started if argv[1:3] == ("pip", "install")]
    assert "--only-binary" in wheels
    assert "--only-binary" in tools, "what Forge adds is there before anything is built"
    assert "--only-binary" not in rest


def test_no_build_system_and_nothing_to_build(environments: LocalEnvironments, tmp_path: Path) -> None:
    text = "[project]\nname='app'\nversion='1'\ndependencies=['iniconfig==2.0.0']\n"
    files = {"pyproject.toml": text, "one/__init__.py": "", "two/__init__.py": "", "main.py": ""}
    assert of(environments, write(tmp_path, files)).versions == {"iniconfig": "2.0.0"}


def test_an_option_among_requirements_is_not_obeyed(environments: LocalEnvironments, tmp_path: Path) -> None:
    text = '[dependency-groups]\ndev = ["--index-url=http://127.0.0.1:1/simple", "iniconfig==2.0.0"]\n'
    assert of(environments, write(tmp_path, {"pyproject.toml": text, "a.py": ""})).versions == {"iniconfig": "2.0.0"}


def test_a_python_that_is_not_there(environments: LocalEnvironments, tmp_path: Path) -> None:
    text = PYPROJECT.replace(">=3.11", ">=3.99")
    with pytest.raises(WorkspaceError, match=r">=3\.99") as caught:
        of(environments, write(tmp_path, {"pyproject.toml": text, "shop/__init__.py": ""}))
    assert "uv python install" in caught.value.hint


def test_a_half_made_environment_is_made_anew(environments: LocalEnvironments, tmp_path: Path) -> None:
    root = write(tmp_path, {"requirements.txt": "iniconfig==2.0.0\n", "a.py": ""})
    first = of(environments, root)
    assert first.python is not None
    folder = first.python.parents[1]
    (folder / "forge-environment.json").unlink()
    shutil.rmtree(folder / "lib")
    assert of(environments, root) == first
    assert (folder / "lib").exists()


def test_environments_of_a_vanished_project_are_removed(home: Path, run: CountingRun, tmp_path: Path) -> None:
    environments = LocalEnvironments(home, run, domain="vanishing")
    gone = of(environments, write(tmp_path / "one", {"a.py": ""}))
    shutil.rmtree(tmp_path / "one")
    of(environments, write(tmp_path / "two", {"a.py": ""}))
    assert gone.python is not None
    assert not gone.python.parents[1].exists()


@pytest.mark.parametrize("lock", [False, True], ids=["declared", "uv.lock"])
def test_another_checkout_of_the_same_content_gets_links_and_its_own_project(
    home: Path, run: CountingRun, tmp_path: Path, lock: bool
) -> None:
    environments = LocalEnvironments(home, run)
    files = {"pyproject.toml": PYPROJECT, "shop/__init__.py": "x = 1\n", "tests/test_shop.py": ""}
    first, second = write(tmp_path / "first", files), write(tmp_path / "second", files)
    if lock:
        cache = {"UV_CACHE_DIR": str(home / "cache/uv-local")}
        uv = Command(argv=(uv_program(), "lock", "-q"), cwd=first, environment=cache, network=True, trusted=True)
        assert run.run(uv).exit_code == 0
        shutil.copy(first / "uv.lock", second)
    one = of(environments, first)
    run.started.clear()
    two = of(environments, second)
    assert [argv[1:3] for argv in run.started] == [("pip", "install")], "only the project itself"
    assert two.versions == one.versions
    assert two.digest == one.digest
    (second / "shop/__init__.py").write_text("x = 2\n")
    assert run_python(run, one, "import shop; print(shop.x)").stdout == b"1\n"
    assert run_python(run, two, "import shop; print(shop.x)").stdout == b"2\n"
    assert one.python is not None
    assert two.python is not None
    said = run_python(run, two, "import sys, iniconfig; print(sys.prefix, iniconfig.__file__)").stdout.decode()
    assert str(one.python.parents[1]) not in said
    pytest_program = two.executable("pytest")
    assert pytest_program is not None
    assert str(one.python) not in pytest_program.read_text()
    shutil.rmtree(first)
    of(environments, write(tmp_path / "third", {"a.py": ""}))  # removes what belongs to a checkout that is gone
    assert not one.python.exists()
    assert run_python(run, two, "import shop, pytest, iniconfig; print(shop.x)").stdout == b"2\n"


def test_an_environment_in_which_something_was_installed_since_is_nobodys_model(
    home: Path, run: CountingRun, tmp_path: Path
) -> None:
    environments = LocalEnvironments(home, run)
    files = {"requirements.txt": "iniconfig==2.0.0\n", "a.py": "odd = 1\n"}
    one = of(environments, write(tmp_path / "first", files))
    assert one.python is not None
    packages = next(one.python.parents[1].glob("lib/python*/site-packages"))
    (packages / "stray-1.dist-info").mkdir()
    two = of(environments, write(tmp_path / "second", files))
    assert "stray" not in two.versions
    assert two.python is not None
    assert not list(two.python.parents[1].glob("lib/python*/site-packages/stray*"))


def test_trust_domains_share_nothing(home: Path, run: CountingRun, tmp_path: Path) -> None:
    domains = {"change": tmp_path / "change", "release": tmp_path / "release"}
    environments = DomainEnvironments(home, run, domains=domains)
    found = {}
    for name, folder in (*domains.items(), ("local", tmp_path / "mine")):
        found[name] = of(environments, write(folder / "x", {"requirements.txt": "iniconfig==2.0.0\n", "a.py": ""}))
        python = found[name].python
        assert python is not None
        assert python.is_relative_to(home / "environments" / name)
    installed = {name: next(e.bin_directories[0].parent.rglob("iniconfig/__init__.py")) for name, e in found.items()}
    cached = {path.stat().st_ino for path in (home / "cache").rglob("*") if path.is_file()}
    assert cached, "nothing to compare with"
    assert installed["change"].stat().st_ino not in cached, "a hard link would lead from the environment into the cache"
    assert len({path.stat().st_ino for path in installed.values()}) == 3


def test_toolbox_of_python(environments: LocalEnvironments, run: CountingRun, tmp_path: Path) -> None:
    box = environments.toolbox(Language.PYTHON, "ruff", log=lambda _: None)
    assert {"ruff", "mypy", "black", "pytest", "pytest-cov", "coverage"} <= box.versions.keys()
    ruff = box.executable("ruff")
    assert ruff is not None
    said = run.run(Command(argv=(str(ruff), "--version"), cwd=tmp_path, trusted=True)).stdout.decode()
    assert said.strip() == f"ruff {box.versions['ruff']}"
    run.started.clear()
    assert environments.toolbox(Language.PYTHON, "mypy", log=lambda _: None) == box
    assert run.started == []
    with pytest.raises(WorkspaceError, match="no-such-tool"):
        environments.toolbox(Language.PYTHON, "no-such-tool", log=lambda _: None)


def test_toolbox_without_language_is_forges_own_environment(environments: LocalEnvironments) -> None:
    box = environments.toolbox(None, "kingfisher-bin", log=lambda _: None)
    assert box.executable("kingfisher") is not None
    with pytest.raises(WorkspaceError, match="not installed beside Forge"):
        environments.toolbox(None, "no-such-package", log=lambda _: None)


def test_toolbox_locks_name_no_registry() -> None:
    folder = Path(__file__).parents[2] / "forge_dagster" / "toolbox"
    locks = sorted(folder.glob("python/*.lock"))
    assert folder / "python/common.lock" in locks
    assert [lock for lock in locks if "://" in lock.read_text()] == []
    for lock in folder.glob("node/*/package-lock.json"):
        assert "resolved" not in lock.read_text()
        packages = json.loads(lock.read_text())["packages"]
        assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


# --- JavaScript

PACKAGE = {"name": "web", "version": "1.0.0", "devDependencies": {"semver": "7.6.0"}}


@pytest.fixture(scope="module")
def node_lock(home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = write(tmp_path_factory.mktemp("lock"), {"package.json": json.dumps(PACKAGE)})
    own = CountingRun(home)
    cache = {"npm_config_cache": str(home / "cache/npm-local")}
    made = own.run(
        Command(argv=("npm", "install", "--package-lock-only"), cwd=root, network=True, environment=cache, trusted=True)
    )
    assert made.exit_code == 0, made.stderr
    return (root / "package-lock.json").read_text()


def test_node_modules_that_are_there_are_used_and_never_changed(
    environments: LocalEnvironments, run: CountingRun, tmp_path: Path, node_lock: str
) -> None:
    root = write(tmp_path, {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock})
    installed = of(environments, root, Language.TYPESCRIPT)
    assert installed.versions["semver"] == "7.6.0"
    assert installed.executable("semver") is not None
    assert (root / "package-lock.json").read_text() == node_lock
    run.started.clear()
    assert of(environments, root, Language.TYPESCRIPT) == installed
    assert run.started == []
    hidden = root / "node_modules/.package-lock.json"
    hidden.write_text(hidden.read_text().replace("7.6.0", "7.5.0"))
    with pytest.raises(WorkspaceError, match=r"semver is 7\.5\.0, not 7\.6\.0") as caught:
        of(environments, root, Language.TYPESCRIPT)
    assert "npm ci" in caught.value.hint


def test_node_modules_are_not_put_where_git_would_see_them(
    environments: LocalEnvironments, tmp_path: Path, node_lock: str
) -> None:
    repository = TestRepository(tmp_path)
    write(tmp_path, {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock})
    with pytest.raises(WorkspaceError, match="not ignored") as caught:
        of(environments, tmp_path, Language.TYPESCRIPT)
    assert ".gitignore" in caught.value.hint
    write(tmp_path, {".gitignore": "node_modules/\n"})
    of(environments, tmp_path, Language.TYPESCRIPT)
    assert "node_modules" not in repository.git("status", "--porcelain")


class KilledRun(CountingRun):
    """The machine goes down while npm installs."""

    def run(self, command: Command, *, log: Callable[[str], None] | None = None, ending: Ending | None = None) -> ProcessResult:
        if command.argv[0] == "npm":
            (command.cwd / "node_modules/half").mkdir(parents=True)
            raise KeyboardInterrupt
        return super().run(command, log=log, ending=ending)


def test_an_installation_that_was_killed_is_not_taken_for_one(
    environments: LocalEnvironments, home: Path, tmp_path: Path, node_lock: str
) -> None:
    root = write(tmp_path, {"package.json": json.dumps(PACKAGE), "package-lock.json": node_lock})
    with pytest.raises(KeyboardInterrupt):
        of(LocalEnvironments(home, KilledRun(home)), root, Language.TYPESCRIPT)
    assert of(environments, root, Language.TYPESCRIPT).executable("semver") is not None
    assert not (root / "node_modules/half").exists()


def test_checkouts_get_a_real_copy_without_install_scripts(
    home: Path, run: CountingRun, tmp_path: Path, node_lock: str
) -> None:
    environments = LocalEnvironments(home, run, domain="change")
    evil = {**PACKAGE, "scripts": {"preinstall": f"touch {tmp_path}/ran", "prepare": f"touch {tmp_path}/ran"}}
    roots = [
        write(tmp_path / name, {"package.json": json.dumps(evil), "package-lock.json": node_lock}) for name in ("one", "two")
    ]
    write(roots[0], {"node_modules/semver/index.js": "brought by the change"})
    for root in roots:
        assert of(environments, root, Language.TYPESCRIPT).versions["semver"] == "7.6.0"
    files = [root / "node_modules/semver/index.js" for root in roots]
    assert files[0].read_text() == files[1].read_text() != "brought by the change"
    assert [file.stat().st_nlink for file in files] == [1, 1]
    assert not (tmp_path / "ran").exists()
    installs = [argv for argv in run.started if "ci" in argv]
    assert len(installs) == 1, "the second checkout is a copy"
    run.started.clear()
    of(environments, roots[1], Language.TYPESCRIPT)
    assert run.started == []


def test_node_workspaces_are_installed_in_the_tree(home: Path, run: CountingRun, tmp_path: Path) -> None:
    files = {
        "package.json": json.dumps({"name": "all", "private": True, "workspaces": ["packages/*"]}),
        "packages/a/package.json": json.dumps({"name": "a", "version": "1.0.0"}),
        "packages/a/index.js": "module.exports = 1\n",
    }
    of(LocalEnvironments(home, run, domain="change"), write(tmp_path, files), Language.TYPESCRIPT)
    assert (tmp_path / "node_modules/a/index.js").resolve() == (tmp_path / "packages/a/index.js").resolve()


def test_a_lock_that_disagrees_with_package_json(environments: LocalEnvironments, tmp_path: Path, node_lock: str) -> None:
    package = {**PACKAGE, "devDependencies": {"semver": "7.6.0", "is-odd": "3.0.1"}}
    root = write(tmp_path, {"package.json": json.dumps(package), "package-lock.json": node_lock})
    with pytest.raises(WorkspaceError, match=r"package-lock\.json of the project could not be installed") as caught:
        of(environments, root, Language.TYPESCRIPT)
    assert "is-odd" in caught.value.message


def test_no_dependencies_no_installation(environments: LocalEnvironments, run: CountingRun, tmp_path: Path) -> None:
    run.started.clear()
    assert of(environments, write(tmp_path, {"package.json": "{}"}), Language.TYPESCRIPT).versions == {}
    assert run.started == []


def test_what_a_lock_marks_optional_may_be_missing(tmp_path: Path) -> None:
    lock = {"packages": {"node_modules/a": {"version": "1"}, "node_modules/b": {"version": "1", "optional": True}}}
    hidden = {"packages": {"node_modules/a": {"version": "1"}}}
    write(
        tmp_path,
        {"package.json": "{}", "package-lock.json": json.dumps(lock), "node_modules/.package-lock.json": json.dumps(hidden)},
    )
    node = detect(tmp_path, ("package.json", "package-lock.json")).node
    assert node is not None
    assert mismatch(node, tmp_path) is None


def test_workspace_chooses_the_domain_by_the_place(home: Path, run: CountingRun, tmp_path: Path) -> None:
    workspace = LocalWorkspace(home, run)
    root = write(home / "checkouts/release/o/r/1/tree", {"requirements.txt": "iniconfig==2.0.0\n", "a.py": ""})
    project = detect(root, existing(root, walk(root)))
    found = workspace.environments.of(Language.PYTHON, root=root, project=project, log=lambda _: None)
    assert found.python is not None
    assert found.python.is_relative_to(home / "environments/release")
    assert subprocess.run([found.python, "-c", "import iniconfig"], check=False).returncode == 0
