"""Which projects without a uv.lock ask for nothing but the package index, so that environments of them can be shared."""

from pathlib import Path

import pytest

from forge_dagster.domain.foreign import load_toml
from forge_dagster.domain.project import PythonProject
from forge_dagster.workspace.declared_projects import DeclaredProject, declared_project
from forge_dagster.workspace.python_plan import plan

HASH = "sha256:" + "0" * 64
SYSTEM = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
POETRY = """
[tool.poetry]
name = "Shop"
[tool.poetry.dependencies]
python = "^3.11"
iniconfig = "^2.0"
[tool.poetry.group.dev.dependencies]
pluggy = "1.5.0"
"""
PROJECT = """
[project]
name = "shop"
version = "1"
dependencies = ["iniconfig>=2"]
[project.optional-dependencies]
fast = ["pluggy"]
dev = ["shop[fast]", "packaging"]
"""


def found(root: Path, files: dict[str, str], *, constraints: tuple[str, ...] = ()) -> DeclaredProject | None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    python = PythonProject(
        manager="pip",
        pyproject=load_toml(files.get("pyproject.toml", "")),
        requirement_files=tuple(name for name in files if name.startswith("requirements")),
    )
    return declared_project(python, plan(python, root=root, files=tuple(files)), root, constraints, "2026-11-27")


def test_poetry_asks_for_its_dependencies_and_groups(tmp_path: Path) -> None:
    project = found(tmp_path, {"pyproject.toml": SYSTEM + POETRY}, constraints=("iniconfig==2.0.0",))
    assert project is not None
    assert project.attempts == (("iniconfig<3,>=2.0", "pluggy==1.5.0"),)
    assert project.in_place == (".",)
    assert project.names == {"shop"}
    assert project.build_requirements == ("poetry-core",)
    assert project.constraints == ("iniconfig==2.0.0",)
    assert project.as_of == "", "its lock says which"


def test_an_extra_of_the_project_itself_is_what_that_extra_asks_for(tmp_path: Path) -> None:
    project = found(tmp_path, {"pyproject.toml": SYSTEM + PROJECT})
    assert project is not None
    assert project.attempts == (("iniconfig>=2", "packaging", "pluggy"),)
    assert project.as_of == "2026-11-27", "ranges are what the index has on that day"


def test_requirement_files_keep_their_hashes(tmp_path: Path) -> None:
    files = {
        "requirements.txt": f"iniconfig==2.0.0 \\\n    --hash={HASH} \\\n    --hash={HASH}\n# pinned\n",
        "requirements-dev.txt": "-r requirements.txt\n-r more/base.txt\npluggy == 1.5.0  # of tests\n",
        "more/base.txt": "packaging==24.0\n",
    }
    project = found(tmp_path, files)
    assert project is not None
    (lines,) = project.attempts
    assert set(lines) == {f"iniconfig==2.0.0 --hash={HASH} --hash={HASH}", "packaging==24.0", "pluggy==1.5.0"}
    assert (project.in_place, project.as_of) == ((), "")


def test_the_project_in_place_is_no_requirement(tmp_path: Path) -> None:
    files = {"pyproject.toml": SYSTEM + PROJECT, "requirements-dev.txt": "-e .\npluggy\n"}
    project = found(tmp_path, files)
    assert project is not None
    assert all(not line.startswith(("-", ".")) for line in project.attempts[0])
    assert project.in_place == (".",)


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "--index-url https://elsewhere.example/simple\niniconfig\n"},
        {"requirements.txt": "-c constraints.txt\niniconfig\n"},
        {"requirements.txt": "-e .\n"},
        {"requirements.txt": "-e ./other\n"},
        {"requirements.txt": "./other\n"},
        {"requirements.txt": "iniconfig @ https://elsewhere.example/iniconfig.whl\n"},
        {"requirements.txt": "git+https://elsewhere.example/iniconfig\n"},
        {"requirements.txt": "iniconfig --config-settings=x=y\n"},
        {"requirements.txt": f"iniconfig --hash={HASH} --config-settings=x=y\n"},
        {"requirements.txt": "-r /etc/requirements.txt\n"},
        {"requirements.txt": "-r ../requirements.txt\n"},
        {"requirements.txt": "-r not-there.txt\n"},
        {"requirements.txt": "iniconfig\n", "uv.toml": ""},
        {"requirements.txt": "iniconfig\n", "pyproject.toml": '[tool.uv.sources]\niniconfig = { path = "x" }\n'},
        {"pyproject.toml": SYSTEM + '[project]\nname = "shop"\ndynamic = ["version", "dependencies"]\n'},
        {"pyproject.toml": SYSTEM + '[project]\nname = "shop"\nversion = "1"\ndependencies = ["x @ file:///x"]\n'},
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'},
        {"pyproject.toml": SYSTEM + PROJECT, "setup.py": "from setuptools import setup\nsetup(install_requires=['pluggy'])\n"},
        {"pyproject.toml": SYSTEM + POETRY.replace('"^2.0"', '{ path = "x", develop = true }')},
        {"pyproject.toml": SYSTEM + POETRY.replace('"^2.0"', '{ git = "https://elsewhere.example" }')},
        {"pyproject.toml": SYSTEM + POETRY.replace('"^2.0"', '{ version = "^2.0", source = "elsewhere" }')},
        {"pyproject.toml": SYSTEM + POETRY.replace('"^2.0"', '[{ version = "^2.0", python = ">3.8" }, { version = "^1.0" }]')},
        {"pyproject.toml": SYSTEM + PROJECT + '[tool.poetry.dependencies]\niniconfig = { path = "x" }\n'},
    ],
)  # fmt: skip
def test_what_leaves_something_open_is_not_shared(tmp_path: Path, files: dict[str, str]) -> None:
    assert found(tmp_path, files) is None


def test_a_requirement_file_that_is_a_link_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("iniconfig==2.0.0\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "requirements.txt").symlink_to(tmp_path / "elsewhere")
    python = PythonProject(manager="pip", requirement_files=("requirements.txt",))
    wanted = plan(python, root=project, files=("requirements.txt",))
    assert declared_project(python, wanted, project, (), "2026-11-27") is None


@pytest.mark.parametrize(
    ("line", "day"),
    [
        ("iniconfig==2.0.0", ""),
        ("iniconfig===2.0.0 ; python_version > '3'", ""),
        ("iniconfig>=2 ; python_version == '3.11'", "2026-11-27"),
        ("iniconfig==2.*", "2026-11-27"),
        ("iniconfig", "2026-11-27"),
    ],
)
def test_only_one_version_is_the_same_on_every_day(tmp_path: Path, line: str, day: str) -> None:
    project = found(tmp_path, {"requirements.txt": f"{line}\n"})
    assert project is not None
    assert project.as_of == day


def test_everything_that_is_installed_has_a_say_in_the_identity(tmp_path: Path) -> None:
    renamed = PROJECT.replace('name = "shop"', 'name = "till"').replace("shop[fast]", "till[fast]")
    texts = [
        PROJECT,
        renamed,
        PROJECT.replace("iniconfig>=2", "iniconfig>=1"),
        PROJECT + '[dependency-groups]\ndev = ["attrs"]\n',
    ]
    projects = [found(tmp_path / str(number), {"pyproject.toml": SYSTEM + text}) for number, text in enumerate(texts)]
    projects.append(found(tmp_path / "locked", {"pyproject.toml": SYSTEM + PROJECT}, constraints=("iniconfig==2.0.0",)))
    assert len({project.identity() for project in projects if project is not None}) == len(projects)
