"""Where a tool's program is: the repository's own version first, and never silently another than the one it pins."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forge_dagster.domain.pins import Pin, pin_of
from forge_dagster.domain.project import Language, Project
from forge_dagster.errors import ForgeError, WorkspaceError
from forge_dagster.gates.judging import missing_hint
from forge_dagster.ports import Environment, GateContext, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where a tool's program is. `environment` is where it came from, `repository` the repository's own, if asked for."""

    executable: Path
    version: str = ""
    environment: Environment | None = None
    repository: Environment | None = None


def locate(context: GateContext, tool: Tool) -> Located:
    """Find the program: in the repository's environment, in one of the version that its pre-commit hook pins (where it does not
    depend on the tool itself), in Forge's toolbox, or, for a tool without a package, on PATH.

    Raises ForgeError when it is nowhere, an environment cannot be made, or a hook pins a version that cannot be known.
    """
    language = tool.language
    depends = language is not None and depends_on(context.project, language, tool.package)
    pin = pin_of(context.project, tool.package, language) if language is not None and not depends else None
    if pin is not None and language is not None:
        return _pinned(context, tool, pin, language)
    own: Environment | None = None
    if language is not None and (depends or _needs_environment(tool, context.project)):
        own = context.environments.of(language, root=context.root, project=context.project, log=context.log)
        program = own.executable(tool.program)
        if program is not None:
            version = own.versions.get(tool.package, "")
            return Located(executable=program, version=version, environment=own, repository=own)
    if not tool.package:
        path = shutil.which(tool.program)
        if path is None:
            raise ForgeError(f"{tool.name}: there is no {tool.program} on PATH", hint=missing_hint(tool))
        return Located(executable=Path(path), repository=own, environment=own)
    box = context.environments.toolbox(language, tool.package, log=context.log, root=context.root)
    program = box.executable(tool.program)
    if program is None:
        raise ForgeError(f"{tool.name}: {tool.program} is not in Forge's toolbox", hint=missing_hint(tool))
    return Located(executable=program, version=box.versions.get(tool.package, ""), environment=box, repository=own)


def _pinned(context: GateContext, tool: Tool, pin: Pin, language: Language) -> Located:
    """The tool as pre-commit would install it: on its own, with what the hook adds. Another version would judge otherwise.

    A Python tool sees nothing of the repository's environment (pre-commit.com, "python": hooks are isolated); a JavaScript one
    that needs it still loads its configuration's packages from there.
    """
    hint = f"pin the hook at a version's tag, or add {tool.package} to the repository's development dependencies"
    if pin.unknown:
        raise ForgeError(f"{tool.name}: {pin.unknown}", hint=hint)
    try:
        box = context.environments.pinned(language, pin.requirements, log=context.log, root=context.root)
    except WorkspaceError as error:
        raise ForgeError(f"{tool.name}: {pin.because}; {error.message}", hint=error.hint or hint) from error
    program = box.executable(tool.program)
    if program is None:
        raise ForgeError(f"{tool.name}: {pin.because}, and that brings no program {tool.program}", hint=hint)
    own: Environment | None = None
    if language is Language.TYPESCRIPT and _needs_environment(tool, context.project):
        own = context.environments.of(language, root=context.root, project=context.project, log=context.log)
    return Located(executable=program, version=box.versions.get(tool.package, ""), environment=box, repository=own)


def _needs_environment(tool: Tool, project: Project) -> bool:
    loads: Callable[[Project], bool] | None = getattr(tool, "loads_packages", None)
    return bool(getattr(tool, "needs_environment", True)) or (loads is not None and loads(project))


def depends_on(project: Project, language: Language, package: str) -> bool:
    """Whether the repository declares `package`, and so decides its version."""
    found = project.python if language is Language.PYTHON else project.node
    return found is not None and bool(package) and package in found.dependencies
