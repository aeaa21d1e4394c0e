"""Which test files execute which lines, as `programs/executed_lines.py` tells of a run that was measured per test."""

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from forge_dagster.ports import ToolOutput, ToolRequest
from forge_dagster.tools.reading import Unreadable, complaint, json_object
from forge_dagster.tools.tests.python_suites import project_directory

_STEADY = {"pytest-randomly": "--randomly-seed=1", "pytest-random-order": "--random-order-seed=1"}
"""Plugins that shuffle the tests -> the option by which they do it in the same way each time."""
_SCHEMA = "forge.executed/1"
_MOST_TEST_FILES = 200
"""Of more than these all tests are run: an argument list has an end."""


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

    def test_files(self, request: ToolRequest, mutants: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """Files of the tests that execute the mutants' lines; none (all tests) where one is also executed by an import."""
        known, found = set(request.project.files), set()
        for mutant in mutants:
            lines = self.files.get(mutant["file"], {})
            tests = {_path(request, test) for n in (mutant["line"], mutant["statement"]) for test in lines.get(n, ())}
            if not tests or not tests <= known:
                return ()
            found |= tests
        return tuple(sorted(found)) if len(found) <= _MOST_TEST_FILES else ()


def _path(request: ToolRequest, test: str) -> str:
    """A test file as pytest names it, from the repository's root; "" for code that an import executes."""
    return posixpath.join(project_directory(request), test) if test else ""


def steady_options(request: ToolRequest) -> tuple[str, ...]:
    """pytest's options that make one run like the other, as far as order is concerned."""
    there = request.environment.versions if request.environment is not None else {}
    return tuple(option for package, option in _STEADY.items() if package in there)
