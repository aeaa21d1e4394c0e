"""Checkouts of a server: environments linked to one in which no code ran, with the real uv. Played attacks on them are in
tests/attacks/cases_environments.py.
"""

import os
import shutil
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.uv_runs import uv_program
from tests.support.counting import CountingRun

BARE = """
[project]
name = "shop"
version = "1.2"
requires-python = ">=3.11"
dependencies = ["iniconfig==2.0.0"]
"""
SCRIPT = "[project.scripts]\nshop = 'shop:main'\n"
HATCHLING = "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
SETUPTOOLS = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
UV_BUILD = "[build-system]\nrequires = ['uv_build']\nbuild-backend = 'uv_build'\n"
MODULE = "x = 1\ndef main() -> None:\n    print('open')\n"
CLASHING = """\
import os, zipfile

def build_editable(folder, settings=None, metadata=None):
    name = "shop-1.2-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("iniconfig/__init__.py", "poisoned = True")
        wheel.writestr("shop-1.2.dist-info/METADATA", "Metadata-Version: 2.1\\nName: shop\\nVersion: 1.2\\n")
        wheel.writestr("shop-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("shop-1.2.dist-info/RECORD", "")
    return name
"""
POETRY_CORE = "[build-system]\nrequires = ['poetry-core']\nbuild-backend = 'poetry.core.masonry.api'\n"
PDM = "[build-system]\nrequires = ['pdm-backend']\nbuild-backend = 'pdm.backend'\n"
LOCKED = '[[package]]\nname = "iniconfig"\nversion = "2.0.0"\n'
BY_POETRY = """
[tool.poetry]
name = "shop"
version = "1.2"
description = ""
authors = []
packages = [{ include = "shop", from = "src" }]
[tool.poetry.dependencies]
python = ">=3.11"
iniconfig = "*"
[tool.poetry.scripts]
shop = "shop:main"
"""
INICONFIG = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"
"""Of iniconfig 2.0.0's wheel on the package index."""
IN_TREE = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


@pytest.fixture
def run(home: Path) -> CountingRun:
    return CountingRun(home)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def locked(run: CountingRun, home: Path, root: Path) -> Path:
    cache = {"UV_CACHE_DIR": str(home / "cache/uv-local")}
    made = run.run(Command(argv=(uv_program(), "lock", "-q"), cwd=root, network=True, environment=cache, trusted=True))
    assert made.exit_code == 0, made.stderr
    run.commands.clear()
    return root


def of(home: Path, run: CountingRun, root: Path, lines: list[str] | None = None) -> Environment:
    environments = LocalEnvironments(home, run, domain="change")
    project = detect(root, existing(root, walk(root)))
    log = [] if lines is None else lines
    found = environments.of(Language.PYTHON, root=root, project=project, log=log.append)
    assert environments.digest(Language.PYTHON, root=root, project=project) == found.digest
    return found


def packages(found: Environment) -> Path:
    (folder,) = found.bin_directories[0].parent.glob("lib/python*/site-packages")
    return folder


def said(run: CountingRun, found: Environment, *argv: str) -> str:
    program = found.executable(argv[0])
    assert program is not None
    result = run.run(Command(argv=(str(program), *argv[1:]), cwd=Path("/"), environment=found.variables, trusted=True))
    assert result.exit_code == 0, result.stderr
    return result.stdout.decode().strip()


def written_to(run: CountingRun, folder: Path) -> list[Command]:
    return [command for command in run.commands if any(path in (folder, *folder.parents) for path in command.writes)]


def test_a_project_that_is_no_package_is_linked_without_a_process(home: Path, run: CountingRun, tmp_path: Path) -> None:
    files = {"pyproject.toml": f"{BARE}[tool.uv]\npackage = false\n", "shop.py": MODULE, "test_shop.py": ""}
    first = locked(run, home, write(tmp_path / "first", files))
    one = of(home, run, first)
    run.commands.clear()
    second = shutil.copytree(first, tmp_path / "second")
    two = of(home, run, second)
    assert run.commands == []
    assert two.versions == one.versions
    assert two.digest == one.digest
    assert {"iniconfig", "pytest", "pytest-cov", "coverage"} <= two.versions.keys()
    modules = [packages(found) / "iniconfig/__init__.py" for found in (one, two)]
    assert modules[0].samefile(modules[1])
    assert list(packages(two).glob("iniconfig/__pycache__/*.pyc")), "what runs there cannot compile it"
    assert said(run, two, "pytest", "--version").startswith("pytest ")
    assert said(run, two, "python", "-c", "import sys; print(sys.prefix)") == str(two.bin_directories[0].parent)


