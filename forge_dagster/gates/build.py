"""Gate `build`: the artifact that would be deployed can be built, from a copy of the tree that only this gate writes to.

Leaves `release.tar.gz` (a service, worker, static site or JavaScript library, with forge-artifact.json) or `release.whl` (a
Python library) under `context.artifacts`, where only runs of the same job and commit look.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster.domain.deliverables import Deliverable, deliverable, manifest, unsupported
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, NodeProject, Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.errors import Interrupted, WorkspaceError
from forge_dagster.gates.packing import Packed, keep, pack, stage, staged_files
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import Command, Environment, Environments, GateContext

_PRODUCTION = {
    "npm": ("npm", "ci", "--omit=dev", "--ignore-scripts"),
    "pnpm": ("pnpm", "install", "--prod", "--frozen-lockfile", "--ignore-scripts"),
    "yarn": ("yarn", "install", "--production", "--frozen-lockfile", "--ignore-scripts"),
}
_UNLOCKED = ("npm", "install", "--omit=dev", "--ignore-scripts", "--no-package-lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The gate."""

    name: str = "build"

    def examine(self, context: GateContext) -> GateResult:
        """Build and pack. Raises ForgeError and OSError for what is not the change's fault, Interrupted when cancelled."""
        impossible = unsupported(context.policy)
        if impossible is not None:
            hint = "name another kind in forge.toml, or set [gates.build] enabled = false"
            return gate_result(self.name, Outcome.ERRORED, reason=f"{impossible}\n  -> {hint}")
        tree = context.scratch / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        try:
            stage(context.root, context.project.files, tree)
            return self._built(context, tree)
        finally:
            shutil.rmtree(tree, ignore_errors=True)

    def _built(self, context: GateContext, tree: Path) -> GateResult:
        environments = Installed(inner=context.environments, root=context.root, staged=tree)
        result = run_tools(replace(context, root=tree, environments=environments), gate=self.name)
        if not result.outcome.lets_through:
            return result
        (tree / _node_directory(context.project) / "node_modules").unlink(missing_ok=True)
        found = deliverable(context.project, context.policy, staged_files(tree))
        if found is None:
            reason = "nothing to build: no package is declared, and forge.toml says under [deploy] no command"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason, tools=result.tools)
        packed = _pack(context, found, tree, result)
        size = f"{packed.size / 1e6:.1f} MB" if packed.size >= 1e5 else f"{packed.size / 1e3:.1f} kB"
        reason = f"{found.kind} {packed.path.name}, {packed.files} files, {size}, {packed.digest[:19]}"
        return gate_result(
            self.name,
            Outcome.PASSED,
            reason=reason,
            findings=result.findings,
            tools=result.tools,
            metrics={**result.metrics, "size_bytes": float(packed.size), "files": float(packed.files)},
            artifacts={"artifact": str(packed.path), "digest": packed.digest, "kind": found.kind},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Environments of the checkout at `root`, for the copy of it in `staged`: node_modules is lent to it as a link."""

    inner: Environments
    root: Path
    staged: Path

    def of(self, language: Language, *, root: Path, project: Project, log: Callable[[str], None]) -> Environment:  # noqa: ARG002
        """As Environments.of, whatever `root`."""
        found = self.inner.of(language, root=self.root, project=project, log=log)
        directory = _node_directory(project)
        modules, link = self.root / directory / "node_modules", self.staged / directory / "node_modules"
        if language is Language.TYPESCRIPT and modules.is_dir() and not link.exists():
            link.symlink_to(modules.resolve())
        return found

    def toolbox(
        self,
        language: Language | None,
        package: str,
        *,
        log: Callable[[str], None],
        root: Path | None = None,  # noqa: ARG002
    ) -> Environment:
        """As Environments.toolbox, whatever `root`."""
        return self.inner.toolbox(language, package, log=log, root=self.root)

    def pinned(
        self,
        language: Language,
        requirements: tuple[str, ...],
        *,
        log: Callable[[str], None],
        root: Path | None = None,  # noqa: ARG002
    ) -> Environment:
        """As Environments.pinned, whatever `root`."""
        return self.inner.pinned(language, requirements, log=log, root=self.root)

    def digest(self, language: Language, *, root: Path, project: Project) -> str | None:  # noqa: ARG002
        """As Environments.digest, whatever `root`."""
        return self.inner.digest(language, root=self.root, project=project)


def _pack(context: GateContext, found: Deliverable, tree: Path, result: GateResult) -> Packed:
    folder = context.artifacts or context.scratch
    wheel = result.artifacts.get("wheel")
    if found.kind == "library" and wheel is not None:
        examined = next((run.examined for run in result.tools if run.tool == "python_build"), 0)
        return keep(Path(wheel), folder / "release.whl", files=examined)
    if found.kind in ("service", "worker") and context.project.node is not None:
        _production_modules(context, context.project.node, tree)
    described = manifest(found, context.project, context.policy, staged_files(tree))
    return pack(tree, described, folder / "release.tar.gz")


def _production_modules(context: GateContext, node: NodeProject, tree: Path) -> None:
    """Install what the process needs to run beside it, without development dependencies. Raises WorkspaceError, Interrupted."""
    if not node.package.get("dependencies"):
        return
    command = _PRODUCTION[node.manager] if node.lock_file is not None else _UNLOCKED
    if shutil.which(command[0]) is None and shutil.which("corepack") is not None:
        command = ("corepack", *command)
    cache = context.cache / "build" if context.cache is not None else context.scratch / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    variables = {"npm_config_cache": str(cache / "npm"), "npm_config_audit": "false", "npm_config_fund": "false"}
    variables |= {"npm_config_store_dir": str(cache / "pnpm"), "YARN_CACHE_FOLDER": str(cache / "yarn"), "CI": "1"}
    context.log(f"installing the production dependencies: {' '.join(command)}")
    cwd = tree / node.directory
    done = context.run.run(
        Command(argv=command, cwd=cwd, environment=variables, network=True, writes=(tree, cache)), log=context.log
    )
    if done.ended == "interrupted":
        raise Interrupted("the build was interrupted", hint="start it again when you are ready")
    if done.ended != "exited" or done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        hint = "check the registry and the lock file" if done.ended == "exited" else f"install {command[0]}"
        raise WorkspaceError(f"{command[0]} could not install the production dependencies: {said or done.ended}", hint=hint)


def _node_directory(project: Project) -> str:
    return project.node.directory if project.node is not None else ""


ADAPTER = Build()
