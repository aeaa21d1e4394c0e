"""ruff format, by `--diff`: what it would change on stdout, how many files it looked at on stderr, in every release since 0.1.

Exit codes (docs.astral.sh/ruff/formatter, "Exit codes"): 0 all formatted, 1 some not, 2 a syntax error or an abnormal end, told
apart by what stderr says.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.diffs import first_differences
from forge_dagster.tools.evidence import hook_sign, table
from forge_dagster.tools.fast.black import ADAPTER as BLACK
from forge_dagster.tools.fast.formatting import other_python_formatter, unformatted
from forge_dagster.tools.fast.ruff import python_directory, ruff_cache, ruff_call, ruff_calls, ruff_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.tasks import called

_COUNT = re.compile(r"(\d+) files? (would be reformatted|already formatted|left unchanged|failed to format)")
_SYNTAX = re.compile(r"error: Failed to parse (?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)")


class RuffFormat(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "ruff_format"
    gate: str = "format"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "ruff"
    package: str = "ruff"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By [tool.ruff.format], the hook, a task, or ruff being used at all, where nothing shows that it only lints."""
        if project.python is None:
            return None
        if table(project.python.pyproject, "tool", "ruff", "format") is not None:
            return "pyproject.toml has [tool.ruff.format]"
        if ruff_calls(project, "format"):
            return hook_sign(project, ("ruff-format",)) or called(project, "ruff")
        other = other_python_formatter(project) or BLACK.chosen(project)
        only_lints = bool(project.pre_commit_hooks & {"ruff", "ruff-check"}) or bool(ruff_calls(project, "check"))
        return hook_sign(project, ("ruff-format",)) or (ruff_sign(project) if other is None and not only_lints else None)

    def rival(self, project: Project) -> str | None:
        """A formatter the repository uses that Forge cannot run."""
        return other_python_formatter(project)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no Python file."""
        if not request.project.files_ending(".py", ".pyi", ".ipynb"):
            return ()
        options, targets = ruff_call(request, "format", ("ruff-format",))
        argv = (str(request.executable), "format", "--diff", *ruff_cache(request), *options, "--", *targets)
        cwd = request.root / python_directory(request)
        return (Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per file that differs or does not parse; the diff and the count on stderr must agree."""
        (output,) = outputs
        code = output.result.exit_code
        said = text(output.result.stderr)
        counts = {what: int(number) for number, what in _COUNT.findall(said)}
        differing = first_differences(text(output.result.stdout))
        broken = [match for line in said.splitlines() if (match := _SYNTAX.match(line))]
        findings = [self._broken(request, match) for match in broken]
        where = python_directory(request)
        findings += [
            unformatted(self.name, place(request, found.path.split(":cell")[0], directory=where), found, "ruff format")
            for found in differing
        ]
        examined = sum(counts.values()) + len(broken)
        if code == 2 and broken:
            return report(Outcome.FAILED, output, examined=examined, findings=tuple(findings))
        if code == 1 and differing and len(differing) >= counts.get("would be reformatted", 0) > 0:
            return report(Outcome.FAILED, output, examined=examined, findings=tuple(findings))
        if code == 0 and not findings and "would be reformatted" not in counts:
            return report(Outcome.PASSED, output, examined=examined)
        raise Unreadable(f"ruff format ended with {code}: {complaint(output)}")

    def _broken(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        return Finding(
            tool=self.name,
            rule="invalid-syntax",
            message=match["message"],
            category=Category.FORMAT,
            file=place(request, match["file"], directory=python_directory(request)),
            line=int(match["line"]),
            column=int(match["column"]),
            suggested_fix="correct the syntax",
        )


ADAPTER = RuffFormat()
