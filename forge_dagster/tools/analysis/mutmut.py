"""mutmut, where a repository chose it: its own configuration and environment, on the functions that a change touches.

mutmut knows functions and no lines, so `programs/mutmut_results.py` tells which of its mutants lie on changed lines. It writes
`mutants/` into the tree, so the gate gives it a copy. First it is run for a mutant that there is not: that makes the mutants,
times the tests, and ends with 1 and the complaint that nothing matches, which it gets to only where the tests pass. (Its
`print-time-estimates` forgets which tests belong to which function, and with it the next run would.) Then it judges the mutants
by name, as many as the budget is enough for. Its exit code is 0 whatever survives; the exit codes of the tests that it keeps
per mutant have the meanings of its `status_by_exit_code` (mutmut 3.8, stats.py).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.domain.mutation import (
    LEAST_SAMPLE,
    SEED,
    TIME_SHARE,
    Fate,
    Mutant,
    judge_mutants,
    lines_to_mutate,
    sample_order,
    seed_of,
)
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy_gates import MutationSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sources import source_rule
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.suite_under_test import steady_options
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, text
from forge_dagster.tools.tests.python_suites import project_directory, variables, within, working_folder

RESULTS = Path(__file__).with_name("programs") / "mutmut_results.py"
SCHEMA = "forge.mutmut/1"

_NO_MUTANT = "forge.no-such-mutant"
_MATCHES_NOTHING = b"Filtered for specific mutants, but nothing matches"
_EACH_S = 0.1
"""Seconds that a mutant takes besides its tests."""
_FATES: Mapping[int, Fate] = {
    **dict.fromkeys((1, 3, -11, -9), Fate.KILLED),
    **dict.fromkeys((36, -24, 24, 152, 255), Fate.TIMEOUT),
    **dict.fromkeys((0, 35), Fate.SURVIVED),
    **dict.fromkeys((5, 33), Fate.NO_COVERAGE),
    **dict.fromkeys((34, 37), Fate.INVALID),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutmut:
    """The adapter."""

    name: str = "mutmut"
    gate: str = "mutation"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "mutmut"
    package: str = "mutmut"
    attributes_itself: bool = True

    def chosen(self, project: Project) -> str | None:
        """By its configuration, or as a declared dependency."""
        return python_sign(project, package=self.package, tool_table="mutmut", sections=("mutmut",))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """Make the mutants and time the tests, and tell what there is; none where the change adds no code."""
        if not _wanted(request):
            return ()
        return (
            self._command(request, (str(request.executable), "run", "--max-children", "1", _NO_MUTANT)),
            self._results(request),
        )

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Judge the mutants of the changed lines, as many as the budget is enough for."""
        try:
            keys = _affordable(request, outputs)
        except (Unreadable, ValueError, TypeError, LookupError, AttributeError):
            return ()
        if not keys:
            return ()
        run = (str(request.executable), "run", "--max-children", "1", *keys)
        return (self._command(request, run), self._results(request))

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The share of faults that the tests noticed."""
        keys = _affordable(request, outputs)
        if not keys:
            return ToolReport(outcome=Outcome.SKIPPED, reason="nothing in the change that can be mutated")
        if len(outputs) < 4 or outputs[2].result.exit_code != 0:
            raise Unreadable(f"mutmut ended with {outputs[-1].result.exit_code}: {_last_words(outputs[-1])}")
        offered = _offered(outputs[1])
        became = {mutant["key"]: mutant for mutant in _offered(outputs[3])}
        mutants = [_mutant(became[key]) for key in keys]
        section = request.policy.section("mutation", MutationSection)
        judged = judge_mutants(self.name, mutants, found=len(offered), minimum=section.minimum, budget_s=section.budget)
        return ToolReport(
            outcome=judged.outcome,
            reason=judged.reason,
            examined=judged.examined,
            findings=judged.findings,
            metrics=judged.metrics,
            exit_code=outputs[2].result.exit_code,
        )

    def _command(self, request: ToolRequest, argv: tuple[str, ...], *, stdin: bytes = b"") -> Command:
        seed = [f"--hypothesis-seed={SEED}"] if _has(request, "hypothesis") else []
        environment = {
            **variables(request),
            "PYTHONHASHSEED": "0",
            "PYTEST_ADDOPTS": " ".join([*steady_options(request), *seed]),
        }
        return Command(
            argv=argv, cwd=working_folder(request), environment=environment, stdin=stdin, timeout_s=request.timeout_s
        )

    def _results(self, request: ToolRequest) -> Command:
        python = request.environment.python if request.environment is not None else None
        files = {within(request, path): sorted(lines) for path, lines in _wanted(request).items()}
        question = json.dumps({"folder": str(working_folder(request)), "files": files}).encode()
        return self._command(request, (str(python or "python"), "-I", str(RESULTS)), stdin=question)


def _wanted(request: ToolRequest) -> Mapping[str, frozenset[int]]:
    return lines_to_mutate(request.change, source_rule(request.project), (".py",), project_directory(request))


def _has(request: ToolRequest, package: str) -> bool:
    return request.environment is not None and package in request.environment.versions


def _affordable(request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[str, ...]:
    """Names of the mutants to judge. Raises Unreadable, also where the tests fail before any fault is planted."""
    if len(outputs) < 2:
        raise Unreadable("mutmut did not come to an end")
    made, listed = outputs[:2]
    if made.result.exit_code != 1 or _MATCHES_NOTHING not in made.result.stdout + made.result.stderr:
        said = "mutmut could not run the tests with its mutants in the code, before any of them was switched on"
        raise Unreadable(f"{said} ({made.result.exit_code}): {_last_words(made)}")
    offered = {mutant["key"]: mutant for mutant in _offered(listed)}
    budget = request.policy.section("mutation", MutationSection).budget
    limit = request.timeout_s * TIME_SHARE - made.result.duration_s
    chosen: list[str] = []
    used = 0.0
    for key in sample_order(offered, seed_of(request.change)):
        used += float(offered[key]["seconds"]) + _EACH_S
        if (used > budget and len(chosen) >= LEAST_SAMPLE) or (used > limit and chosen):
            break
        chosen.append(key)
    return tuple(chosen)


def _offered(output: ToolOutput) -> list[dict[str, Any]]:
    if output.result.exit_code != 0:
        raise Unreadable(f"what mutmut made cannot be read ({output.result.exit_code}): {complaint(output)}")
    answer = json_object(output.result.stdout, "the list of mutants")
    if answer["schema"] != SCHEMA:
        raise Unreadable("the list of mutants is of another version")
    return list(answer["mutants"])


def _mutant(became: Mapping[str, Any]) -> Mutant:
    code = became["code"]
    if code not in _FATES or isinstance(code, bool):
        raise Unreadable(f"mutmut did not judge {str(became['key'])[:100]} ({str(code)[:20]})")
    # the part of its name that tells where it is; a number is all that mutmut says of what it did
    return Mutant(
        file=str(became["file"]),
        line=int(became["line"]),
        kind=str(became["key"]).rpartition(".")[2].partition("__mutmut")[0].removeprefix("x_").strip("xǁ").replace("ǁ", "."),
        removed=tuple(str(line) for line in became["removed"]),
        added=tuple(str(line) for line in became["added"]),
        fate=_FATES[code],
    )


def _last_words(output: ToolOutput) -> str:
    """The last lines that mutmut printed, without its spinner."""
    lines = [line.strip() for line in re.split(r"[\r\n]", text(output.result.stdout[-16_384:] + output.result.stderr[-4_096:]))]
    return " ".join([line for line in lines if re.search(r"[A-Za-z]{3}", line)][-4:])[:500] or complaint(output)


ADAPTER = Mutmut()
