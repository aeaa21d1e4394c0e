"""Runs the tools of a gate and makes one result of what they say."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from forge_dagster import registry
from forge_dagster.domain.outcomes import Outcome, worst
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.gates.attribution import attributed
from forge_dagster.gates.base_configuration import under_base_configuration
from forge_dagster.gates.base_suite import under_base_suite
from forge_dagster.gates.collected_tests import with_collected
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.selection import Choice, choose_parts, why_none
from forge_dagster.gates.tool_runs import NOTHING_MORE, RequestExtra, run_tool
from forge_dagster.ports import GateContext, Selection, Tool

_AT_ONCE = 4
"""Tools of one gate that run at the same time; a monorepo has one for each of its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolGate:
    """A gate that demands nothing but that its tools pass."""

    name: str

    def examine(self, context: GateContext) -> GateResult:
        """Run the gate's tools. Raises Interrupted, and ConfigurationError for a policy that names a tool of another gate."""
        return run_tools(context, gate=self.name)


def tool_gate(name: str) -> ToolGate:
    """The gate called `name`, made of every tool that the registry has for it."""
    return ToolGate(name=name)


def run_tools(
    context: GateContext,
    *,
    gate: str | None = None,
    tools: Mapping[str, Tool] | None = None,
    extra: RequestExtra = NOTHING_MORE,
) -> GateResult:
    """Run every tool that `gate` (default: the context's) has for this project and aggregate: FAILED before ERRORED.

    `tools` are the registry's unless given; `extra` is what each is asked besides. The result is the context's gate's, so that
    gate `property` can use the tools of `unit`. SKIPPED, with the reason, when no tool applies or none finds anything to look
    at. Raises Interrupted when the run is cancelled, ConfigurationError when the policy names a tool of another gate.
    """
    gate = gate or context.gate
    begun = context.clock.monotonic()
    known = list((registry.tools_of(gate) if tools is None else tools).values())
    choices = choose_parts(
        gate, project=context.project, policy=context.policy, tools=known, on_path=lambda program: bool(shutil.which(program))
    )
    if not choices:
        reason = why_none(gate, project=context.project, policy=context.policy, tools=known)
        return gate_result(context.gate, Outcome.SKIPPED, reason=reason)
    if len(choices) == 1:
        parts = [_answer(context, choices[0], extra)]
    else:
        with ThreadPoolExecutor(max_workers=min(len(choices), _AT_ONCE), thread_name_prefix=gate) as pool:
            parts = [future.result() for future in [pool.submit(_answer, context, choice, extra) for choice in choices]]
    result = together(context.gate, parts)
    return result.model_copy(update={"duration_s": context.clock.monotonic() - begun})


def _answer(context: GateContext, choice: Choice, extra: RequestExtra) -> Examined:
    def ask(there: GateContext, same: Choice, selection: Selection) -> Examined:
        with contextlib.nullcontext(extra.variables) if extra.elsewhere is None else extra.elsewhere(there) as variables:
            return run_tool(there, same, replace(extra, selection=selection, variables=variables))

    examined = attributed(context, choice, run_tool(context, choice, extra), ask, extra.selection)
    examined = under_base_configuration(context, choice, examined, ask)
    examined = under_base_suite(context, choice, examined, ask, extra.selection)
    return with_collected(context, choice, examined, ask, extra.selection)


def together(gate: str, parts: Sequence[Examined]) -> GateResult:
    """One result of what several tools say: FAILED before ERRORED before PASSED. Their metrics are counts and add up."""
    outcome = worst([part.run.outcome for part in parts])
    speaking = [part.run for part in parts if part.run.outcome is outcome and part.run.reason]
    return gate_result(
        gate,
        outcome,
        reason="\n".join(_with_name(run) for run in speaking),
        findings=[finding for part in parts for finding in part.report.findings],
        tools=tuple(part.run for part in parts),
        metrics=_added_up(part.report.metrics for part in parts),
        artifacts={
            f"{name}@{part.directory}" if part.directory else name: str(part.folder / file)
            for part in parts
            for name, file in part.report.artifacts.items()
        },
    )


def _added_up(metrics: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in metrics:
        for name, value in one.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _with_name(run: ToolRun) -> str:
    return run.reason if run.reason.startswith(run.tool) else f"{run.tool}: {run.reason}"
