"""The copy of a checkout in which faults are planted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_dagster.domain.project import Language, NodeProject, Project
from forge_dagster.errors import WorkspaceError
from forge_dagster.gates import staged
from forge_dagster.gates.staged import Lent, copied
from forge_dagster.ports import Environment
from tests.fakes.machine import NoEnvironments


def written(root: Path, files: dict[str, str]) -> Project:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project(files=tuple(sorted(files)))


def names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_sources_and_what_was_generated_beside_them_are_copied(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    project = written(root, {"src/a.py": "1", "tests/test_a.py": "2"})
    written(root, {"src/_version.py": "3", ".git/config": "x", "node_modules/m/i.js": "x", "src/__pycache__/a.pyc": "x"})
    written(root, {"env/pyvenv.cfg": "x", "env/lib/x.py": "x", "mutants/src/a.py": "x"})
    copied(root, project, tmp_path / "copy")
    assert names(tmp_path / "copy") == {"src/a.py", "tests/test_a.py", "src/_version.py"}
    (tmp_path / "copy/src/a.py").write_text("changed")
    assert (root / "src/a.py").read_text() == "1"


def test_links_are_copied_only_where_they_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    project = written(root, {"src/a.py": "1"})
    written(tmp_path, {"secret": "x"})
    for name, target in (("in", "src/a.py"), ("out", "../secret"), ("absolute", str(root / "src/a.py")), ("folder", "src")):
        (root / name).symlink_to(target)
    copied(root, project, tmp_path / "copy")
    assert names(tmp_path / "copy") == {"src/a.py", "in", "folder"}
    assert (tmp_path / "copy/in").readlink() == Path("src/a.py")


def test_what_is_not_tracked_is_copied_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged, "_UNTRACKED_FILE", 10)
    monkeypatch.setattr(staged, "_UNTRACKED_ALL", 15)
    root = tmp_path / "repo"
    project = written(root, {"big.py": "x" * 100})
    written(root, {"data.bin": "x" * 11, "one": "x" * 9})
    copied(root, project, tmp_path / "copy")
    assert names(tmp_path / "copy") == {"big.py", "one"}
    written(root, {"two": "x" * 9})
    with pytest.raises(WorkspaceError, match="does not track"):
        copied(root, project, tmp_path / "another")


class Node(NoEnvironments):
    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:
        return Environment(language=language)


def test_packages_are_lent_and_members_of_the_workspace_are_the_copys_own(tmp_path: Path) -> None:
    root, copy = tmp_path / "repo", tmp_path / "copy"
    project = written(root, {"package.json": "{}", "packages/a/index.js": "1"})
    written(root, {"node_modules/left/i.js": "x", "node_modules/@acme/right/i.js": "x", "node_modules/.vite-temp/x": "x"})
    written(root, {"node_modules/.bin/left": "x"})
    (root / "node_modules/@acme/a").symlink_to("../../packages/a")
    project = project.model_copy(update={"node": NodeProject(manager="npm")})
    copied(root, project, copy)
    lent = Lent(inner=Node(), root=root, staged=copy)
    for _ in range(2):
        lent.of(Language.TYPESCRIPT, root=copy, project=project, log=lambda _line: None)
    modules = copy / "node_modules"
    assert {path.name for path in modules.iterdir()} == {"left", "@acme", ".bin"}
    assert (modules / "left").resolve() == root / "node_modules/left"
    assert (modules / "@acme/right").resolve() == root / "node_modules/@acme/right"
    assert (modules / "@acme/a").resolve() == copy / "packages/a"
