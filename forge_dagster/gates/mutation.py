"""Gate `mutation`: tests notice 75% of the faults that are planted into the code a change adds (specification, stage 3).

Only a change is judged, on the lines it adds or edits in files that the repository has measured. Its copy of the tree is
written to by this gate only: node_modules is lent to it link by link, and Python finds the copy's modules before those of the
checkout. The gate waits for `unit`, so tests that fail in the copy before any fault is planted are the machinery's doing.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from forge_dagster import registry
from forge_dagster.domain.changes import ChangedFile
from forge_dagster.domain.coverage_report import Coverage, parse_coverage
from forge_dagster.domain.mutation import combined, lines_to_mutate, mutable_lines
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import SOURCE_ENDINGS, source_rule
from forge_dagster.domain.test_kinds import integration_tests
from forge_dagster.gates.coverage_exclusions import excluded
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import NAMES, Choice, choose
from forge_dagster.gates.staged import Lent, copied
from forge_dagster.gates.suites import tree_text, useful_tools
from forge_dagster.gates.tool_runs import RequestExtra, run_tool
from forge_dagster.gates.tooling import together
from forge_dagster.ports import GateContext, Selection, Tool

_SOURCE_LIMIT = 2 * 1024 * 1024


@runtime_checkable
class Testing(Protocol):
    """A tool of this gate that is to be told what runs the repository's tests."""

    def testing_with(self, runners: tuple[Tool, ...]) -> Tool:
        """The same tool, running the tests by these."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """The gate."""

    name: str = "mutation"

    def examine(self, context: GateContext) -> GateResult:
        """Plant faults and run the tests. Raises ForgeError and OSError for what is not the change's fault, Interrupted."""
        if context.change.base_sha is None:
            return gate_result(self.name, Outcome.SKIPPED, reason="no change to judge: there is no base to compare with")
        owned = tuple(_owned(context))
        if not owned:
            return gate_result(
                self.name, Outcome.SKIPPED, reason="the change adds no line of product code to plant a fault into"
            )
        unit = context.results.get("unit")
        if unit is not None and unit.outcome is Outcome.SKIPPED:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"no tests were run: {unit.reason}")
        choices = [(mine, choice) for mine in owned for choice in _choices(context, mine)]
        untested = sorted({NAMES[mine.language] for mine in owned} - {NAMES[mine.language] for mine, _ in choices})
        if not choices:
            reason = f"no tool of this gate serves the changed code, or nothing runs tests of it ({', '.join(untested)})"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason)
        tree = context.scratch / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        try:
            copied(context.root, context.project, tree)
            parts = [_examined(context, tree.resolve(), mine, choice) for mine, choice in choices]
        finally:
            shutil.rmtree(tree, ignore_errors=True)
        metrics = combined([part.report.metrics for part in parts])
        result = together(self.name, parts).model_copy(update={"metrics": metrics})
        if untested:
            note = f"nothing runs tests of the changed {', '.join(untested)}"
            result = result.model_copy(update={"reason": f"{result.reason}\n{note}".strip()})
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owned:
    """The changed files of one language that belong to one project of the repository; `part` None: the first one."""

    language: Language
    project: Project
    part: Project | None
    files: tuple[ChangedFile, ...]


def _owned(context: GateContext) -> Iterator[_Owned]:
    """The changed product code, each file with the innermost project of its language."""
    parts = (context.project, *context.project.parts)
    outside = excluded(context)
    for language in Language:
        mine = [part for part in parts if language in part.languages]
        for part in mine:
            lines = lines_to_mutate(context.change, source_rule(part), SOURCE_ENDINGS)
            own = tuple(
                file
                for file in context.change.files
                if file.path in lines
                and file.path not in outside
                and _language(file.path) is language
                and _owner(file.path, language, mine) is part
                and _holds_code(context, file)
            )
            if own:
                yield _Owned(language=language, project=part, part=None if part is context.project else part, files=own)


def _owner(path: str, language: Language, parts: Sequence[Project]) -> Project | None:
    folders = [(part, _folder(part, language)) for part in parts]
    fitting = [(part, folder) for part, folder in folders if not folder or path.startswith(f"{folder}/")]
    return max(fitting, key=lambda pair: len(pair[1]), default=(None, ""))[0]


