"""All third-party components of a tree: what its locks pin, and where it has none, what is installed."""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from forge_dagster.domain.project import Language, NodeProject, Project, PythonProject
from forge_dagster.domain.sbom import Component, Ecosystem, Inventory, Lock, component, cyclonedx, merged, package_name
from forge_dagster.domain.sbom import Subject as SbomSubject
from forge_dagster.domain.sbom_locks import MAX_LOCK, NODE_LOCKS, PYTHON_LOCKS, read_lock
from forge_dagster.domain.sbom_python import of_environment
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.suites import tree_text
from forge_dagster.ports import GateContext

_OURS = ("pytest", "pytest-cov", "coverage", "pluggy", "iniconfig")
"""What Forge installs beside a project that has tests: no dependency of the project where it declares none of them."""
_MANIFESTS = ("pyproject.toml", "setup.cfg", "setup.py", "Pipfile")
_MANIFEST_LIMIT = 1024 * 1024


@dataclass(slots=True)
class _Found:
    components: list[Component] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sources: dict[str, None] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)


def take_inventory(context: GateContext, root: Path, project: Project) -> Inventory:
    """The components of the tree at `root`. What cannot be read or installed is a problem; raises Interrupted, Superseded."""
    found = _Found()
    own = frozenset(_own_names(project))
    for part in (project, *project.parts):
        if part.python is not None:
            _python(context, root, project, part, part.python, own, found)
        if part.node is not None:
            _node(context, root, part, part.node, found)
    return Inventory(
        components=merged(found.components), problems=tuple(dict.fromkeys(found.problems)), sources=tuple(found.sources)
    )


def bill_of_materials(inventory: Inventory, context: GateContext, *, timestamp: str) -> str:
    """The inventory as a CycloneDX document."""
    subject = SbomSubject(name=context.change.repository, version=context.change.head_sha or "", tools=("forge",))
    return json.dumps(cyclonedx(inventory.components, subject, timestamp=timestamp), indent=1)


def _own_names(project: Project) -> Iterator[str]:
    """Names of the repository's own Python packages."""
    for part in (project, *project.parts):
        pyproject = part.python.pyproject if part.python is not None else {}
        tool = pyproject.get("tool")
        poetry = tool.get("poetry") if isinstance(tool, dict) else None
        for table in (pyproject.get("project"), poetry):
            name = table.get("name") if isinstance(table, dict) else None
            if isinstance(name, str):
                yield package_name(Ecosystem.PYPI, name)


def _read(root: Path, path: str, found: _Found) -> Lock:
    """The lock at `path`, once."""
    if path not in found.locks:
        text = tree_text(root, path, MAX_LOCK)
        lock = (
            Lock(problem=f"{path} is no regular file, or larger than a lock can be") if text is None else read_lock(path, text)
        )
        found.locks[path] = lock
        found.components += lock.components
        if lock.problem:
            found.problems.append(lock.problem)
        if lock.components:
            found.sources[path] = None
    return found.locks[path]


def _python(
    context: GateContext, root: Path, whole: Project, part: Project, python: PythonProject, own: frozenset[str], found: _Found
) -> None:
    files = set(whole.files) | set(part.files)
    folders = [python.directory, *([] if python.workspace is None else [python.workspace])]
    places = [path for folder in folders for name in PYTHON_LOCKS if (path := posixpath.join(folder, name)) in files]
    for path in places:
        _read(root, path, found)
    pins = [posixpath.join(python.directory, name) for name in python.requirement_files if name.endswith(".txt")]
    known = [_read(root, path, found) for path in pins if path in files]
    covered = {one.name for lock in known if lock.complete for one in lock.components} | own
    if places or not python.dependencies - covered:
        return
    try:
        environment = context.environments.of(Language.PYTHON, root=root, project=part, log=context.log)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        found.problems.append(f"no lock, and the Python environment cannot be installed: {error.message}")
        return
    ours = [name for name in _OURS if name not in python.dependencies]
    installed = of_environment(environment.versions, without=(*own, *ours))
    if not installed:
        found.problems.append(f"{python.directory or 'the project'} declares Python dependencies, and none is installed")
    paths = [*pins, *(posixpath.join(python.directory, name) for name in _MANIFESTS)]
    found.components += _placed(installed, python.dependencies, root, [path for path in paths if path in files])
    found.sources["the installed Python environment"] = None


def _node(context: GateContext, root: Path, part: Project, node: NodeProject, found: _Found) -> None:
    folder = node.directory if node.workspace is None else node.workspace
    named = (node.lock_file,) if node.lock_file is not None else tuple(NODE_LOCKS)
    path = next(
        (path for name in named if name in NODE_LOCKS and (root / (path := posixpath.join(folder, name))).is_file()), None
    )
    if path is not None:
        _read(root, path, found)
        return
    if not node.dependencies:
        return
    try:
        environment = context.environments.of(Language.TYPESCRIPT, root=root, project=part, log=context.log)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        found.problems.append(f"no lock that Forge reads, and the packages cannot be installed: {error.message}")
        return
    installed = [component(Ecosystem.NPM, name, version) for name, version in environment.versions.items() if version]
    if not installed:
        found.problems.append(f"{node.directory or 'the project'} declares npm dependencies, and none is known to be installed")
    manifest = [posixpath.join(node.directory, "package.json")]
    found.components += _placed(installed, node.dependencies, root, manifest)
    found.sources["the installed npm packages"] = None


def _placed(installed: Iterable[Component], declared: frozenset[str], root: Path, manifests: list[str]) -> list[Component]:
    """Installed components at the line of the manifest that names them."""
    texts = {path: text.splitlines() for path in manifests if (text := tree_text(root, path, _MANIFEST_LIMIT)) is not None}
    first = next(iter(texts), None)
    return [
        replace(one, file=place[0] or first, line=place[1], direct=one.name in declared)
        for one in installed
        for place in (_line(one, texts) if one.name in declared else (None, None),)
    ]


def _line(one: Component, texts: dict[str, list[str]]) -> tuple[str | None, int | None]:
    letters = "[-_.]+".join(map(re.escape, one.name.split("-"))) if one.ecosystem is Ecosystem.PYPI else re.escape(one.name)
    pattern = re.compile(rf"(^|[\s\"'\[,]){letters}($|[\s\"'\[<>=!~;,@:])", re.IGNORECASE)
    for path, lines in texts.items():
        for number, line in enumerate(lines, 1):
            if len(line) < 2_000 and pattern.search(line):
                return path, number
    return None, None
