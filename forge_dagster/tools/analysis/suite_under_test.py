"""Running a repository's own tests for another tool, and which of their files execute which lines."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forge_dagster.ports import Selection, Tool, ToolOutput, ToolRequest
from forge_dagster.tools.reading import Unreadable, complaint, json_object
from forge_dagster.tools.tests.junit import TestCase
from forge_dagster.tools.tests.pytest_report import is_collection, own_file, test_id
from forge_dagster.tools.tests.python_suites import project_directory, within

_STEADY = {"pytest-randomly": "--randomly-seed=1", "pytest-random-order": "--random-order-seed=1"}
"""Plugins that shuffle the tests -> the option by which they do it in the same way each time."""
_SCHEMA = "forge.executed/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedLines:
    """File -> line that was executed -> test files, as far as that is known. `note`: what the result is to say of it."""

    files: Mapping[str, Mapping[int, tuple[str, ...]]]
    note: str = ""

    @classmethod
    def read(cls, output: ToolOutput) -> "ExecutedLines":
        """Raises Unreadable."""
        if output.result.exit_code != 0:
            raise Unreadable(f"what the tests executed cannot be read ({output.result.exit_code}): {complaint(output)}")
        answer = json_object(output.result.stdout, "the list of executed lines")
        if answer["schema"] != _SCHEMA:
            raise Unreadable("the list of executed lines is of another version")
        found = {
            str(path): {int(line): tuple(str(name) for name in tests) for line, tests in lines.items()}
            for path, lines in answer["files"].items()
        }
        return cls(files=found)

    def executes(self, mutant: Mapping[str, Any]) -> bool:
        """Whether some test executes the mutant's statement; of a file that was not measured nothing is known."""
        lines = self.files.get(mutant["file"])
        return lines is None or not lines.keys().isdisjoint((mutant["line"], mutant["statement"]))

    def test_files(self, request: ToolRequest, mutant: Mapping[str, Any]) -> tuple[str, ...]:
        """Files of the tests that execute the mutant's line; none (all tests) where an import executes it too."""
        lines = self.files.get(mutant["file"], {})
        tests = {_path(request, test) for n in (mutant["line"], mutant["statement"]) for test in lines.get(n, ())}
        return tuple(sorted(tests)) if tests <= set(request.project.files) else ()


def _path(request: ToolRequest, test: str) -> str:
    """A test file as pytest names it, from the repository's root; "" for code that an import executes."""
    return posixpath.join(project_directory(request), test) if test else ""


def steady_options(request: ToolRequest) -> tuple[str, ...]:
    """pytest's options that make one run like the other, as far as order is concerned."""
    there = request.environment.versions if request.environment is not None else {}
    return tuple(option for package, option in _STEADY.items() if package in there)


def asking(request: ToolRequest, runner: Tool, selection: Selection) -> ToolRequest:
    """What a runner of tests is asked, by a tool that runs them."""
    there = request.environment
    program = there.executable(runner.program) if there is not None else None
    version = there.versions.get(runner.package, "") if there is not None else ""
    return replace(request, executable=program or Path(runner.program), version=version, selection=selection)


def leaving_out(request: ToolRequest, case: TestCase) -> str:
    """The option of pytest that leaves out a failing test or a file that cannot be collected; "": not to be told."""
    if not is_collection(case):
        return f"--deselect={test_id(request, case)}"
    file = own_file(request, case)
    return f"--ignore={within(request, file)}" if file is not None else ""


def left_out_names(options: Sequence[str]) -> str:
    """What such options leave out, in words."""
    names = [option.partition("=")[2] for option in options]
    return ", ".join([*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])])
