"""Gate `unit`: every unit test passes, and there are some. Leaves behind what the tests executed, for the gate `coverage`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.coverage_report import Coverage, dump_coverage, merge_coverage, parse_coverage
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import SOURCE_ENDINGS, is_test
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import GateContext, Tool

REPORT_PREFIX = "coverage-"
"""Artifact "coverage-<tool>": the tool's own report; artifact "coverage": all of them as one, in Forge's format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The gate."""

    name: str = "unit"

    def examine(self, context: GateContext) -> GateResult:
        """Run the repository's tests. Raises Interrupted."""
        result = run_tools(context, gate=self.name, tools=useful_tools(context.project))
        if result.outcome is Outcome.SKIPPED and context.project.languages and context.policy.gate(self.name).tools is None:
            return _without_tests(context.project, result)
        if len([run for run in result.tools if run.examined]) > 1:
            result = result.model_copy(update={"metrics": {"tests": float(sum(run.examined for run in result.tools))}})
        merged = measured(context, result)
        if merged is None:
            return result
        path = context.scratch / "coverage.json"
        path.write_bytes(dump_coverage(merged))
        return result.model_copy(update={"artifacts": {**result.artifacts, "coverage": str(path)}})


def useful_tools(project: Project) -> Mapping[str, Tool]:
    """The registry's tools without those of a language that has no test file: to find nothing needs no installation."""
    python = any(path.endswith(".py") and is_test(path) for path in project.files)
    return {name: tool for name, tool in registry.tools().items() if python or tool.language is not Language.PYTHON}


def measured(context: GateContext, result: GateResult) -> Coverage | None:
    """What the tools of a `unit` result measured, as one report; None when none of them measured anything readable."""
    reports = []
    for name, location in result.artifacts.items():
        if not name.startswith(REPORT_PREFIX):
            continue
        tool = registry.tools().get(name.removeprefix(REPORT_PREFIX))
        found = context.project.node if tool is not None and tool.language is Language.TYPESCRIPT else context.project.python
        roots = [str(context.root.resolve()), str(context.root)]
        report = parse_coverage(Path(location).read_bytes(), roots, directory=found.directory if found is not None else "")
        if report is None:
            context.log(f"{name.removeprefix(REPORT_PREFIX)}: its coverage report cannot be read")
            continue
        reports.append(report)
    return merge_coverage(reports) if reports else None


def _without_tests(project: Project, result: GateResult) -> GateResult:
    tests = [path for path in project.files if path.endswith(SOURCE_ENDINGS) and is_test(path)]
    if tests:
        known = ", ".join(sorted(tool.name for tool in registry.tools().values() if tool.gate == "unit"))
        hint = f"run them by one of: {known}; or set [gates.unit] enabled = false in forge.toml"
        reason = f"there are tests ({tests[0]}), but no test runner that Forge knows\n  -> {hint}"
        return result.model_copy(update={"outcome": Outcome.ERRORED, "reason": reason})
    finding = Finding(
        tool="unit",
        rule="no-tests",
        category=Category.TEST,
        message="the repository has no tests",
        suggested_fix="add tests for the code, or switch the gate off in forge.toml: [gates.unit] enabled = false",
    )
    return gate_result("unit", Outcome.FAILED, reason="the repository has no tests", findings=(finding,), tools=result.tools)


ADAPTER = Unit()
