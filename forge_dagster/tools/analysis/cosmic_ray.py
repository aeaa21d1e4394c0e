"""cosmic-ray: plants faults into the changed lines of Python code, one at a time, and runs the repository's own tests on each.

Forge's default for Python, since it judges any code and any suite that runs: the fault is made in the file. (mutmut puts all
mutants of a function behind a switch in it, which broke the suites of click, attrs and pluggy before any fault was there.)
It runs in an environment of its own and changes files of the tree, so the gate gives it a copy. First the tests run without a
fault, measuring which test executes which line: a fault on a line that none executes is not noticed by any, and only the files
of tests that execute the changed lines need be run for the others. `programs/plant_faults.py` does the rest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from forge_dagster.ports import Command, Tool, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.suite_under_test import (
    ExecutedLines,
    asking,
    leaving_out,
    left_out_names,
    steady_options,
)
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, text
from forge_dagster.tools.tests.junit import parse_junit
from forge_dagster.tools.tests.pytest import ADAPTER as PYTEST
from forge_dagster.tools.tests.pytest_command import JUNIT
from forge_dagster.tools.tests.python_suites import project_directory, working_folder
from forge_dagster.tools.tests.verdicts import tail

FAULTS = Path(__file__).with_name("programs") / "plant_faults.py"
EXECUTED = FAULTS.with_name("executed_lines.py")
FAULTS_SCHEMA = "forge.faults/1"

_MOST_TEST_FILES = 200
"""Of more than these all tests are run: an argument list has an end."""
_MOST_RED = 0.1
"""Share of the tests that may fail before any fault is planted: those that the base fails too are left out."""
_NEAR = 200
"""Lines that a statement goes on for at most, as far as it is looked for what executes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosmicRay:
    """The adapter. `runners`: what runs the repository's tests; none: pytest."""

    name: str = "cosmic_ray"
    gate: str = "mutation"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "cosmic-ray"
    package: str = "cosmic-ray"
    attributes_itself: bool = True
    runners: tuple[Tool, ...] = ()

    def testing_with(self, runners: tuple[Tool, ...]) -> Tool:
        """The same adapter, running the tests by these."""
        return replace(self, runners=tuple(runner for runner in runners if runner.language is self.language))

    def chosen(self, project: Project) -> str | None:
        """As a declared dependency."""
        python = project.python
        return "cosmic-ray is a declared dependency" if python is not None and self.package in python.dependencies else None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The tests without a fault, what they executed, and what could be planted; none where the change adds no code."""
        wanted = _wanted(request)
        if not wanted:
            return ()
        tests = self._tests(request, measure=True)
        if not tests:
            return ()
        question = {"folder": str(request.root), "files": {path: sorted(lines) for path, lines in wanted.items()}}
        offered = _command(request, (*_program(request), "offer"), question)
        if not self._measures:
            return (*tests, offered)
        python = request.environment.python if request.environment is not None else None
        # a fault lies on a changed line, and is executed with the first line of its statement, which need not be changed
        near = {
            path: sorted({n for line in lines for n in range(max(line - _NEAR, 1), line + 1)}) for path, lines in wanted.items()
        }
        executed = _command(
            request, (str(python or "python"), str(EXECUTED)), {**question, "data": _data_file(request), "files": near}
        )
        return (*tests, replace(executed, environment=tests[0].environment), offered)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Judge the mutants that some test executes, in the order of the sample."""
        try:
            plan = self._plan(request, outputs)
        except (Unreadable, ValueError, TypeError, LookupError, AttributeError):
            return ()
        if not plan["mutants"]:
            return ()
        variables = self._tests(request)[0].environment
        return (replace(_command(request, (*_program(request), "judge"), plan), environment=variables),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The share of faults that the tests noticed."""
        if not outputs:
            raise Unreadable("cosmic_ray was not run")
        offered, covered = self._offered(request, outputs)
        if not offered:
            return ToolReport(outcome=Outcome.SKIPPED, reason="nothing in the change that can be mutated")
        fates = {key: Fate.NO_COVERAGE for key, mutant in offered.items() if not covered.executes(mutant)}
        asked = self._plan(request, outputs)["mutants"]
        if asked:
            rounds = self._rounds(request)
            if len(outputs) <= rounds:
                raise Unreadable("cosmic_ray: the mutants were offered, but not judged")
            fates |= _fates(outputs[rounds], [mutant["key"] for mutant in asked])
        section = request.policy.section("mutation", MutationSection)
        mutants = [_mutant(offered[key], fate) for key, fate in fates.items()]
        judged = judge_mutants(
            self.name, mutants, found=len(offered), minimum=section.minimum, budget_s=section.budget, note=covered.note
        )
        return ToolReport(
            outcome=judged.outcome,
            reason=judged.reason,
            examined=judged.examined,
            findings=judged.findings,
            metrics=judged.metrics,
            exit_code=outputs[-1].result.exit_code,
        )

    # --- the tests

    @property
    def _used(self) -> tuple[Tool, ...]:
        return self.runners or (PYTEST,)

    @property
    def _measures(self) -> bool:
        """Whether it can be known which test executes which line."""
        return all(runner.name == PYTEST.name for runner in self._used)

    def _rounds(self, request: ToolRequest) -> int:
        """Commands of the first round."""
        return len(self._tests(request, measure=True)) + (2 if self._measures else 1)

    def _tests(
        self, request: ToolRequest, *, only: tuple[str, ...] = (), measure: bool = False, without: Sequence[str] = ()
    ) -> tuple[Command, ...]:
        """The runners' own commands: all tests but those that gate `unit` leaves out, with the same seed each time.

        `without`: pytest's options that leave out what fails as it is.
        """
        selection = replace(request.selection, only=only, seed=SEED, measure=measure and self._measures)
        commands: list[Command] = []
        for runner in self._used:
            asked = asking(request, runner, selection)
            # of a run that is measured, the later ones make reports
            for command in runner.commands(asked)[:1]:
                commands.append(_prepared(request, runner, command, measure=selection.measure, without=without))
        return tuple(commands)

    def _plan(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> dict[str, Any]:
        offered, covered = self._offered(request, outputs)
        executed = {key: mutant for key, mutant in offered.items() if covered.executes(mutant)}
        red = self._red(request, outputs)
        used = sum(output.result.duration_s for output in outputs[: self._rounds(request)])
        # faults in what an import executes meet all tests, the others the tests that execute any of them
        files = {key: covered.test_files(request, mutant) for key, mutant in executed.items()}
        some = tuple(sorted({file for found in files.values() for file in found}))
        suites = [self._tests(request, only=only, without=red) for only in ((), some)]
        few = 0 < len(some) <= _MOST_TEST_FILES
        return {
            "folder": str(request.root),
            "suites": [[list(command.argv) for command in commands] for commands in suites],
            "mutants": [
                {**executed[key], "suite": int(few and bool(files[key]))}
                for key in sample_order(executed, seed_of(request.change))
            ],
            "budget_s": request.policy.section("mutation", MutationSection).budget,
            "hard_limit_s": max(request.timeout_s * TIME_SHARE - used, 1.0),
            "least": LEAST_SAMPLE,
        }

    def _red(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[str, ...]:
        """Options that leave out what fails before any fault is planted. Raises Unreadable where that is more than a little."""
        red: list[str] = []
        for output in outputs[: len(self._tests(request, measure=True))]:
            code = output.result.exit_code
            if code == 0:
                continue
            junit = parse_junit(output.reports.get(JUNIT, b"")) if self._measures and code == 1 else None
            failed = junit.of("failed", "error") if junit is not None else ()
            left_out = [leaving_out(request, case) for case in failed]
            if junit is None or not failed or len(failed) > _MOST_RED * len(junit.cases) or "" in left_out:
                names = ", ".join(option.partition("=")[2] for option in left_out[:5])
                said = "the tests do not pass in a copy of the tree, before any fault is planted"
                raise Unreadable(f"{said} ({code}): {names or tail(text(output.result.stdout), 5) or complaint(output)}")
            red += left_out
        return tuple(dict.fromkeys(red))

    def _offered(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> tuple[dict[str, dict[str, Any]], ExecutedLines]:
        """Key -> mutant, and what the tests execute. Raises Unreadable."""
        rounds = self._rounds(request)
        if len(outputs) < rounds:
            raise Unreadable("cosmic_ray did not come to an end")
        red = self._red(request, outputs)
        if self._measures:
            covered = ExecutedLines.read(outputs[rounds - 2])
        else:
            covered = ExecutedLines(files={}, note="each fault met all tests")
        if red:
            covered = replace(covered, note=f"left out, since they fail without any fault: {left_out_names(red)}")
        offer = outputs[rounds - 1]
        if offer.result.exit_code != 0:
            raise Unreadable(f"cosmic_ray ended with {offer.result.exit_code}: {complaint(offer)}")
        answer = json_object(offer.result.stdout, "the list of mutants")
        if answer["schema"] != FAULTS_SCHEMA:
            raise Unreadable("the list of mutants is of another version")
        if answer["unreadable"]:
            raise Unreadable(f"cosmic_ray cannot read {answer['unreadable'][0]}")
        return {str(mutant["key"]): _checked(mutant) for mutant in answer["mutants"]}, covered


def _wanted(request: ToolRequest) -> Mapping[str, frozenset[int]]:
    return lines_to_mutate(request.change, source_rule(request.project), (".py",), project_directory(request))


def _program(request: ToolRequest) -> tuple[str, ...]:
    """The program, isolated: what it imports must not come from the tree, which may be cosmic-ray's own dependency."""
    return (str(request.executable.with_name("python")), "-I", str(FAULTS))


def _command(request: ToolRequest, argv: tuple[str, ...], question: Mapping[str, Any]) -> Command:
    return Command(argv=argv, cwd=working_folder(request), stdin=json.dumps(question).encode(), timeout_s=request.timeout_s)


def _data_file(request: ToolRequest) -> str:
    return str(request.report.parent / "coverage.data")


def _prepared(request: ToolRequest, runner: Tool, command: Command, *, measure: bool, without: Sequence[str]) -> Command:
    """The runner's command made for many runs: the same order each time, the end at the first failure, and few words."""
    environment = {**command.environment, "PYTHONHASHSEED": "0", "COVERAGE_FILE": _data_file(request)}
    if runner.name != PYTEST.name:
        return replace(command, environment=environment)
    # the last --maxfail counts
    options = (*steady_options(request), "--tb=no", "-q", *without)
    # which test it is cannot be known where the measuring is done around pytest
    inside = any(word.startswith("--cov=") for word in command.argv)
    contexts = ("--cov-context=test", "--cov-report=") if measure and inside else ()
    ending = () if measure else ("--maxfail=1",)
    asked = (argument for argument in command.argv if not argument.startswith("--cov-report="))
    return replace(command, argv=(*asked, *options, *contexts, *ending), environment=environment)


def _checked(mutant: Mapping[str, Any]) -> dict[str, Any]:
    """The mutant, if it has everything. Raises Unreadable, LookupError."""
    if counted(mutant["line"]) < 1 or not isinstance(mutant["removed"], list) or not isinstance(mutant["added"], list):
        raise Unreadable("the list of mutants cannot be read")
    return {**mutant, "key": str(mutant["key"]), "file": str(mutant["file"]), "kind": str(mutant["kind"])}


def _fates(output: ToolOutput, asked: Sequence[str]) -> dict[str, Fate]:
    """Key -> what became of it, for a beginning of what was asked. Raises Unreadable."""
    if output.result.exit_code != 0 or output.result.truncated:
        raise Unreadable(f"cosmic_ray ended with {output.result.exit_code}: {complaint(output)}")
    lines = [json_object(line.encode(), "what became of a mutant") for line in text(output.result.stdout).splitlines()]
    if not lines:
        raise Unreadable("cosmic_ray printed nothing")
    *told, end = lines
    red = next((line["clean"] for line in told if line.get("clean", "survived") != "survived"), None)
    if red is not None:
        raise Unreadable(f"the tests that execute the change do not pass when run by themselves, before any fault ({red})")
    each = [line for line in told if "clean" not in line]
    keys = [line["key"] for line in each]
    if end["done"] != len(each) or end["of"] != len(asked) or keys != list(asked[: len(keys)]) or len(each) == len(told):
        raise Unreadable("cosmic_ray judged other mutants than it was asked about")
    if not each:
        raise Unreadable("the tests take so long that no fault could be judged; raise [gates.mutation] timeout in forge.toml")
    return {line["key"]: Fate(line["fate"]) for line in each}


def _mutant(offered: Mapping[str, Any], fate: Fate) -> Mutant:
    return Mutant(
        file=offered["file"],
        line=offered["line"],
        kind=offered["kind"],
        removed=tuple(str(line) for line in offered["removed"]),
        added=tuple(str(line) for line in offered["added"]),
        fate=fate,
    )


ADAPTER = CosmicRay()
