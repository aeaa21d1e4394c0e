"""Workspaces, task runners' requirements, and the package managers' own ways, with real uv, npm, pnpm and Yarn."""

import json
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.python_environments import uv_program

PYTHON, NODE = Language.PYTHON, Language.TYPESCRIPT
BUILD = "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home: Path) -> ProcessRun:
    return ProcessRun(home=home, run_id="workspaces")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def seen(root: Path) -> Project:
    return detect(root, existing(root, walk(root)))


def of(environments: LocalEnvironments, root: Path, project: Project, language: Language) -> Environment:
    found = environments.of(language, root=root, project=project, log=lambda _line: None)
    assert environments.digest(language, root=root, project=project) == found.digest
    return found


def test_members_of_a_uv_workspace_share_one_environment(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    member = BUILD + "[project]\nname = '{}'\nversion = '1'\ndependencies = [{}]\n"
    root = write(
        tmp_path,
        {
            "pyproject.toml": "[project]\nname='all'\nversion='1'\n[tool.uv]\npackage=false\n"
            "[tool.uv.workspace]\nmembers=['libs/*']\n",
            "libs/one/pyproject.toml": member.format("one", "'iniconfig==2.0.0'"),
            "libs/one/one/__init__.py": "",
            "libs/one/tests/test_one.py": "",
            "libs/two/pyproject.toml": member.format("two", "'one'") + "[tool.uv.sources]\none = {workspace = true}\n",
            "libs/two/two/__init__.py": "",
        },
    )
    cache = {"UV_CACHE_DIR": str(home / "cache/uv-local")}
    locked = run.run(Command(argv=(uv_program(), "lock"), cwd=root, network=True, environment=cache, trusted=True))
    assert locked.exit_code == 0, locked.stderr
    project = seen(root)
    environments = LocalEnvironments(home, run)
    whole = of(environments, root, project, PYTHON)
    assert {"one", "two", "iniconfig", "pytest"} <= whole.versions.keys()
    assert [part.directory for part in project.parts] == ["libs/one", "libs/two"]
    for part in project.parts:
        assert of(environments, root, part, PYTHON) == whole


def test_members_of_an_npm_workspace_have_their_own_programs_first(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "package.json": json.dumps({"workspaces": ["packages/*"], "devDependencies": {"semver": "7.6.0"}}),
            "packages/a/package.json": json.dumps({"name": "a", "version": "1.0.0", "devDependencies": {"semver": "7.5.0"}}),
            "packages/b/package.json": json.dumps({"name": "b", "version": "1.0.0"}),
        },
    )
    cache = {"npm_config_cache": str(home / "cache/npm-change")}
    locked = run.run(
        Command(argv=("npm", "install", "--package-lock-only"), cwd=root, network=True, environment=cache, trusted=True)
    )
    assert locked.exit_code == 0, locked.stderr
    project, environments = seen(root), LocalEnvironments(home, run, domain="change")
    first, second = project.parts
    assert of(environments, root, project, NODE).versions["semver"] == "7.6.0"
    own, shared = of(environments, root, first, NODE), of(environments, root, second, NODE)
    assert (own.versions["semver"], shared.versions["semver"]) == ("7.5.0", "7.6.0")
    assert own.executable("semver") == root / "packages/a/node_modules/.bin/semver"
    assert shared.executable("semver") == root / "node_modules/.bin/semver"


def test_a_member_of_a_pnpm_workspace(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "package.json": json.dumps({"name": "all", "private": True, "packageManager": "pnpm@9.4.0"}),
            "pnpm-workspace.yaml": "packages: ['packages/*']\n",
            "packages/a/package.json": json.dumps({"name": "a", "dependencies": {"semver": "7.6.0"}}),
        },
    )
    (part,) = seen(root).parts
    found = of(LocalEnvironments(home, run, domain="change"), root, part, NODE)
    assert found.executable("semver") == root / "packages/a/node_modules/.bin/semver"
    assert found.versions["semver"] == "7.6.0"


BERRY = {
    "package.json": json.dumps({"name": "web", "packageManager": "yarn@4.9.1", "devDependencies": {"semver": "7.6.0"}}),
    ".yarnrc.yml": "nodeLinker: pnp\nyarnPath: .yarn/releases/yarn-4.9.1.cjs\n",
    ".yarn/releases/yarn-4.9.1.cjs": "throw new Error('code of the change ran')\n",
    ".pnp.cjs": "// what was pushed\n",
    "yarn.lock": "",
}


