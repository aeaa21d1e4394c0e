"""Gate `architecture`: the change adds no forbidden import and no import cycle.

Rules are the repository's own (import-linter, tach, dependency-cruiser). Cycles are looked for whatever it chose: for Python by
reading its files, for JavaScript and TypeScript by dependency-cruiser where that is not configured to judge by other rules.
Only a cycle that the base has not fails; with no base to compare with, cycles are warnings.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.changes import Change
from forge_dagster.domain.import_cycles import Cycle, Graph, added_cycles, all_cycles, cycle_finding
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.policy_gates import ArchitectureSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.python_imports import python_graph
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.script_imports import cruised_graph, line_of_import
from forge_dagster.domain.sources import source_rule
from forge_dagster.gates.attribution import attributed
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice, choose_parts, why_none
from forge_dagster.gates.suites import tree_text
from forge_dagster.gates.tool_runs import run_tool
from forge_dagster.gates.tooling import together
from forge_dagster.ports import GateContext, ToolReport

PYTHON_TOOL = "import_cycles"
"""Name under which Forge's own reading of Python imports answers."""
_FILE_LIMIT = 2 * 1024 * 1024
_MOST_FILES = 20_000
_SCRIPTS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json")
_MATTER = {Language.PYTHON: (".py",), Language.TYPESCRIPT: _SCRIPTS}
"""Files without a change to which no import changes; tsconfig.json and package.json say where an import leads."""

BaseGraph = Callable[[Path, Project], Graph]
"""Who imports whom in another tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The gate."""

    name: str = "architecture"

    def examine(self, context: GateContext) -> GateResult:
        """Ask the repository's tools, and look for cycles. Raises Interrupted."""
        begun = context.clock.monotonic()
        cycles = context.policy.section(self.name, ArchitectureSection).cycles
        tools = registry.tools().values()
        parts: list[Examined] = []
        for choice in choose_parts(
            self.name,
            project=context.project,
            policy=context.policy,
            tools=tools,
            on_path=lambda program: bool(shutil.which(program)),
        ):
            if choice.tool.chosen(choice.project or context.project) is not None:
                parts.append(_by_rules(context, choice))
            elif cycles:
                parts.append(_script_cycles(context, choice))
        if cycles and Language.PYTHON in {language for part in _parts(context.project) for language in part.languages}:
            parts.append(_python_cycles(context))
        if not parts:
            reason = why_none(self.name, project=context.project, policy=context.policy, tools=tools)
            return gate_result(self.name, Outcome.SKIPPED, reason=reason)
        result = together(self.name, parts)
        return result.model_copy(update={"duration_s": context.clock.monotonic() - begun})


def _by_rules(context: GateContext, choice: Choice) -> Examined:
    examined = run_tool(context, choice)
    return attributed(context, choice, examined, lambda there, same, _selection: run_tool(there, same))


# --- Python ------------------------------------------------------------------------------------------------------------


def _python_cycles(context: GateContext) -> Examined:
    begun = context.clock.monotonic()
    graph, count, problem = _python_graph(context.root, context.project)
    if problem:
        report = ToolReport(outcome=Outcome.ERRORED, reason=problem)
    elif not count:
        report = ToolReport(outcome=Outcome.SKIPPED, reason="there is no Python product code")
    else:
        report = _compared(
            context, PYTHON_TOOL, graph, Language.PYTHON, count, lambda root, project: _python_graph(root, project)[0]
        )
    run = ToolRun(
        tool=PYTHON_TOOL,
        outcome=report.outcome,
        reason=report.reason,
        examined=report.examined,
        chosen_because="Forge reads the imports itself",
        duration_s=context.clock.monotonic() - begun,
    )
    return Examined(run=run, report=report, folder=context.scratch)


def _python_graph(root: Path, project: Project) -> tuple[Graph, int, str]:
    """(who imports whom, files read, why it cannot be known)."""
    paths = sorted(
        {path for part in _parts(project) for path in part.files if path.endswith(".py") and source_rule(part)(path)}
    )
    if len(paths) > _MOST_FILES:
        hint = "set [gates.architecture] cycles = false in forge.toml"
        return {}, len(paths), f"{len(paths)} Python files are too many to look for import cycles in; {hint}"
    texts = {path: text for path in paths if (text := tree_text(root, path, _FILE_LIMIT)) is not None}
    folders = [part.python.directory for part in _parts(project) if part.python is not None]
    graph, _unreadable = python_graph(texts, [f"{folder}/src".strip("/") for folder in folders] + folders)
    return graph, len(texts), ""


