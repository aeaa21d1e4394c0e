"""Gate `unit`: every unit test passes, and there are some. Leaves behind what the tests executed, for the gate `coverage`.

Integration tests (domain.test_kinds) are left to the gate of that name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from forge_dagster import registry
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.domain.sources import SOURCE_ENDINGS, is_test
from forge_dagster.domain.test_kinds import integration_tests
from forge_dagster.gates.selection import rival_of
from forge_dagster.gates.suites import run_suite, with_coverage
from forge_dagster.ports import GateContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The gate."""

    name: str = "unit"

    def examine(self, context: GateContext) -> GateResult:
        """Run the repository's tests. Raises Interrupted."""
        result = run_suite(context)
        if result.outcome is Outcome.SKIPPED and context.project.languages and context.policy.gate(self.name).tools is None:
            return _without_tests(context.project, result)
        left_out = integration_tests(context.project)
        if left_out and context.policy.gate("integration").enabled and _nothing_else(result):
            reason = f"all tests are integration tests ({left_out[0]}), which the gate integration runs"
            return gate_result(self.name, Outcome.SKIPPED, reason=reason, tools=result.tools)
        return with_coverage(context, result)


def _nothing_else(result: GateResult) -> bool:
    """Whether nothing was found to run: then what was left out is all there is."""
    rules = {finding.rule for finding in result.findings}
    return result.outcome is Outcome.FAILED and rules == {"no-tests"} and not any(run.examined for run in result.tools)


def _without_tests(project: Project, result: GateResult) -> GateResult:
    tests: Sequence[str] = [path for path in project.files if path.endswith(SOURCE_ENDINGS) and is_test(path)]
    if tests:
        known = ", ".join(sorted(tool.name for tool in registry.tools().values() if tool.gate == "unit"))
        hint = f"run them by one of: {known}; or set [gates.unit] enabled = false in forge.toml"
        runners = [tool for tool in registry.tools().values() if tool.gate == "unit"]
        rivals = (rival_of(runners, part) for part in (project, *project.parts) if part.node is not None)
        other = next((found for found in rivals if found is not None), None)
        theirs = f" (the repository has one that Forge cannot run, {other})" if other is not None else ""
        reason = f"there are tests ({tests[0]}), but no test runner that Forge knows{theirs}\n  -> {hint}"
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
