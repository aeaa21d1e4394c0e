"""Stryker: plants faults into the changed lines of JavaScript and TypeScript, and runs the repository's own tests on each.

The repository's own configuration and runner where it has Stryker; else Forge's Stryker with its runner `command`, which calls
what gate `unit` calls and needs no plugin that fits the repository's vitest or jest. It writes the mutants into the tree, so
the gate gives it a copy. Exit code 1 (strykermutator.io, "Configuration") stands for a score below `thresholds.break`, which
is switched off here, for a configuration that cannot be used and for tests that fail before any fault is planted.
First a dry run: how many mutants, and how long the tests take. Where that is more than the budget, a sample of the lines is
judged. Wording is left alone where the repository did not choose Stryker: it is nothing to nail down in a test.
"""

import json
import math
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forge_dagster.domain.mutation import (
    SEED,
    TIME_SHARE,
    Fate,
    Mutant,
    affordable,
    judge_mutants,
    lines_to_mutate,
    ranges,
    sample_order,
    seed_of,
)
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.policy_gates import MutationSection
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sources import source_rule
from forge_dagster.ports import Command, Tool, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.suite_under_test import asking
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, text
from forge_dagster.tools.tests.vitest import ADAPTER as VITEST

CONFIGURATION = Path(__file__).with_name("programs") / "stryker.config.mjs"
REPORT = "mutation.json"

_OWN_FILES = tuple(f"{stem}.{ending}" for stem in ("stryker.config", "stryker.conf", ".stryker.config", ".stryker.conf")
                   for ending in ("json", "js", "mjs", "cjs"))  # fmt: skip
_ENDINGS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")
_BAIL = {"vitest": "--bail=1", "jest": "--bail", "mocha": "--bail"}
_COUNT = re.compile(r"Instrumented \d+ source file\(s\) with (\d+) mutant\(s\)")
_TIME = re.compile(r"Initial test run succeeded\. Ran \d+ tests? in .*?\(net (\d+) ms, overhead (\d+) ms\)")
_PIECE = 8
"""Lines that are drawn together into a sample."""
_FATES = {
    "Killed": Fate.KILLED,
    "RuntimeError": Fate.INVALID,
    "CompileError": Fate.INVALID,
    "Timeout": Fate.TIMEOUT,
    "Survived": Fate.SURVIVED,
    "NoCoverage": Fate.NO_COVERAGE,
}
"""mutation-testing-elements, report schema 2, "MutantStatus"; an ignored mutant is judged by why it is."""
_EXCLUDED = "excluded mutation"
"""In the reason why a mutant is ignored: by the configuration, and not by a comment in the code."""
_SPECIAL = re.compile(r"[\[\](){}!*+@?]")

