"""mypy, by the repository's own configuration where it has one, `--strict` where it has none.

Exit codes (mypy.readthedocs.io, "The mypy command line"): 0 no errors, 1 errors, 2 a syntax error, bad usage or a crash. Its
JSON output says nothing at all about a clean tree, so it is read as text, whose last line counts the files: "Success: no issues
found in 3 source files" or "Found 1 error in 1 file (checked 3 source files)".
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign, table
from forge_dagster.tools.fast.ruff import python_directory
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text

_LINE = re.compile(
    r"(?P<file>.+?):(?:(?P<line>\d+):(?:(?P<column>-?\d+):(?:\d+:-?\d+:)?)?)? (?P<level>error|note|warning): (?P<message>.*?)"
    r"(?:  \[(?P<code>[a-z][a-z0-9-]*)\])?"
)
_SUCCESS = re.compile(r"Success: no issues found in (\d+) source files?")
_FOUND = re.compile(r"Found (\d+) errors? in \d+ files? \((?:checked (\d+) source files?|errors prevented further checking)\)")
_FIXED = (
    "--no-pretty", "--show-column-numbers", "--show-error-end", "--show-error-codes", "--hide-error-context",
    "--no-color-output", "--error-summary",
)  # fmt: skip
_NOT_PACKAGES = frozenset(
    ("tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts", "tools", "build")
)
_NOT_MODULES = frozenset(("setup.py", "noxfile.py", "conftest.py", "tasks.py", "dodo.py", "fabfile.py"))
_RIVALS = {
    "pyright": ("pyrightconfig.json",),
    "basedpyright": (),
    "pyre": (".pyre_configuration",),
    "ty": ("ty.toml",),
    "pytype": (),
}


class Mypy(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "mypy"
    gate: str = "types"
    language: Language | None = Language.PYTHON
    default: bool = True
    program: str = "mypy"
    package: str = "mypy"

    def chosen(self, project: Project) -> str | None:
        """By its configuration, its hook, or as a declared dependency."""
        files = ("mypy.ini", ".mypy.ini")
        return python_sign(project, package="mypy", tool_table="mypy", files=files, sections=("mypy",), hooks=("mypy",))

    def rival(self, project: Project) -> str | None:
        """A type checker the repository uses that Forge cannot run."""
        for name, files in _RIVALS.items():
            sign = python_sign(project, package=name, tool_table=name, files=files, hooks=(name,))
            if sign is not None:
                return f"{name}: {sign}"
        return None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no Python file."""
        python = request.project.python
        if python is None or not request.project.files_ending(".py", ".pyi"):
            return ()
        argv = [str(request.executable), *_FIXED]
        argv += ["--cache-dir", str(request.cache) if request.cache is not None else "/dev/null"]
        if request.environment is not None and request.environment.python is not None:
            argv += ["--python-executable", str(request.environment.python)]
        if not _configured(python):
            argv.append("--strict")
        if not _names_targets(python):
            argv += ["--", *targets(request.project)]
        cwd = request.root / python.directory
        return (Command(argv=tuple(argv), cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per error, with the notes that follow it; the count in the last line must agree."""
        (output,) = outputs
        code = output.result.exit_code
        lines = text(output.result.stdout).splitlines()
        findings = self._findings(request, lines)
        success = next((match for line in lines if (match := _SUCCESS.fullmatch(line))), None)
        found = next((match for line in lines if (match := _FOUND.fullmatch(line))), None)
        if code == 0 and success is not None and found is None and not findings:
            return report(Outcome.PASSED, output, examined=int(success[1]))
        syntax = any(finding.rule == "syntax" for finding in findings)
        if success is None and found is not None and (code == 1 or (code == 2 and syntax)):
            if len(findings) < int(found[1]):
                raise Unreadable(f"mypy counted {found[1]} errors and {len(findings)} of them can be read")
            return report(Outcome.FAILED, output, examined=int(found[2] or 1), findings=tuple(findings))
        refused = "; ".join(finding.message for finding in findings[:3])
        raise Unreadable(f"mypy ended with {code}: {refused or complaint(output)}")

    def _findings(self, request: ToolRequest, lines: Sequence[str]) -> list[Finding]:
        findings: list[Finding] = []
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                continue
            if match["level"] == "error":
                findings.append(self._finding(request, match))
            elif findings and match["level"] == "note":
                last = findings[-1]
                if (match["line"] or "") == str(last.line or ""):
                    findings[-1] = last.model_copy(update={"message": f"{last.message}\n{match['message']}"})
        return findings

    def _finding(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        line, column = int(match["line"] or 0), int(match["column"] or 0)
        return Finding(
            tool=self.name,
            rule=match["code"] or "mypy",
            message=match["message"],
            category=Category.TYPE,
            file=place(request, match["file"], directory=python_directory(request)),
            line=line if line > 0 else None,
            column=column if column > 0 else None,
        )


def _settings(python: PythonProject) -> object:
    return table(python.pyproject, "tool", "mypy")


def _configured(python: PythonProject) -> bool:
    files = {"mypy.ini", ".mypy.ini"} & python.configuration_files
    return _settings(python) is not None or bool(files) or "mypy" in python.ini_sections


def _names_targets(python: PythonProject) -> bool:
    """Whether pyproject.toml says what to check. What an ini file says cannot be seen here: targets given win over its own."""
    settings = _settings(python)
    return isinstance(settings, dict) and any(settings.get(key) for key in ("files", "packages", "modules"))


def targets(project: Project) -> tuple[str, ...]:
    """What to check where the repository does not say: its packages and modules, without tests, documents and examples."""
    directory = project.python.directory if project.python is not None else ""
    prefix = f"{directory}/" if directory else ""
    files = [path[len(prefix) :] for path in project.files_ending(".py", ".pyi") if path.startswith(prefix)]
    if any(path.startswith("src/") for path in files):
        return ("src",)
    packages = {
        path.split("/")[0] for path in files if path.count("/") == 1 and path.split("/")[1] in ("__init__.py", "__init__.pyi")
    }
    modules = {path for path in files if "/" not in path and path not in _NOT_MODULES and not path.startswith("test_")}
    return tuple(sorted((packages - _NOT_PACKAGES) | modules)) or (".",)


ADAPTER = Mypy()