# --- JavaScript and TypeScript -----------------------------------------------------------------------------------------


def _script_cycles(context: GateContext, choice: Choice) -> Examined:
    examined = run_tool(context, choice)
    project = choice.project or context.project
    graph = _script_graph(examined, project)
    if graph is None:
        return examined

    def base_graph(root: Path, base: Project) -> Graph:
        there = replace(context, root=root, project=base, base=None, cache=None, scratch=context.scratch / "base")
        own = next((part for part in _parts(base) if part.directory == project.directory and part.node is not None), None)
        if own is None:
            return {}
        same = replace(choice, project=own if choice.project is not None else None)
        answer = run_tool(there, same)
        found = _script_graph(answer, own)
        if found is None and answer.run.outcome is not Outcome.SKIPPED:
            raise _Incomparable(answer.run.reason)
        return found or {}

    report = _compared(context, choice.tool.name, graph, Language.TYPESCRIPT, examined.run.examined, base_graph)
    run = examined.run.model_copy(update={"outcome": report.outcome, "reason": report.reason})
    return replace(examined, run=run, report=replace(report, exit_code=examined.report.exit_code))


def _script_graph(examined: Examined, project: Project) -> Graph | None:
    file = examined.report.artifacts.get("imports")
    if file is None:
        return None
    directory = project.node.directory if project.node is not None else ""
    try:
        return cruised_graph((examined.folder / file).read_bytes(), source_rule(project), directory=directory)
    except OSError:
        return None


# --- comparing ---------------------------------------------------------------------------------------------------------


class _Incomparable(Exception):
    """The base's imports cannot be known; the message says why."""


def _compared(
    context: GateContext, tool: str, graph: Graph, language: Language, examined: int, base_graph: BaseGraph
) -> ToolReport:
    """The cycles that the change adds, as errors; with no base, all there are, as warnings."""
    there = all_cycles(graph)
    if not there:
        return ToolReport(outcome=Outcome.PASSED, reason="no import cycle", examined=examined)
    if context.base is None or context.change.base_sha is None:
        findings = [cycle_finding(tool, _placed(context.root, cycle), severity=Severity.WARNING) for cycle in there]
        reason = f"{len(there)} import cycles, and no base to tell which are new"
        return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=examined, findings=tuple(findings))
    new: Sequence[Cycle] = ()
    if any(path.endswith(_MATTER[language]) for path in context.change.paths):
        try:
            with context.base() as root:
                project = context.detect(root) if context.detect is not None else context.project
                new = added_cycles(graph, base_graph(root, project), _renamed(context.change))
        except _Incomparable as error:
            return ToolReport(outcome=Outcome.ERRORED, reason=f"the base's imports cannot be read: {error}", examined=examined)
    if not new:
        reason = f"the change adds no import cycle ({len(there)} {'was' if len(there) == 1 else 'were'} there before)"
        old = [
            cycle_finding(tool, _placed(context.root, cycle), severity=Severity.NOTE, attribution=Attribution.PREEXISTING)
            for cycle in there
        ]
        return ToolReport(outcome=Outcome.PASSED, reason=reason, examined=examined, findings=tuple(old))
    findings = [cycle_finding(tool, _placed(context.root, cycle), attribution=Attribution.NEW) for cycle in new]
    reason = f"the change adds {len(new)} import cycle{'s' if len(new) > 1 else ''}"
    return ToolReport(outcome=Outcome.FAILED, reason=reason, examined=examined, findings=tuple(findings))


def _renamed(change: Change) -> Mapping[str, str]:
    return {
        file.previous_path: file.path for file in change.files if file.previous_path is not None and file.status == "renamed"
    }


def _placed(root: Path, cycle: Cycle) -> Cycle:
    """The cycle with the lines of its imports, where they are not known yet."""
    following = (*cycle.path[1:], cycle.path[0])
    lines = [
        line or line_of_import(tree_text(root, file, _FILE_LIMIT) or "", target)
        for file, target, line in zip(cycle.path, following, cycle.lines, strict=True)
    ]
    return replace(cycle, lines=tuple(lines))


def _parts(project: Project) -> tuple[Project, ...]:
    return (project, *project.parts)


ADAPTER = Architecture()
