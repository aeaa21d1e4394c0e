"""What in a repository shows that it uses a tool. The strongest sign comes first: configuration, then hooks, then packages."""

from collections.abc import Iterable, Mapping
from typing import Any

from forge_dagster.domain.attribution import DECLARED
from forge_dagster.domain.project import Hook, NodeProject, Project, PythonProject
from forge_dagster.tools.scripts import invocations


def table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any] | None:
    """The table at `keys`, or None when there is none."""
    found: Any = data
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def python_sign(
    project: Project,
    *,
    package: str,
    tool_table: str = "",
    files: Iterable[str] = (),
    sections: Iterable[str] = (),
    hooks: Iterable[str] = (),
) -> str | None:
    """Why a Python repository is seen to use a tool, or None."""
    python = project.python
    if python is None:
        return None
    if tool_table and table(python.pyproject, "tool", tool_table) is not None:
        return f"pyproject.toml has [tool.{tool_table}]"
    return _file(python, files) or _section(python, sections) or hook_sign(project, hooks) or _dependency(python, package)


def node_sign(
    project: Project, *, package: str, program: str, key: str = "", files: Iterable[str] = (), hooks: Iterable[str] = ()
) -> str | None:
    """Why a JavaScript or TypeScript repository is seen to use a tool, or None. `key`: the tool's own key in package.json."""
    node = project.node
    if node is None:
        return None
    if key and key in node.package:
        return f'package.json has "{key}"'
    script = next(iter(invocations(node.scripts, program)), None)
    if script is not None:
        return f'package.json\'s script "{script.script}" runs {program}'
    return _file(node, files) or hook_sign(project, hooks) or _dependency(node, package)


def hook_sign(project: Project, hooks: Iterable[str]) -> str | None:
    """The pre-commit hook that runs the tool."""
    found = next((hook for hook in hooks if hook in project.pre_commit_hooks), None)
    return None if found is None else f'.pre-commit-config.yaml has the hook "{found}"'


def hook_of(project: Project, *ids: str) -> Hook | None:
    """The first of these pre-commit hooks, with what it is pinned to and its arguments."""
    return next((hook for hook in project.hooks if hook.id in ids), None)


def _file(part: PythonProject | NodeProject, files: Iterable[str]) -> str | None:
    found = next((name for name in files if name in part.configuration_files), None)
    return None if found is None else f"there is a {found}"


def _section(python: PythonProject, sections: Iterable[str]) -> str | None:
    found = next((name for name in sections if name in python.ini_sections), None)
    return None if found is None else f"setup.cfg or tox.ini has [{found}]"


def _dependency(part: PythonProject | NodeProject, package: str) -> str | None:
    return f"{package} {DECLARED}" if package and package in part.dependencies else None
