"""flake8, in a format of our own, by the repository's .flake8, setup.cfg or tox.ini and with the plugins of its environment.

Exit codes (flake8.pycqa.org, "Invocation"): 0 nothing found, 1 violations, but a crash and a file that is not there too; 2 bad
usage. `--benchmark` ends the report with the number of files looked at. A violation of E9 in a file that does not parse is one
like any other.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Hook, Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_of, python_sign
from forge_dagster.tools.fast.ruff import python_directory
from forge_dagster.tools.hooks import hook_files
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.scripts import kept
from forge_dagster.tools.tasks import python_calls

_REPORT = "flake8.txt"
_LINE = re.compile(r"@@(?P<line>\d+)@(?P<column>\d+)@(?P<code>[A-Z][A-Z0-9]*)@(?P<file>[^@]+)@(?P<message>.*)")
_TOTAL = re.compile(r"(\d+) +total files processed")
_FORMAT = "--format=@@%(row)d@%(col)d@%(code)s@%(path)s@%(text)s"
_UNREADABLE_FILE = "E902"
"""pycodestyle's code for a file that cannot be read."""
_WITH_VALUE = frozenset(
    (
        "--config", "--append-config", "--exclude", "--extend-exclude", "--filename", "--per-file-ignores", "--ignore",
        "--extend-ignore", "--select", "--extend-select", "--max-line-length", "--max-doc-length", "--indent-size",
        "--max-complexity", "--enable-extensions", "--require-plugins", "--builtins",
    )
)  # fmt: skip
_ALONE = frozenset(("--isolated", "--hang-closing", "--disable-noqa", "--doctests"))
_DROPPED = frozenset(("--format", "--output-file", "-j", "--jobs", "--color", "--bug-report", "--stdin-display-name"))


class Flake8(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "flake8"
    gate: str = "lint"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "flake8"
    package: str = "flake8"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration, its hook, or as a declared dependency."""
        return python_sign(
            project, package="flake8", tool_table="flake8", files=(".flake8",), sections=("flake8",), hooks=("flake8",)
        )

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no Python file."""
        if not request.project.files_ending(".py", ".pyi"):
            return ()
        own = next(iter(python_calls(request.project, "flake8")), None)
        hook = hook_of(request.project, "flake8")
        arguments = own.arguments if own is not None else hook.args if hook is not None else ()
        options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
        argv = (
            str(request.executable), "--benchmark", *_plain(request.version), f"--output-file={request.report / _REPORT}",
            _FORMAT, *options, *(targets or _hooked(request, hook) or tops(request)),
        )  # fmt: skip
        cwd = request.root / python_directory(request)
        return (Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per violation; a line of the report that is none makes it unreadable."""
        (output,) = outputs
        code = output.result.exit_code
        said = text(output.reports.get(_REPORT, b""))
        lines = said.splitlines()
        findings = [self._finding(request, match) for line in lines if (match := _LINE.fullmatch(line))]
        totals = [int(match[1]) for line in [*lines, *text(output.result.stdout).splitlines()] if (match := _TOTAL.match(line))]
        if code not in (0, 1) or bool(findings) != (code == 1) or not totals:
            raise Unreadable(f"flake8 ended with {code} and reported {len(findings)} violations: {complaint(output)}")
        if all(finding.rule == _UNREADABLE_FILE for finding in findings) and findings:
            raise Unreadable(f"flake8 could not read {findings[0].file}: {findings[0].message}")
        return report(Outcome.FAILED if findings else Outcome.PASSED, output, examined=totals[-1], findings=tuple(findings))

    def _finding(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        return Finding(
            tool=self.name,
            rule=match["code"],
            message=match["message"] or match["code"],
            category=Category.LINT,
            file=place(request, match["file"], directory=python_directory(request)),
            line=max(int(match["line"]), 1),
            column=max(int(match["column"]), 1),
        )


def _plain(version: str) -> tuple[str, ...]:
    """Switches off `show_source`, which would mix lines of code into the report; releases before 6 cannot."""
    major = version.partition(".")[0]
    return () if major.isdigit() and int(major) < 6 else ("--no-show-source",)


def _hooked(request: ToolRequest, hook: Hook | None) -> list[str]:
    """The files that the hook is given, where it is for some only."""
    files = (
        hook_files(request.project, hook, (".py", ".pyi"), directory=python_directory(request)) if hook is not None else None
    )
    return [_argument(name) for name in files or ()]


def tops(request: ToolRequest) -> list[str]:
    """What stands at the top of the project and holds Python files: not the environments and caches that lie beside."""
    where = python_directory(request)
    prefix = f"{where}/" if where else ""
    inside = [path[len(prefix) :] for path in request.project.files_ending(".py", ".pyi") if path.startswith(prefix)]
    return sorted({_argument(path.split("/", 1)[0]) for path in inside}) or ["."]


def _argument(name: str) -> str:
    """A name that cannot be taken for an option (flake8 misreads `--`)."""
    return f"./{name}" if name.startswith("-") else name


ADAPTER = Flake8()
