"""Versions that locks pin, for explanations."""

import json
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language, NodeProject, Project, PythonProject
from forge_dagster.workspace.locked_versions import locked_version
from forge_dagster.workspace.toolbox import pinned_version

PNPM = """
lockfileVersion: '9.0'
importers:
  .:
    devDependencies:
      '@biomejs/biome':
        specifier: ^1.8.0
        version: 1.8.3
      prettier:
        specifier: ^3
        version: 3.1.0(x@1)
packages:
  other@2.0.0:
"""


@pytest.mark.parametrize(
    ("lock", "text", "package", "version"),
    [
        ("uv.lock", '[[package]]\nname = "ruff"\nversion = "0.5.0"\n', "ruff", "0.5.0"),
        ("poetry.lock", '[[package]]\nname = "ruff"\nversion = "0.5.0"\n', "ruff-x", None),
        ("requirements/dev.txt", "-r ../base.txt\nRuff==0.5.1 ; python_version > '3'\n", "ruff", "0.5.1"),
        ("package-lock.json", json.dumps({"packages": {"node_modules/eslint": {"version": "9.1.0"}}}), "eslint", "9.1.0"),
        ("package-lock.json", "{", "eslint", None),
        ("pnpm-lock.yaml", PNPM, "prettier", "3.1.0"),
        ("pnpm-lock.yaml", PNPM, "@biomejs/biome", "1.8.3"),
        ("pnpm-lock.yaml", PNPM, "other", "2.0.0"),
        ("yarn.lock", 'eslint@^9.0.0:\n  version "9.2.0"\n', "eslint", "9.2.0"),
        ("yarn.lock", '"eslint@npm:^9.0.0":\n  version: 9.3.0\n', "eslint", "9.3.0"),
        ("bun.lock", '{"packages": {"eslint": ["eslint@9.4.0", "", {}]}}', "eslint", "9.4.0"),
    ],
)
def test_version_in_a_lock(tmp_path: Path, lock: str, text: str, package: str, version: str | None) -> None:
    (tmp_path / lock).parent.mkdir(exist_ok=True)
    (tmp_path / lock).write_text(text)
    python = lock.endswith(("uv.lock", "poetry.lock", ".txt"))
    project = Project(python=PythonProject(manager="uv"), node=NodeProject(manager="npm"))
    language = Language.PYTHON if python else Language.TYPESCRIPT
    found = locked_version(project, root=tmp_path, language=language, package=package)
    assert found == (None if version is None else (version, lock))


def test_a_member_has_its_workspaces_versions(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "ruff"\nversion = "0.5.0"\n')
    project = Project(python=PythonProject(manager="uv", directory="libs/a", workspace=""))
    assert locked_version(project, root=tmp_path, language=Language.PYTHON, package="ruff") == ("0.5.0", "uv.lock")
    assert locked_version(Project(), root=tmp_path, language=Language.PYTHON, package="ruff") is None


def test_versions_of_forges_own_tools() -> None:
    assert (pinned_version(Language.PYTHON, "ruff") or "").count(".") == 2
    assert (pinned_version(Language.TYPESCRIPT, "prettier") or "").count(".") == 2
    assert pinned_version(None, "kingfisher-bin")
    assert pinned_version(Language.PYTHON, "no-such-package") is None
    assert pinned_version(Language.TYPESCRIPT, "no-such-package") is None