def _folder(part: Project, language: Language) -> str:
    """Where the part's project of this language is: one part may hold a service in one folder and its front end in another."""
    found = part.python if language is Language.PYTHON else part.node
    return found.directory if found is not None else ""


def _language(path: str) -> Language:
    return Language.PYTHON if path.endswith(".py") else Language.TYPESCRIPT


def _holds_code(context: GateContext, file: ChangedFile) -> bool:
    text = tree_text(context.root, file.path, _SOURCE_LIMIT)
    return text is None or not file.added_lines.isdisjoint(mutable_lines(file.path, text))


def _choices(context: GateContext, mine: _Owned) -> tuple[Choice, ...]:
    """The tools of this gate for a project, knowing what runs its tests: where it has none of its own, the first project's."""
    known = useful_tools(context.project, context.root)
    for project, part in ((mine.project, mine.part), (context.project, None)):
        runners = tuple(
            choice.tool
            for choice in choose("unit", project=project, policy=context.policy, tools=known.values())
            if choice.tool.language is mine.language
        )
        if not runners:
            continue
        tools = [tool.testing_with(runners) if isinstance(tool, Testing) else tool for tool in registry.tools().values()]
        chosen = choose("mutation", project=project, policy=context.policy, tools=tools)
        return tuple(replace(choice, project=part) for choice in chosen if choice.tool.language is mine.language)
    return ()


def _examined(context: GateContext, tree: Path, mine: _Owned, choice: Choice) -> Examined:
    """Run the tool on the copy, on the project's own files of the change."""
    selection = Selection(without=integration_tests(context.project), measure=False)
    paths = [file.path for file in mine.files]
    extra = RequestExtra(selection=selection, variables=_import_path(mine.project, tree, paths))
    there = replace(
        context,
        root=tree,
        change=context.change.model_copy(update={"files": mine.files}),
        environments=Lent(inner=context.environments, root=context.root, staged=tree),
    )
    return _believed(context, run_tool(there, choice, extra))


def _believed(context: GateContext, examined: Examined) -> Examined:
    """What was examined, unless it says that no test executes a line which the tests of gate `unit` did execute.

    Then the tests in the copy saw some other copy of the code, and to call its faults unnoticed would blame the change.
    """
    measured = _coverage(context)
    for finding in examined.report.findings:
        seen = measured.get(finding.file or "")
        if finding.rule == "no-coverage" and seen is not None and finding.line in seen.executed:
            where = f"the tests executed {finding.place} in the checkout, but not in the copy"
            hint = "they import an installed copy of the code: install it in editable mode"
            report = replace(
                examined.report,
                outcome=Outcome.ERRORED,
                reason=f"{examined.run.tool}: {where}; {hint}",
                findings=(),
                metrics={},
            )
            run = examined.run.model_copy(update={"outcome": Outcome.ERRORED, "reason": report.reason})
            return replace(examined, run=run, report=report)
    return examined


def _coverage(context: GateContext) -> Coverage:
    unit = context.results.get("unit")
    location = unit.artifacts.get("coverage") if unit is not None else None
    try:
        return (parse_coverage(Path(location).read_bytes(), ()) or {}) if location else {}
    except OSError:
        return {}


def _import_path(project: Project, tree: Path, changed: Iterable[str]) -> Mapping[str, str]:
    """PYTHONPATH, by which the copy's modules are found before those of the checkout that is installed in the environment."""
    if project.python is None and not any(part.python is not None for part in project.parts):
        return {}
    known = set(project.files) | {path for part in project.parts for path in part.files}
    folders = [_import_folder(path, known) for path in changed if path.endswith(".py")]
    directories = [part.python.directory for part in (project, *project.parts) if part.python is not None]
    folders += [f"{directory}/src".strip("/") for directory in directories]
    places = [tree / folder for folder in dict.fromkeys(folders)]
    return {"PYTHONPATH": os.pathsep.join(str(place) for place in places if place.is_dir())}


def _import_folder(path: str, known: set[str]) -> str:
    """The folder from which a module is imported: the first one upwards that is no package."""
    folder = path.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in known:
        folder = folder.rpartition("/")[0]
    return folder


ADAPTER = Mutation()
