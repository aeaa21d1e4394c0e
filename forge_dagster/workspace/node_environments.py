"""JavaScript environments: node_modules installed once per lock and copied into checkouts, without install scripts.

In the user's own work tree, node_modules is used as it is if it is what the lock says, installed if it is missing, and never
changed: a tree that disagrees with its lock is refused with the command that mends it. A member of a workspace has the
environment of its workspace, its own node_modules first.
"""

import contextlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from forge_dagster.domain.project import NodeProject
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment, Run
from forge_dagster.workspace.detect_node import node_project
from forge_dagster.workspace.git import GitRepository
from forge_dagster.workspace.locking import locked
from forge_dagster.workspace.node_installer import Installer
from forge_dagster.workspace.node_state import (
    BESIDE,
    declares,
    digest,
    environment_in,
    installed_versions,
    mismatch,
    needs_tree,
    project_digest,
    read_json,
    stamp,
    stamp_of,
    stamped,
    state_digest,
)
from forge_dagster.workspace.requirements import table
from forge_dagster.workspace.trees import remove_tree

__all__ = ["NodeEnvironments", "mismatch"]

_PINNED = re.compile(r"((?:@[\w.~-]+/)?[\w.~-]+)(?:@([\w.^~<>=*| +-]{1,100}))?", re.ASCII)
_LINK_LEFT = ".pnp.cjs"
"""What Yarn's Plug'n'Play has in place of node_modules (yarnpkg.com, "Plug'n'Play")."""

Log = Callable[[str], None]


