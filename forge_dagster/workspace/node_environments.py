"""JavaScript environments: node_modules installed once per lock and copied into checkouts, without install scripts.

In the user's own work tree, node_modules is used as it is if it is what the lock says, installed if it is missing, and never
changed: a tree that disagrees with its lock is refused with the command that mends it.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from forge_dagster.domain.project import Language, NodeProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment, Run
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.node_installer import Installer
from forge_dagster.workspace.requirements import table
from forge_dagster.workspace.trees import remove_tree

_STAMP = ".forge-install.json"
_HIDDEN_LOCK = ".package-lock.json"
"""What npm 7 and later leave in node_modules: the lock of what really is there (docs.npmjs.com, package-lock.json)."""
_BESIDE = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs")
_IN_TREE = re.compile(r'"(?:file|link|workspace|portal):|"\.{1,2}/')

Log = Callable[[str], None]


class NodeEnvironments:
    """Environments of JavaScript and TypeScript projects of one trust domain."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._run = run
        self._domain = domain
        self._installer = Installer(home, run, domain=domain)

    def of(self, node: NodeProject, *, root: Path, log: Log) -> Environment:
        """The environment of the project at `root`. Raises WorkspaceError when it cannot be installed."""
        project = root / node.directory
        if not _declares(node):
            return environment_in(project, versions={})
        if self._domain == "local":
            return self._in_work_tree(node, project, log)
        return self._in_checkout(node, project, log)

    def locked_tools(self, source: Path, *, log: Log) -> Environment:
        """Forge's own tools, from the package.json and package-lock.json in `source`."""
        content = b"".join((source / name).read_bytes() for name in ("package.json", "package-lock.json"))
        target = self._home / "toolbox" / f"node-{hashlib.sha256(content).hexdigest()[:20]}"
        if not (target / _STAMP).exists():
            with locked(target.with_suffix(".lock"), self._run):
                if not (target / _STAMP).exists():
                    remove_tree(target)
                    target.mkdir(parents=True)
                    for name in ("package.json", "package-lock.json"):
                        shutil.copyfile(source / name, target / name)
                    log("installing Forge's own JavaScript tools")
                    Installer(self._home, self._run, domain=self._domain).npm(
                        ("ci",), target, what="Forge's own tools", log=log
                    )
                    _stamp(target, target)
        return environment_in(target, versions=_stamped(target))

    # --- where

    def _in_work_tree(self, node: NodeProject, project: Path, log: Log) -> Environment:
        modules = project / "node_modules"
        if modules.is_dir():
            problem = mismatch(node, project)
            if problem:
                raise WorkspaceError(
                    f"{modules} is not what {node.lock_file} says: {problem}",
                    hint=f"run `{node.manager} {'ci' if node.manager == 'npm' else 'install'}` there",
                )
            return environment_in(project, versions=installed_versions(node, project))
        with locked(self._home / "locks" / f"node-{_digest(str(project.resolve()))}.lock", self._run):
            if not modules.is_dir():
                self._refuse_unignored(project)
                log(f"{modules} is missing; installing it (nothing else in the tree is changed)")
                self._install_into(node, project, log)
        return environment_in(project, versions=installed_versions(node, project))

    def _refuse_unignored(self, project: Path) -> None:
        """Thousands of untracked files would be no favour."""
        if not GitRepository(project, self._run, user_configuration=True).ignores("node_modules/x"):
            raise WorkspaceError(f"{project}/node_modules is missing and not ignored by git", hint="add it to .gitignore")

    def _in_checkout(self, node: NodeProject, project: Path, log: Log) -> Environment:
        modules = project / "node_modules"
        key = _project_digest(node, project)
        lock_name = f"node-{_digest(str(project.resolve()))}.lock"
        if _stamp_of(modules) != key:
            with locked(self._home / "locks" / lock_name, self._run):
                if _stamp_of(modules) != key:
                    remove_tree(modules)  # what the change itself brought is not trusted, nor what was left half done
                    if _needs_tree(node, project):
                        self._install_into(node, project, log)
                        modules.mkdir(exist_ok=True)
                    else:
                        self._copy(self._cached(node, project, key, log), modules)
                    _stamp(modules, project, node=node, key=key)
        return environment_in(project, versions=_stamped(modules))

    def _cached(self, node: NodeProject, project: Path, key: str, log: Log) -> Path:
        target = self._home / "environments" / self._domain / f"node-{key}"
        if not (target / _STAMP).exists():
            with locked(target.with_suffix(".lock"), self._run):
                if not (target / _STAMP).exists():
                    remove_tree(target)
                    target.mkdir(parents=True)
                    for name in ("package.json", node.lock_file, *_BESIDE):
                        if name and (project / name).is_file() and not (project / name).is_symlink():
                            shutil.copyfile(project / name, target / name)
                    self._install_into(node, target, log)
                    (target / "node_modules").mkdir(exist_ok=True)
                    _stamp(target, target, node=node)
        return target / "node_modules"

    def _copy(self, source: Path, target: Path) -> None:
        """A real copy: hard links would let what runs in the checkout change the cache."""
        result = self._run.run(Command(argv=("cp", "-a", "--reflink=auto", str(source), str(target)), cwd=source.parent))
        if result.ended != "exited" or result.exit_code != 0:
            remove_tree(target)
            shutil.copytree(source, target, symlinks=True)

    # --- installing

    def _install_into(self, node: NodeProject, folder: Path, log: Log) -> None:
        self._installer.install(node, folder, what=f"{node.lock_file or 'package.json'} of the project", log=log)