_FAILED = re.compile(r"not ok \d|[✖✗✘×] |FAIL |● |\d+\) \S")
"""How TAP, ava, mocha, jest and vitest begin a line that names a failed test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stryker:
    """The adapter. `runners`: what runs the repository's tests; none: vitest."""

    name: str = "stryker"
    gate: str = "mutation"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "stryker"
    package: str = "@stryker-mutator/core"
    attributes_itself: bool = True
    runners: tuple[Tool, ...] = ()

    def testing_with(self, runners: tuple[Tool, ...]) -> Tool:
        """The same adapter, running the tests by these."""
        return replace(self, runners=tuple(runner for runner in runners if runner.language is self.language))

    def chosen(self, project: Project) -> str | None:
        """By its configuration, a script, or as a declared dependency."""
        return node_sign(project, package=self.package, program=self.program, files=_OWN_FILES)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The dry run; none where the change adds no code."""
        pieces = _pieces(request)
        if not pieces or not self._tests(request):
            return ()
        return (self._command(request, pieces, dry=True),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """The run itself, on all changed lines or on a sample of them."""
        if not outputs or outputs[0].result.exit_code != 0:
            return ()
        found = _dry(outputs[0])
        return (self._command(request, _sample(request, found), dry=False),) if found is not None and found.mutants else ()

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The share of faults that the tests noticed."""
        if not outputs:
            raise Unreadable("stryker was not run")
        dry = outputs[0]
        if dry.result.exit_code != 0:
            said = (
                "the tests do not pass in a copy of the tree, before any fault is planted"
                if _red(dry)
                else "stryker could not start"
            )
            raise Unreadable(f"{said} ({dry.result.exit_code}): {_last_error(dry)}")
        found = _dry(dry)
        if found is None:
            raise Unreadable(f"stryker's dry run tells of no mutants: {complaint(dry)}")
        if not found.mutants:
            return ToolReport(outcome=Outcome.SKIPPED, reason="nothing in the change that can be mutated", exit_code=0)
        if len(outputs) < 2 or outputs[-1].result.exit_code != 0:
            raise Unreadable(f"stryker ended with {outputs[-1].result.exit_code}: {_last_error(outputs[-1])}")
        mutants = list(_mutants(request, outputs[-1], chosen=self.chosen(request.project) is not None))
        section = request.policy.section("mutation", MutationSection)
        sampled = len(_sample(request, found)) < len(_pieces(request))
        judged = judge_mutants(
            self.name,
            mutants,
            found=max(found.mutants, len(mutants)) if sampled else len(mutants),
            minimum=section.minimum,
            budget_s=section.budget,
        )
        if sampled and judged.outcome is Outcome.SKIPPED:
            raise Unreadable("the sample of changed lines holds no mutant; raise [gates.mutation] budget in forge.toml")
        return ToolReport(
            outcome=judged.outcome,
            reason=judged.reason,
            examined=judged.examined,
            findings=judged.findings,
            metrics=judged.metrics,
            exit_code=outputs[-1].result.exit_code,
        )

    def _tests(self, request: ToolRequest) -> tuple[Command, ...]:
        """The runners' own commands, with the same seed each time."""
        selection = replace(request.selection, seed=SEED, measure=False)
        commands: list[Command] = []
        for runner in self.runners or (VITEST,):
            for command in runner.commands(asking(request, runner, selection)):
                bail = (_BAIL[runner.name],) if runner.name in _BAIL else ()
                # types are nothing that a fault at run time changes
                argv = (argument for argument in command.argv if argument != "--typecheck")
                commands.append(replace(command, argv=(*argv, *bail)))
        return tuple(commands)

    def _command(self, request: ToolRequest, pieces: Sequence["_Piece"], *, dry: bool) -> Command:
        own = _own_configuration(request)
        tests = self._tests(request)
        chosen = self.chosen(request.project) is not None
        options: dict[str, Any] = {
            "mutate": [piece.pattern(_directory(request)) for piece in pieces],
            "reporters": ["json"],
            "jsonReporter": {"fileName": str(request.report / REPORT)},
            "thresholds": {"high": 100, "low": 0, "break": None},
            "inPlace": True,
            "tempDirName": str(request.report / "stryker"),
            "incremental": False,
            "allowConsoleColors": False,
            "dryRunTimeoutMinutes": max(request.timeout_s / 60, 1),
        }
        # Stryker keeps what each run prints in its report
        quiet = "" if dry else " >/dev/null 2>&1"
        defaults = {
            "testRunner": "command",
            "commandRunner": {"command": " && ".join(shlex.join(command.argv) + quiet for command in tests)},
            "coverageAnalysis": "off",
            # one after the other: tests that use a port or a file would else fail each other, and count as noticing
            "concurrency": 1,
            "checkers": [],
            "plugins": [],
            **({} if chosen else {"mutator": {"excludedMutations": ["StringLiteral"]}}),
        }
        told = json.dumps({"own": own, "options": options, "defaults": defaults})
        environment = {**tests[0].environment, "FORGE_STRYKER": told}  # no NO_COLOR: suites that test colours fail with it
        return Command(
            argv=(str(request.executable), "run", str(CONFIGURATION), *(("--dryRunOnly",) if dry else ())),
            cwd=request.root / _directory(request),
            environment=environment,
            timeout_s=request.timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A few changed lines of a file."""

    file: str
    first: int
    last: int

    @property
    def key(self) -> str:
        return f"{self.file}:{self.first}"

    def pattern(self, directory: str) -> str:
        """As Stryker's option `mutate` wants it, from the project's folder; what a glob reads otherwise is any character."""
        path = posixpath.relpath(self.file, directory) if directory else self.file
        return f"{_SPECIAL.sub('?', path)}:{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dry:
    """What a dry run tells."""

    mutants: int
    seconds: float


def _dry(output: ToolOutput) -> _Dry | None:
    said = text(output.result.stdout + output.result.stderr)
    count, time = _COUNT.search(said), _TIME.search(said)
    if count is None:
        return None
    if int(count[1]) == 0:
        return _Dry(mutants=0, seconds=0.0)
    return _Dry(mutants=int(count[1]), seconds=(int(time[1]) + int(time[2])) / 1000) if time is not None else None


def _pieces(request: ToolRequest) -> tuple[_Piece, ...]:
    wanted = lines_to_mutate(request.change, source_rule(request.project), _ENDINGS, _directory(request))
    return tuple(
        _Piece(file=path, first=start, last=min(start + _PIECE - 1, last))
        for path, lines in sorted(wanted.items())
        for first, last in ranges(lines)
        for start in range(first, last + 1, _PIECE)
    )


def _sample(request: ToolRequest, found: _Dry) -> tuple[_Piece, ...]:
    """As many of the pieces as the budget is enough for, by their share of the mutants."""
    pieces = {piece.key: piece for piece in _pieces(request)}
    budget = request.policy.section("mutation", MutationSection).budget
    left = request.timeout_s * TIME_SHARE - found.seconds
    count = affordable(found.mutants, seconds_each=found.seconds, budget_s=budget, limit_s=left)
    if count >= found.mutants:
        return tuple(pieces.values())
    wanted = math.ceil(len(pieces) * count / found.mutants)
    return tuple(pieces[key] for key in sample_order(pieces, seed_of(request.change))[:wanted])


def _directory(request: ToolRequest) -> str:
    return request.project.node.directory if request.project.node is not None else ""


def _own_configuration(request: ToolRequest) -> str:
    known, directory = set(request.project.files), _directory(request)
    return next((name for name in _OWN_FILES if posixpath.join(directory, name) in known), "")


def _red(output: ToolOutput) -> bool:
    said = text(output.result.stdout + output.result.stderr)
    return "initial test run" in said.lower() or "failed tests" in said.lower()


def _last_error(output: ToolOutput) -> str:
    lines = [line.strip() for line in text(output.result.stdout[-16_384:] + output.result.stderr[-4_096:]).splitlines()]
    failed = [line for line in lines if _FAILED.match(line)]
    if failed:
        return "; ".join(failed[:5])[:500]
    errors = [line for line in lines if "ERROR" in line]
    return (" ".join(lines[lines.index(errors[0]) :]) if errors else complaint(output))[:500]


def _mutants(request: ToolRequest, output: ToolOutput, *, chosen: bool) -> Iterator[Mutant]:
    """What became of each mutant. Raises Unreadable, LookupError, TypeError."""
    report = json_object(output.reports.get(REPORT, b""), "stryker's report")
    for path, body in report["files"].items():
        lines = str(body["source"]).split("\n")
        for mutant in body["mutants"]:
            status = mutant["status"]
            if status == "Ignored":
                # a comment of the change's own must not hide its faults from a tool that the repository did not choose
                if chosen or _EXCLUDED in str(mutant.get("statusReason", "")):
                    continue
                fate = Fate.SURVIVED
            elif status in _FATES:
                fate = _FATES[status]
            else:
                raise Unreadable(f"stryker left a mutant {str(status)[:40]!r}")
            yield _mutant(request, str(path), lines, mutant, fate)


def _mutant(request: ToolRequest, path: str, lines: Sequence[str], mutant: Mapping[str, Any], fate: Fate) -> Mutant:
    start, end = mutant["location"]["start"], mutant["location"]["end"]
    first, last = int(start["line"]), int(end["line"])
    if not 1 <= first <= last <= len(lines):
        raise Unreadable("stryker's report tells of lines that are not there")
    removed = lines[first - 1 : last]
    before, after = removed[0][: int(start["column"]) - 1], removed[-1][int(end["column"]) - 1 :]
    return Mutant(
        file=posixpath.normpath(posixpath.join(_directory(request), path)),
        line=first,
        kind=str(mutant["mutatorName"]),
        removed=tuple(removed),
        added=tuple(f"{before}{mutant.get('replacement', '')}{after}".split("\n")),
        fate=fate,
    )


ADAPTER = Stryker()
