"""Which of package.json's scripts check types, and whether what they run can be told apart from silence."""

from dataclasses import dataclass

from forge_dagster.domain.project import Project
from forge_dagster.tools.scripts import Invocation, Step, leaves, steps

NAMES = (
    "typecheck", "type-check", "type:check", "check-types", "check:types", "types:check", "checktypes", "test:types",
    "test:typecheck", "test:type", "test-types", "lint:types", "lint:tsc", "lint:ts", "lint:type", "lint:typecheck", "check:ts",
    "check:tsc", "check-ts", "ts:check", "ts-check", "tscheck", "typecheck:ci", "tsc", "types", "type", "ts", "check",
)  # fmt: skip
"""What repositories call such a script, the plainest first. "check" counts where it runs nothing but type checkers."""
COMPILERS = frozenset(("tsc", "vue-tsc", "tsgo"))
"""Programs that take tsc's options and print its lines."""
_WATCHES = ("--watch", "-w", "--init", "--version", "-v", "--showConfig", "--help", "-h")
_PREPARES = frozenset(
    ("nuxi", "nuxt", "next", "react-router", "svelte-kit", "astro", "wxt", "prisma", "graphql-codegen", "tsr")
)
"""Programs that generate types before a check."""
_SPREAD = frozenset(
    (
        "turbo", "nx", "lerna", "wireit", "moon", "rush", "-r", "--recursive", "--filter", "-F", "workspaces", "foreach", "-ws",
        "--workspaces",
    )
)  # fmt: skip
"""What runs a script in the packages of a workspace; as an option it stands where a package manager's script would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckScript:
    """A script that checks types and runs no other script."""

    name: str
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """Its last command, which arguments given to the script reach."""
        return self.steps[-1]

    @property
    def only_tsc(self) -> bool:
        """Whether it is nothing but calls of tsc, which Forge can make by itself."""
        return all(step.program == "tsc" for step in self.steps)


def check_scripts(project: Project) -> tuple[CheckScript, ...]:
    """What the repository's own script for checking types comes down to; none where there is none that can be read."""
    scripts = project.node.scripts if project.node is not None else {}
    for name in NAMES:
        if name not in scripts:
            continue
        found = [CheckScript(name=leaf, steps=steps(scripts, leaf)) for leaf in leaves(scripts, name)]
        if all(script.steps and _readable(script) for script in found):
            return tuple(found)
    return ()


def holds_packages(project: Project) -> bool:
    """Whether it is the root of a workspace."""
    node = project.node
    if node is None:
        return False
    return bool(project.parts or node.package.get("workspaces")) or "pnpm-workspace.yaml" in node.configuration_files


def delegates(project: Project) -> str | None:
    """The script for checking types that leaves it to the packages of a workspace, or None."""
    node = project.node
    if node is None or not holds_packages(project):
        return None
    named = [name for name in NAMES if name in node.scripts]
    if check_scripts(project) or not named:
        return None
    return next((name for name in named for step in steps(node.scripts, name) if step.program in _SPREAD), None)


def tsc_calls(project: Project) -> tuple[Invocation, ...]:
    """How the repository calls tsc: in its script for checking types; else where it only checks; else wherever it builds."""
    own = check_scripts(project)
    if own and all(script.only_tsc for script in own):
        return _distinct([step.call for script in own for step in script.steps])
    scripts = project.node.scripts if project.node is not None else {}
    here = [name for name in scripts if not any(step.program == "cd" for step in steps(scripts, name))]
    calls = [step.call for name in here for step in steps(scripts, name) if step.program == "tsc"]
    calls = [call for call in calls if not call.has(*_WATCHES)]
    return _distinct([call for call in calls if call.has("--noEmit")] or calls)


def _distinct(calls: list[Invocation]) -> tuple[Invocation, ...]:
    return tuple({call.arguments: call for call in calls}.values())


def _readable(script: CheckScript) -> bool:
    last = script.last
    elsewhere = any(step.program == "cd" or step.call.has(*_WATCHES[:2]) for step in script.steps)
    others = all(step.program in COMPILERS | _PREPARES or _speaks(step) for step in script.steps[:-1])
    return not elsewhere and (last.program in COMPILERS or _speaks(last)) and (others or script.name != "check")


def _speaks(step: Step) -> bool:
    return step.program == "svelte-check" or (step.program == "astro" and step.call.arguments[:1] == ("check",))