def _declares(node: NodeProject) -> bool:
    return bool(node.dependencies or node.package.get("workspaces")) or node.lock_file == "pnpm-lock.yaml"


def _needs_tree(node: NodeProject, project: Path) -> bool:
    """Whether packages of the tree itself are installed (workspaces, file: dependencies), so that no copy would do."""
    declared = json.dumps([table(node.package, name) for name in ("dependencies", "devDependencies", "optionalDependencies")])
    return bool(node.package.get("workspaces")) or (project / "pnpm-workspace.yaml").exists() or bool(_IN_TREE.search(declared))


def _project_digest(node: NodeProject, project: Path) -> str:
    names = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions", "pnpm")
    sections = {name: node.package.get(name) for name in (*names, "packageManager", "workspaces")}
    parts = [json.dumps(sections, sort_keys=True)]
    for name in (node.lock_file, *_BESIDE):
        path = project / name if name else None
        if path is not None and path.is_file():
            parts.append(f"{name}:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    return _digest(node.manager, *parts)


def mismatch(node: NodeProject, project: Path) -> str | None:
    """How an installed node_modules differs from the lock; None when it does not, or when that cannot be known."""
    modules = project / "node_modules"
    if node.lock_file not in ("package-lock.json", "npm-shrinkwrap.json"):
        return None
    there = _packages(modules / _HIDDEN_LOCK)
    if not there:
        return None
    for name, wanted in _packages(project / node.lock_file).items():
        if not name.startswith("node_modules/") or not isinstance(wanted, dict) or wanted.get("link"):
            continue
        found = there.get(name)
        if found is None:
            if not any(wanted.get(kind) for kind in ("optional", "devOptional", "peer")):
                return f"{name.removeprefix('node_modules/')} is missing"
        elif found.get("version") != wanted.get("version"):
            return f"{name.removeprefix('node_modules/')} is {found.get('version')}, not {wanted.get('version')}"
    return None


def installed_versions(node: NodeProject, project: Path) -> dict[str, str]:
    """Versions at the top of node_modules: from npm's own record, else of the packages that the project declares."""
    packages = _packages(project / "node_modules" / _HIDDEN_LOCK)
    if packages:
        prefix = "node_modules/"
        return {
            name[len(prefix) :]: str(entry.get("version"))
            for name, entry in packages.items()
            if name.startswith(prefix) and f"/{prefix}" not in name and isinstance(entry, dict) and entry.get("version")
        }
    found = {}
    for name in node.dependencies:
        version = _json(project / "node_modules" / name / "package.json").get("version")
        if isinstance(version, str):
            found[name] = version
    return found


def environment_in(project: Path, *, versions: Mapping[str, str]) -> Environment:
    """The environment whose node_modules is in `project`."""
    directory = project / "node_modules" / ".bin"
    path = f"{directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Environment(
        language=Language.TYPESCRIPT,
        bin_directories=(directory,),
        versions=versions,
        variables={"PATH": path, "NODE_PATH": str(project / "node_modules")},
        digest=_digest(json.dumps(dict(versions), sort_keys=True)),
    )


def _stamp(folder: Path, project: Path, *, node: NodeProject | None = None, key: str = "") -> None:
    own = node or NodeProject(manager="npm", package=_json(project / "package.json"))
    content = {"key": key, "versions": installed_versions(own, project)}
    (folder / f"{_STAMP}.part").write_text(json.dumps(content), encoding="utf-8")
    (folder / f"{_STAMP}.part").replace(folder / _STAMP)


def _stamp_of(folder: Path) -> object:
    return _json(folder / _STAMP).get("key")


def _stamped(folder: Path) -> dict[str, str]:
    return {str(name): str(version) for name, version in table(_json(folder / _STAMP), "versions").items()}


def _packages(path: Path) -> Mapping[str, Any]:
    return table(_json(path), "packages")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