def test_plug_and_play_gets_node_modules_and_nothing_of_the_repository_runs(
    home: Path, run: ProcessRun, tmp_path: Path
) -> None:
    files = {name: text for name, text in BERRY.items() if name != "yarn.lock"}
    root = write(tmp_path, files)
    found = of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)
    assert found.executable("semver") is not None
    assert (root / ".pnp.cjs").read_text() == BERRY[".pnp.cjs"]


def test_plug_and_play_in_the_users_own_tree_is_left_alone(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    root = write(tmp_path, BERRY)
    with pytest.raises(WorkspaceError, match="Plug'n'Play") as caught:
        of(LocalEnvironments(home, run), root, seen(root), NODE)
    assert "nodeLinker" in caught.value.hint


def test_plugins_of_yarn_are_code_that_runs_at_installation(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    files = {**BERRY, ".yarnrc.yml": "plugins:\n  - .yarn/plugins/evil.cjs\n"}
    root = write(tmp_path, {**files, ".yarn/plugins/evil.cjs": f"require('fs').writeFileSync('{tmp_path}/ran', '')"})
    with pytest.raises(WorkspaceError, match="plugins") as caught:
        of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)
    assert "install_scripts" in caught.value.hint
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("manager", ["npm", "pnpm@9.4.0", "bun@1.3.14"])
@pytest.mark.parametrize("allowed", [False, True])
def test_install_scripts_run_only_where_the_policy_says_so(
    home: Path, run: ProcessRun, tmp_path: Path, manager: str, allowed: bool
) -> None:
    package = {
        "name": "web",
        "version": "1.0.0",
        "packageManager": manager,
        "scripts": {"preinstall": "touch ran", "prepare": "touch ran"},
        "devDependencies": {"semver": "7.6.0"},
    }
    root = write(tmp_path / "x", {"package.json": json.dumps(package), ".pnpmfile.cjs": "", ".npmrc": "ignore-scripts=false\n"})
    of(LocalEnvironments(home, run, domain="change"), root, seen(root).allowing(allowed), NODE)
    assert any(home.rglob("ran")) is allowed


def test_a_pnpmfile_is_no_part_of_an_installation(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    package = {"name": "web", "packageManager": "pnpm@9.4.0", "devDependencies": {"semver": "7.6.0"}}
    evil = f"require('fs').writeFileSync('{tmp_path}/ran', '')\n"
    root = write(tmp_path / "x", {"package.json": json.dumps(package), ".pnpmfile.cjs": evil})
    of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)
    assert not (tmp_path / "ran").exists()


def test_a_lock_that_needs_a_pnpmfile_is_said_to(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    package = {"name": "web", "packageManager": "pnpm@9.4.0", "devDependencies": {"semver": "7.6.0"}}
    lock = "lockfileVersion: '9.0'\n\npnpmfileChecksum: kf3cmgk5czvv3zgzv7rhmwcmg4\n"
    root = write(tmp_path, {"package.json": json.dumps(package), "pnpm-lock.yaml": lock, ".pnpmfile.cjs": ""})
    with pytest.raises(WorkspaceError, match="pnpmfile") as caught:
        of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)
    assert "install_scripts" in caught.value.hint


INTEGRITY = {
    "lru-cache": "Jo6dJ04CmSjuznwJSS3pUeWmd/H0ffTlkXXgwZi+eq1UCmqQwCh+eLsYOYCwY991i2Fah4h1BEMCx4qThGbsiA==",
    "semver": "EnwXhrlwXMk9gKu5/flx5sv/an57AkRplG3hTK68W7FRDN+k+OWBj65M7719OkA82XLBxrcX0KSHj+X5COhOVg==",
    "yallist": "3wdGidZyq5PB084XLES5TpOSRA3wjXAlIWMhum2kRcv/41Sn2emQ0dycQW4uZXLejwKvg6EsvbdlVL+FYEct7A==",
}
BUN = {
    "package.json": json.dumps({"name": "web", "devDependencies": {"semver": "7.6.0"}}),
    "bun.lock": f"""{{
  "lockfileVersion": 1,
  "workspaces": {{
    "": {{ "name": "web", "devDependencies": {{ "semver": "7.6.0", }}, }},
  }},
  "packages": {{
    "lru-cache": ["lru-cache@6.0.0", "", {{ "dependencies": {{ "yallist": "^4.0.0" }} }}, "sha512-{INTEGRITY["lru-cache"]}"],
    "semver": ["semver@7.6.0", "", {{ "dependencies": {{ "lru-cache": "^6.0.0" }}, "bin": {{ "semver": "bin/semver.js" }} }},
      "sha512-{INTEGRITY["semver"]}"],
    "yallist": ["yallist@4.0.0", "", {{}}, "sha512-{INTEGRITY["yallist"]}"],
  }}
}}
""",
}


@pytest.mark.parametrize("domain", ["local", "change"])
def test_a_lock_of_bun_is_installed(home: Path, run: ProcessRun, tmp_path: Path, domain: str) -> None:
    root = write(tmp_path / "web", BUN)
    found = of(LocalEnvironments(home, run, domain=domain), root, seen(root), NODE)
    assert found.executable("semver") == root / "node_modules/.bin/semver"
    assert found.versions["semver"] == "7.6.0"
    assert json.loads((root / "node_modules/yallist/package.json").read_text())["version"] == "4.0.0"


def test_a_lock_of_bun_that_package_json_contradicts_is_refused(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    root = write(tmp_path / "web", {**BUN, "package.json": BUN["package.json"].replace("7.6.0", "7.5.0")})
    with pytest.raises(WorkspaceError, match="lockfile had changes"):
        of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)


@pytest.mark.parametrize(
    "settings", ["[install.security]\nscanner = './evil'\n", "install = { security = { scanner = 'x' } }\n"]
)
def test_a_scanner_of_buns_is_code_that_runs_at_installation(
    home: Path, run: ProcessRun, tmp_path: Path, settings: str
) -> None:
    root = write(tmp_path / "web", {**BUN, "bunfig.toml": settings})
    with pytest.raises(WorkspaceError, match="scanner") as caught:
        of(LocalEnvironments(home, run, domain="change"), root, seen(root), NODE)
    assert "install_scripts" in caught.value.hint


def test_what_tox_installs_is_there_beside_a_lock(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "pyproject.toml": "[project]\nname='x'\nversion='1'\ndependencies=['iniconfig==2.0.0']\n[tool.uv]\npackage=false\n",
            "tox.ini": "[testenv]\ndeps =\n  pluggy==1.5.0\n  iniconfig==2.1.0\n",
            "test_x.py": "",
        },
    )
    cache = {"UV_CACHE_DIR": str(home / "cache/uv-local")}
    assert run.run(Command(argv=(uv_program(), "lock"), cwd=root, network=True, environment=cache, trusted=True)).exit_code == 0
    found = of(LocalEnvironments(home, run), root, seen(root), PYTHON)
    assert (found.versions["pluggy"], found.versions["iniconfig"]) == ("1.5.0", "2.0.0")