class NodeEnvironments:
    """Environments of JavaScript and TypeScript projects of one trust domain."""

    def __init__(self, home: Path, run: Run, *, domain: str) -> None:
        self._home = home
        self._run = run
        self._domain = domain
        self._installer = Installer(home, run, domain=domain)

    def of(self, node: NodeProject, *, root: Path, scripts: bool = False, log: Log) -> Environment:
        """The environment of the project at `root`; `scripts`: packages may run their install scripts.

        Raises WorkspaceError when it cannot be installed.
        """
        whole = _whole(node, root)
        project, own = root / whole.directory, root / node.directory
        if not declares(whole) and not declares(node):
            return environment_in(own, versions={}, identity=digest("nothing"))
        if self._domain == "local":
            self._in_work_tree(whole, project, scripts, log)
        else:
            self._in_checkout(whole, project, scripts, log)
        versions = self._versions(whole, project, scripts)
        places = [project]
        if own != project:
            versions |= installed_versions(node, own)
            places.insert(0, own)
        identity = self.digest(node, root=root, scripts=scripts) or ""
        return environment_in(*places, versions=versions, identity=identity)

    def digest(self, node: NodeProject, *, root: Path, scripts: bool = False) -> str | None:
        """The digest of what `of` gives, from files alone; None where only an installation would tell what is chosen."""
        whole = _whole(node, root)
        project = root / whole.directory
        if not declares(whole) and not declares(node):
            return digest("nothing")
        key = project_digest(whole, project, root / node.directory, scripts=scripts)
        if self._domain == "local":
            state = state_digest(project)
            return None if state is None else digest(key, state, json.dumps(installed_versions(whole, project), sort_keys=True))
        if whole.lock_file is not None:
            return key
        versions = self._finished(project, project_digest(whole, project, scripts=scripts))
        return None if versions is None else digest(key, json.dumps(versions, sort_keys=True))

    def locked_tools(self, source: Path, *, folder: str, log: Log) -> Environment:
        """Forge's own tools, from the package.json and package-lock.json in `source`, for the trust domain `folder`."""
        contents = {name: (source / name).read_text("utf-8") for name in ("package.json", "package-lock.json")}
        target = self._home / "toolbox" / folder / f"node-{digest(*contents.values())}"
        self._make(target, contents, ("ci",), "Forge's own JavaScript tools", log)
        return environment_in(target, versions=stamped(target), identity=target.name)

    def pinned(self, requirements: tuple[str, ...], *, log: Log) -> Environment:
        """An environment of exactly these packages ("prettier@3.1.0"). Raises WorkspaceError when it cannot be had."""
        wanted = dict(sorted(_package_and_version(each) for each in requirements))
        contents = {"package.json": json.dumps({"name": "pinned", "private": True, "dependencies": wanted}, sort_keys=True)}
        target = self._home / "environments" / self._domain / f"pinned-node-{digest(*contents.values())}"
        self._make(target, contents, ("install",), " ".join(sorted(requirements)), log)
        versions = stamped(target)
        return environment_in(target, versions=versions, identity=digest(target.name, json.dumps(versions, sort_keys=True)))

    def _make(self, target: Path, contents: dict[str, str], arguments: tuple[str, ...], what: str, log: Log) -> None:
        """Install in `target`, once, with npm and from nothing but `contents`."""
        if stamp_of(target) is not None:
            return
        with locked(target.with_suffix(".lock"), self._run):
            if stamp_of(target) is not None:
                return
            remove_tree(target)
            target.mkdir(parents=True)
            for name, content in contents.items():
                (target / name).write_text(content, encoding="utf-8")
            log(f"installing {what}")
            self._installer.npm(arguments, target, what=what, log=log)
            stamp(target, target)

    # --- where

    def _in_work_tree(self, node: NodeProject, project: Path, scripts: bool, log: Log) -> None:
        modules = project / "node_modules"
        lock = self._home / "locks" / f"node-{digest(str(project.resolve()))}.lock"
        begun = lock.with_suffix(".begun")
        if modules.is_dir() and not begun.exists():
            problem = mismatch(node, project)
            if problem:
                raise WorkspaceError(
                    f"{modules} is not what {node.lock_file} says: {problem}",
                    hint=f"run `{node.manager} {'ci' if node.manager == 'npm' else 'install'}` there",
                )
            return
        if (project / _LINK_LEFT).exists():
            raise WorkspaceError(
                f"{project} is installed by Yarn's Plug'n'Play, and has no node_modules that tools could be run from",
                hint="set `nodeLinker: node-modules` in .yarnrc.yml; a server's checkout of it gets node_modules by itself",
            )
        with locked(lock, self._run):
            if begun.exists() and not state_digest(project):  # an installation of Forge's that was killed or failed
                remove_tree(modules)
            if not modules.is_dir():
                self._refuse_unignored(project)
                log(f"{modules} is missing; installing it (nothing else in the tree is changed)")
                begun.touch()
                self._install_into(node, project, scripts, log)
            begun.unlink(missing_ok=True)

    def _refuse_unignored(self, project: Path) -> None:
        """Thousands of untracked files would be no favour."""
        if not GitRepository(project, self._run, user_configuration=True).ignores("node_modules/x"):
            raise WorkspaceError(f"{project}/node_modules is missing and not ignored by git", hint="add it to .gitignore")

    def _in_checkout(self, node: NodeProject, project: Path, scripts: bool, log: Log) -> None:
        modules = project / "node_modules"
        key = project_digest(node, project, scripts=scripts)
        if self._finished(project, key) is not None:
            return
        with locked(self._home / "locks" / f"node-{digest(str(project.resolve()))}.lock", self._run):
            if self._finished(project, key) is not None:
                return
            remove_tree(modules)  # what the change itself brought is not trusted, nor what was left half done
            if needs_tree(node, project):
                with _kept(project / _LINK_LEFT), _kept(project / ".pnp.loader.mjs"):
                    self._install_into(node, project, scripts, log)
                modules.mkdir(exist_ok=True)
            else:
                self._copy(self._cached(node, project, key, scripts, log), modules)
            self._finish(node, project, key)

    def _versions(self, node: NodeProject, project: Path, scripts: bool) -> dict[str, str]:
        finished = None if self._domain == "local" else self._finished(project, project_digest(node, project, scripts=scripts))
        return installed_versions(node, project) if finished is None else finished

    def _finished(self, project: Path, key: str) -> dict[str, str] | None:
        """The versions in a checkout's node_modules, if it is Forge that finished installing them for `key`.

        Only the record in Forge's home is believed: a change may bring node_modules of its own, mark and all, but cannot know
        the number that ties the two together.
        """
        record = read_json(self._record_of(project))
        mark = stamp_of(project / "node_modules")
        if mark is None or record.get("key") != key or record.get("mark") != mark:
            return None
        return {str(name): str(version) for name, version in table(record, "versions").items()}

    def _finish(self, node: NodeProject, project: Path, key: str) -> None:
        folder = self._record_of(project).parent
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.json"):
            if not Path(str(read_json(old).get("project", "/"))).exists():
                old.unlink(missing_ok=True)
        mark = secrets.token_hex()
        stamp(project / "node_modules", project, node=node, key=mark)
        versions = installed_versions(node, project)
        content = {"project": str(project.resolve()), "key": key, "mark": mark, "versions": versions}
        part = self._record_of(project).with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(self._record_of(project))

    def _record_of(self, project: Path) -> Path:
        return self._home / "environments" / self._domain / "node-checkouts" / f"{digest(str(project.resolve()))}.json"

    def _cached(self, node: NodeProject, project: Path, key: str, scripts: bool, log: Log) -> Path:
        target = self._home / "environments" / self._domain / f"node-{key}"
        if stamp_of(target) is None:
            with locked(target.with_suffix(".lock"), self._run):
                if stamp_of(target) is None:
                    remove_tree(target)
                    target.mkdir(parents=True)
                    for name in ("package.json", node.lock_file, *BESIDE):
                        if name and (project / name).is_file() and not (project / name).is_symlink():
                            shutil.copyfile(project / name, target / name)
                    self._install_into(node, target, scripts, log)
                    (target / "node_modules").mkdir(exist_ok=True)
                    stamp(target, target, node=node)
        return target / "node_modules"

    def _copy(self, source: Path, target: Path) -> None:
        """A real copy: hard links would let what runs in the checkout change the cache."""
        result = self._run.run(
            Command(argv=("cp", "-a", "--reflink=auto", str(source), str(target)), cwd=source.parent, trusted=True)
        )
        if result.ended != "exited" or result.exit_code != 0:
            remove_tree(target)
            shutil.copytree(source, target, symlinks=True)

    # --- installing

    def _install_into(self, node: NodeProject, folder: Path, scripts: bool, log: Log) -> None:
        what = f"{node.lock_file or 'package.json'} of the project"
        self._installer.install(node, folder, what=what, scripts=scripts, trusted=self._domain == "local", log=log)


def _whole(node: NodeProject, root: Path) -> NodeProject:
    """The workspace that it is a member of, else the project itself."""
    if node.workspace is None:
        return node
    try:
        names = {path.name for path in (root / node.workspace).iterdir()}
    except OSError as error:
        raise WorkspaceError(f"{root / node.workspace} cannot be read: {error}", hint="detect the repository again") from error
    return node_project(root, node.workspace, {node.workspace: names})


def _package_and_version(requirement: str) -> tuple[str, str]:
    """`@scope/name@1.2.3` in two; "*" where it names no version. Raises WorkspaceError for an address, a path or an option."""
    match = _PINNED.fullmatch(requirement.strip())
    if match is None or requirement.strip().startswith(("-", ".")):
        raise WorkspaceError(f"{requirement!r} is no package that Forge installs", hint="name a package and its version")
    return match[1], match[2] or "*"


@contextlib.contextmanager
def _kept(path: Path) -> Iterator[None]:
    """What Yarn removes when it links otherwise than the repository says stays: the checkout is what was pushed."""
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    try:
        yield
    finally:
        if content is not None and not path.exists():
            path.write_bytes(content)
