"""The further projects of a repository: workspaces, and projects beside or below the first."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.detect_parts import MAX_PARTS
from forge_dagster.workspace.detect_places import members

APP = json.dumps({"name": "app", "scripts": {"test": "vitest run"}})
PYTHON = "[project]\nname = 'x'\nversion = '1'\n"


def project_of(root: Path, files: dict[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return detect(root, existing(root, walk(root)))


def node_parts(project: Project) -> dict[str, str | None]:
    return {part.directory: part.node.workspace for part in project.parts if part.node is not None}


def python_parts(project: Project) -> dict[str, str | None]:
    return {part.directory: part.python.workspace for part in project.parts if part.python is not None}


@pytest.mark.parametrize(
    "workspaces",
    [["packages/*", "!packages/old"], {"packages": ["./packages/*/", "!packages/old"]}, ["packages/{a,b}", "packages/nowhere"]],
)
def test_members_of_an_npm_workspace_share_its_lock(tmp_path: Path, workspaces: object) -> None:
    project = project_of(
        tmp_path,
        {
            "package.json": json.dumps({"name": "all", "workspaces": workspaces}),
            "yarn.lock": "",
            "packages/a/package.json": APP,
            "packages/a/src/a.ts": "",
            "packages/b/package.json": "{}",
            "packages/b/deep/package.json": APP,
            "packages/old/README.md": "",
        },
    )
    assert project.node is not None
    assert project.node.directory == ""
    assert node_parts(project) == {"packages/a": "", "packages/b": ""}
    first, second = project.parts
    assert first.node is not None
    assert (first.node.manager, first.node.lock_file) == ("yarn", None)
    assert first.files == ("packages/a/package.json", "packages/a/src/a.ts")
    assert second.files == ("packages/b/deep/package.json", "packages/b/package.json")
    assert first.parts == ()
    assert any("yarn workspace of 2 projects" in sign.what for sign in project.signs)


def test_pnpm_workspace(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "package.json": "{}",
            "pnpm-lock.yaml": "",
            "pnpm-workspace.yaml": "packages:\n  - 'packages/**'\n  - '!**/test/**'\ncatalog:\n  react: ^18\n",
            "packages/a/package.json": APP,
            "packages/group/b/package.json": APP,
            "packages/a/test/app/package.json": APP,
            "packages/playground/package.json": APP,
        },
    )
    assert node_parts(project) == {"packages/a": "", "packages/group/b": ""}


def test_pnpm_settings_alone_are_no_workspace(tmp_path: Path) -> None:
    files = {"package.json": APP, "pnpm-workspace.yaml": "onlyBuiltDependencies: [esbuild]\n", "packages/a/package.json": "{}"}
    assert project_of(tmp_path, files).parts == ()


def test_lerna_packages_stand_alone(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "package.json": APP,
            "lerna.json": json.dumps({"packages": ["packages/*"]}),
            "packages/a/package.json": APP,
            "packages/a/index.js": "",
            "packages/a/package-lock.json": "{}",
            "packages/loader/package.json": json.dumps({"main": "../x.js"}),
            "packages/loader/index.js": "",
        },
    )
    assert node_parts(project) == {"packages/a": None}
    assert project.parts[0].node is not None
    assert project.parts[0].node.lock_file == "package-lock.json"


def test_members_of_a_uv_workspace(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "pyproject.toml": PYTHON + "[tool.uv.workspace]\nmembers = ['libs/*']\nexclude = ['libs/no']\n",
            "uv.lock": "",
            "libs/a/pyproject.toml": PYTHON,
            "libs/a/a.py": "",
            "libs/a/speed.c": "",
            "libs/no/pyproject.toml": PYTHON,
            "other/deep/er/pyproject.toml": PYTHON,
        },
    )
    assert python_parts(project) == {"libs/a": "", "libs/no": None}
    first = project.parts[0].python
    assert first is not None
    assert project.python is not None
    assert (first.manager, first.lock_file) == ("uv", None)
    assert first.native_files == project.python.native_files != ()


def test_without_a_lock_a_member_stands_alone(tmp_path: Path) -> None:
    files = {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['libs/*']\n", "libs/a/pyproject.toml": PYTHON}
    assert python_parts(project_of(tmp_path, files)) == {"libs/a": None}


def test_projects_side_by_side(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        {
            "backend/pyproject.toml": PYTHON,
            "backend/app.py": "",
            "backend/more.py": "",
            "backend/models.py": "",
            "worker/setup.py": "",
            "worker/work.py": "",
            "jobs/requirements.txt": "flask\n",
            "jobs/run.py": "",
            "ci/requirements.txt": "tox\n",
            "doctests/requirements.txt": "x\n",
            "doctests/a.py": "",
            "frontend/package.json": APP,
            "frontend/a.ts": "",
            "admin/package.json": APP,
            "admin/a.ts": "",
            "examples/web/package.json": APP,
            "tests/fixtures/p/pyproject.toml": PYTHON,
            "docs/conf.py": "",
            "docs/requirements.txt": "sphinx\n",
            "{{cookiecutter.x}}/pyproject.toml": "[[broken",
            ".config/package.json": APP,
        },
    )
    assert project.python is not None
    assert project.node is not None
    assert (project.python.directory, project.node.directory) == ("backend", "admin")
    assert python_parts(project) == {"jobs": None, "worker": None}
    assert node_parts(project) == {"frontend": None}


def test_a_part_of_both_languages(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": PYTHON,
        "package.json": APP,
        "web/pyproject.toml": PYTHON,
        "web/package.json": APP,
        "web/a.js": "",
    }
    (part,) = project_of(tmp_path, files).parts
    assert [language.value for language in part.languages] == ["python", "typescript"]


def test_projects_depended_on_by_path(tmp_path: Path) -> None:
    text = "[tool.poetry]\nname='x'\n[tool.poetry.dependencies]\nmine = {path = 'a/b/c/mine'}\nout = {path = '../out'}\n"
    files = {"pyproject.toml": text, "a/b/c/mine/pyproject.toml": PYTHON, "a/b/c/other/pyproject.toml": PYTHON}
    assert python_parts(project_of(tmp_path, files)) == {"a/b/c/mine": None}


def test_a_broken_manifest_of_a_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"web/package\.json"):
        project_of(tmp_path, {"package.json": APP, "web/package.json": "{", "web/a.js": ""})


def test_no_more_parts_than_can_be_looked_at(tmp_path: Path) -> None:
    files = {"package.json": json.dumps({"workspaces": ["p/*"]})}
    files |= {f"p/{number:03}/package.json": "{}" for number in range(MAX_PARTS + 3)}
    project = project_of(tmp_path, files)
    assert len(project.parts) == MAX_PARTS
    assert any("3 further projects" in sign.what for sign in project.signs)


@given(st.lists(st.text(alphabet="ab/*!{},.[]", max_size=30), max_size=5))
def test_members_are_always_folders_below_the_root(patterns: list[str]) -> None:
    folders = ["", "a", "a/b", "b", "x", "x/a", "a/b/a"]
    assert set(members(patterns, folders, root="x")) <= {"x/a"}
    assert "" not in members(patterns, folders, root="")


def test_patterns_cannot_be_made_to_take_long() -> None:
    assert members(["**/" * 40 + "b", "*a" * 60 + "b", "{" * 50 + ",a}" * 50], ["a" * 200], root="") == ()