def test_requirements_of_task_runners_give_way_to_what_is_declared(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    files = {
        "requirements.txt": "iniconfig==2.0.0\n",
        "tox.ini": "[testenv:lint]\ndeps = iniconfig==1.1.1\n[testenv]\ndeps = pluggy\n",
    }
    root = write(tmp_path, {**files, "a.py": ""})
    found = of(LocalEnvironments(home, run), root, seen(root), PYTHON)
    assert found.versions["iniconfig"] == "2.0.0"
    assert "pluggy" in found.versions


def test_a_build_backend_from_before_editable_installations(home: Path, run: ProcessRun, tmp_path: Path) -> None:
    backend = "class Hooks: pass\ndef get_requires_for_build_wheel(c=None): return []\n"
    root = write(
        tmp_path,
        {
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'old'\nbackend-path = ['build_here']\n"
            "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['iniconfig==2.0.0']\n",
            "build_here/old.py": backend,
            "src/shop/__init__.py": "x = 1\n",
        },
    )
    found = of(LocalEnvironments(home, run), root, seen(root), PYTHON)
    assert found.versions["iniconfig"] == "2.0.0"
    said = run.run(Command(argv=(str(found.python), "-c", "import shop; print(shop.x)"), cwd=Path("/"), trusted=True))
    assert said.stdout == b"1\n", said.stderr