PACKAGES = {
    "hatchling": {"pyproject.toml": BARE + SCRIPT + HATCHLING},
    "setuptools": {"pyproject.toml": BARE + SCRIPT + SETUPTOOLS},
    "uv_build": {"pyproject.toml": BARE + SCRIPT + UV_BUILD},
    "poetry": {"pyproject.toml": POETRY_CORE + BY_POETRY, "poetry.lock": LOCKED},
    "pdm": {"pyproject.toml": BARE.replace("==2.0.0", "") + SCRIPT + PDM, "pdm.lock": LOCKED},
    "unlocked": {"pyproject.toml": BARE + SCRIPT + SETUPTOOLS},
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_package_is_built_apart_and_added(home: Path, run: CountingRun, tmp_path: Path, kind: str) -> None:
    files = {**PACKAGES[kind], "src/shop/__init__.py": MODULE, "tests/test_shop.py": ""}
    first = write(tmp_path / "first", files)
    if kind in ("hatchling", "setuptools", "uv_build"):
        locked(run, home, first)
    lines: list[str] = []
    one = of(home, run, first, lines)
    assert not [line for line in lines if "cannot be linked" in line]
    second = shutil.copytree(first, tmp_path / "second")
    run.commands.clear()
    two = of(home, run, second)
    assert len(run.commands) == 1, "only the project itself"
    assert run.commands[0].network is False
    assert written_to(run, two.bin_directories[0].parent) == [], "no process may write to what is linked"
    assert two.versions == one.versions
    assert (two.versions["iniconfig"], two.versions["shop"]) == ("2.0.0", "1.2")
    assert two.digest == one.digest
    (second / "src/shop/__init__.py").write_text("x = 2\ndef main() -> None:\n    print('closed')\n")
    assert (said(run, one, "shop"), said(run, two, "shop")) == ("open", "closed")
    told = said(
        run, two, "python", "-c", "import importlib.metadata as m; print(m.distribution('shop').read_text('direct_url.json'))"
    )
    assert second.as_uri() in told
    assert (packages(one) / "iniconfig/__init__.py").samefile(packages(two) / "iniconfig/__init__.py")
    shutil.rmtree(first)
    assert said(run, two, "python", "-c", "import shop, iniconfig; print(shop.x)") == "2"


def test_members_of_a_workspace_are_added_together(home: Path, run: CountingRun, tmp_path: Path) -> None:
    member = HATCHLING + "[project]\nname = '{}'\nversion = '1'\ndependencies = [{}]\n"
    files = {
        "pyproject.toml": "[project]\nname='all'\nversion='1'\nrequires-python='>=3.11'\n[tool.uv]\npackage=false\n"
        "[tool.uv.workspace]\nmembers=['libs/*']\n",
        "libs/one/pyproject.toml": member.format("one", "'iniconfig==2.0.0'"),
        "libs/one/src/one/__init__.py": "x = 1\n",
        "libs/two/pyproject.toml": member.format("two", "'one'") + "[tool.uv.sources]\none = {workspace = true}\n",
        "libs/two/src/two/__init__.py": "import one\n",
    }
    found = of(home, run, locked(run, home, write(tmp_path, files)))
    assert {"one", "two", "iniconfig", "pytest"} <= found.versions.keys()
    assert written_to(run, found.bin_directories[0].parent) == []
    assert said(run, found, "python", "-c", "import two; print(two.one.x)") == "1"


def test_where_extras_exclude_each_other_those_for_checks_are_linked(home: Path, run: CountingRun, tmp_path: Path) -> None:
    extras = "[project.optional-dependencies]\ntest = ['pluggy==1.5.0']\nold = ['pluggy==1.4.0']\n"
    settings = "[tool.uv]\npackage = false\nconflicts = [[{extra = 'test'}, {extra = 'old'}]]\n"
    root = locked(run, home, write(tmp_path, {"pyproject.toml": BARE + extras + settings, "test_shop.py": ""}))
    found = of(home, run, root)
    assert found.versions["pluggy"] == "1.5.0"
    assert (packages(found) / "pluggy/__init__.py").stat().st_nlink == 2


def test_a_project_that_brings_files_of_a_package_is_installed_unshared(home: Path, run: CountingRun, tmp_path: Path) -> None:
    files = {"pyproject.toml": BARE + IN_TREE, "backend.py": CLASHING, "shop.py": ""}
    first = locked(run, home, write(tmp_path / "first", files))
    lines: list[str] = []
    evil = of(home, run, first, lines)
    assert [line for line in lines if "is there already" in line]
    assert (packages(evil) / "iniconfig/__init__.py").read_text() == "poisoned = True"
    second = shutil.copytree(first, tmp_path / "second")
    (second / "backend.py").write_text(CLASHING.replace("iniconfig/__init__.py", "shop_here.py"))
    good = of(home, run, second)
    assert written_to(run, good.bin_directories[0].parent) == []
    assert "poisoned" not in (packages(good) / "iniconfig/__init__.py").read_text()
    assert (packages(good) / "shop_here.py").read_text() == "poisoned = True"


def test_what_tox_asks_for_and_has_no_wheel_is_built_for_each_checkout(
    home: Path, run: CountingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(
        tmp_path / "source",
        {"pyproject.toml": "[project]\nname = 'forge_odd'\nversion = '1'\n" + HATCHLING, "forge_odd.py": ""},
    )
    links = tmp_path / "links"
    made = run.run(
        Command(argv=(uv_program(), "build", "-q", "--sdist", "--out-dir", str(links)), cwd=source, network=True, trusted=True)
    )
    assert made.exit_code == 0, made.stderr
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    files = {
        "pyproject.toml": f"{BARE}[tool.uv]\npackage = false\n",
        "tox.ini": "[testenv]\ndeps = forge_odd\n",
        "test_shop.py": "",
    }
    root = write(tmp_path / "x", files)
    monkeypatch.delenv("UV_FIND_LINKS")
    locked(run, home, root)
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    found = of(home, run, root)
    assert found.versions["forge-odd"] == "1"
    assert (packages(found) / "iniconfig/__init__.py").stat().st_nlink == 1
    run.commands.clear()
    again = of(home, run, shutil.copytree(root, tmp_path / "y"))
    assert again.versions == found.versions
    whole = [command for command in run.commands if any("pristine" in str(path) for path in command.writes)]
    assert whole == [], "it is not tried again for each checkout"


def test_a_pristine_environment_has_its_time(home: Path, run: CountingRun, tmp_path: Path) -> None:
    domain = home / "environments/change"
    files = {
        "pyproject.toml": f"{BARE}[tool.uv]\npackage = false\n",
        "shop.py": "",
        "tox.ini": "[testenv]\ndeps = pluggy==1.5.0\n",
    }
    first = locked(run, home, write(tmp_path / "first", files))
    before = set(domain.glob("pristine-python-*/forge-pristine"))
    one = of(home, run, first)
    (mark,) = set(domain.glob("pristine-python-*/forge-pristine")) - before
    os.utime(mark, (1, 1))
    two = of(home, run, shutil.copytree(first, tmp_path / "second"))
    assert mark.stat().st_mtime > 1, "it was made anew"
    assert not (packages(one) / "pluggy/__init__.py").samefile(packages(two) / "pluggy/__init__.py")
    os.utime(mark, (1, 1))
    of(home, run, write(tmp_path / "other", {"a.py": ""}))
    assert not mark.parent.exists()
    assert said(run, two, "python", "-c", "import pluggy; print(1)") == "1"


def test_groups_without_a_solution_are_linked_without_what_is_needed_least(
    home: Path, run: CountingRun, tmp_path: Path
) -> None:
    groups = "[dependency-groups]\ntest = ['pluggy==1.5.0']\ndocs = ['pluggy==1.4.0']\n"
    files = {"pyproject.toml": BARE + SETUPTOOLS + groups, "src/shop/__init__.py": MODULE, "tests/test_shop.py": ""}
    first = write(tmp_path / "first", files)
    lines: list[str] = []
    assert of(home, run, first, lines).versions["pluggy"] == "1.5.0"
    assert "that has no solution; trying with less" in lines
    assert not [line for line in lines if "cannot be linked" in line]


def test_requirement_files_with_hashes_are_linked_without_a_process(home: Path, run: CountingRun, tmp_path: Path) -> None:
    hashed = f"iniconfig==2.0.0 \\\n    --hash={INICONFIG}\n"
    first = write(tmp_path / "first", {"requirements.txt": hashed, "shop.py": MODULE, "test_shop.py": ""})
    one = of(home, run, first)
    run.commands.clear()
    two = of(home, run, shutil.copytree(first, tmp_path / "second"))
    assert run.commands == []
    assert two.versions == one.versions
    assert {"iniconfig", "pytest"} <= two.versions.keys()


def test_a_requirement_of_another_hash_is_not_installed(home: Path, run: CountingRun, tmp_path: Path) -> None:
    files = {"requirements.txt": f"iniconfig==2.0.0 --hash=sha256:{'0' * 64}\n", "shop.py": MODULE}
    with pytest.raises(WorkspaceError, match=r"(?i)hash"):
        of(home, run, write(tmp_path / "shop", files))
