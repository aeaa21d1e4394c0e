"""What `forge check` would do with a repository and why: what was detected, and each gate's tools. Nothing is run for it."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from forge_dagster.domain.graph import GateSpec
from forge_dagster.domain.pins import Pin, pin_of
from forge_dagster.domain.project import Language, Project, Sign
from forge_dagster.gates.locating import depends_on
from forge_dagster.gates.selection import Choice, choose_parts, why_none
from forge_dagster.gates.suites import informed_tools
from forge_dagster.ports import Checkout, Tool
from forge_dagster.usecases.examine import DISABLED
from forge_dagster.workspace.locked_versions import locked_version
from forge_dagster.workspace.python_installer import TEST_TOOLS
from forge_dagster.workspace.toolbox import pinned_version

SCHEMA = "forge.explain/1"
_BORROWED = {"property": "unit", "integration": "unit", "snapshot": "unit"}
"""Gates that use the tools of another: they run the same suites otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolExplained:
    """A tool that a gate uses. `version` is "" where only installing tells; `source` says where it comes from."""

    tool: str
    version: str
    source: str
    because: str
    part: str = ""
    unavailable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateExplained:
    """A gate with its tools; without any, `reason` says why."""

    gate: str
    stage: str
    enabled: bool
    description: str
    tools: tuple[ToolExplained, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was detected, and what follows for each gate."""

    checkout: Checkout
    gates: tuple[GateExplained, ...]


def explain(checkout: Checkout, *, specs: Iterable[GateSpec], tools: Iterable[Tool]) -> Explanation:
    """Decide for each gate as its run would. Raises ConfigurationError where the policy names a tool of another gate."""
    known = informed_tools(tools, checkout.project, checkout.root)
    return Explanation(checkout=checkout, gates=tuple(_gate(checkout, spec, known) for spec in specs))


def _gate(checkout: Checkout, spec: GateSpec, tools: tuple[Tool, ...]) -> GateExplained:
    project, policy = checkout.project, checkout.policy
    enabled = policy.gate(spec.name).enabled
    gate = _BORROWED.get(spec.name, spec.name)
    choices: tuple[Choice, ...] = ()
    reason = ""
    if not enabled:
        reason = DISABLED
    elif any(tool.gate == gate for tool in tools):
        choices = choose_parts(
            gate, project=project, policy=policy, tools=tools, on_path=lambda program: bool(shutil.which(program))
        )
        reason = "" if choices else why_none(gate, project=project, policy=policy, tools=tools)
    else:
        reason = "judged by Forge itself, with no tool of its own"
    return GateExplained(
        gate=spec.name,
        stage=spec.stage.value,
        enabled=enabled,
        description=spec.description,
        tools=tuple(_tool(checkout, choice) for choice in choices),
        reason=reason,
    )


def _tool(checkout: Checkout, choice: Choice) -> ToolExplained:
    tool, project = choice.tool, choice.project or checkout.project
    version, source = ("", "") if choice.unavailable else _located(checkout, tool, project)
    return ToolExplained(
        tool=tool.name,
        version=version,
        source=source,
        because=choice.because,
        part=choice.directory,
        unavailable=choice.unavailable,
    )


def _located(checkout: Checkout, tool: Tool, project: Project) -> tuple[str, str]:
    """(Version, where it is from), in the order in which a gate looks for it."""
    language = tool.language
    depends = language is not None and depends_on(project, language, tool.package)
    if depends and language is not None:
        locked = locked_version(project, root=checkout.root, language=language, package=tool.package)
        version, lock = locked or ("", "")
        return version, f"the repository's environment ({lock})" if lock else "the repository's environment; no lock pins it"
    pin = pin_of(project, tool.package, language) if language is not None else None
    if pin is not None:
        return _of_pin(pin)
    if not tool.package:
        if language is not None:
            return "", f"{tool.program} of the repository's environment, else on PATH"
        return "", shutil.which(tool.program) or f"{tool.program} on PATH"
    version = pinned_version(language, tool.package) or ""
    if language is Language.PYTHON and tool.package in TEST_TOOLS:
        return "", "added to the repository's environment, which does not declare it"
    return version, "Forge's own tools" if version else "nowhere: neither the repository nor Forge has it"


def _of_pin(pin: Pin) -> tuple[str, str]:
    if pin.unknown:
        return "", f"ERRORED when it is run: {pin.unknown}"
    first = next((each for each in pin.requirements if each.startswith(pin.package)), "")
    version = first[len(pin.package) :].partition("]")[2] or first[len(pin.package) :]
    return version.lstrip("=@"), f"an environment of its own: {pin.because}"


def as_data(explanation: Explanation) -> Mapping[str, object]:
    """The explanation as JSON-ready data, schema "forge.explain/1"."""
    checkout = explanation.checkout
    return {
        "schema": SCHEMA,
        "repository": checkout.change.repository,
        "base": checkout.change.base_sha,
        "head": checkout.change.head_sha,
        "languages": [language.value for language in checkout.project.languages],
        "signs": _signs(checkout.project.signs),
        "parts": [
            {
                "directory": part.directory,
                "languages": [language.value for language in part.languages],
                "workspace": workspace_of(part),
                "files": len(part.files),
                "signs": _signs(part.signs),
            }
            for part in checkout.project.parts
        ],
        "gates": [asdict(gate) for gate in explanation.gates],
    }


def workspace_of(part: Project) -> str | None:
    """Folder of the workspace that a part is a member of; None where it stands alone."""
    found = part.python or part.node
    return found.workspace if found is not None else None


def _signs(signs: Iterable[Sign]) -> list[dict[str, str]]:
    return [{"what": sign.what, "because": sign.because} for sign in signs]
