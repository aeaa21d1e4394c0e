"""mypy, by the repository's own configuration where it has one, `--strict` where it has none.

Exit codes (mypy.readthedocs.io, "The mypy command line"): 0 no errors, 1 errors, 2 a syntax error, bad usage or a crash. Its
JSON output says nothing at all about a clean tree, so it is read as text, whose last line counts the files: "Success: no issues
found in 3 source files" or "Found 1 error in 1 file (checked 3 source files)". The targets are those of the repository's own
tasks; else of its configuration, which an ini file may or may not have: mypy itself says that it has no target.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.project import Language, Project, PythonProject
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_of, python_sign, table
from forge_dagster.tools.fast.ruff import python_directory
from forge_dagster.tools.hooks import hook_files
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text
from forge_dagster.tools.tasks import called, python_calls

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
_RIVALS = {"pyre": (".pyre_configuration",), "pyrefly": ("pyrefly.toml",), "ty": ("ty.toml",), "pytype": (), "zuban": ()}
_HOOK_ARGUMENTS = ("--ignore-missing-imports", "--scripts-are-modules")
"""What the hook of pre-commit/mirrors-mypy has where the repository gives it no arguments (its .pre-commit-hooks.yaml)."""
_NO_TARGET = "Missing target module, package, files, or command"
_WITH_VALUE = frozenset(
    (
        "--config-file", "--python-version", "--platform", "--package", "-p", "--module", "-m", "--exclude", "--follow-imports",
        "--enable-error-code", "--disable-error-code", "--custom-typeshed-dir", "--custom-typing-module", "--always-true",
        "--always-false", "--untyped-calls-exclude", "--enable-incomplete-feature", "--plugin",
    )
)  # fmt: skip
_DROPPED = frozenset(
    (
        "--cache-dir", "--python-executable", "--output", "-O", "--junit-xml", "--any-exprs-report", "--cobertura-xml-report",
        "--html-report", "--linecount-report", "--linecoverage-report", "--lineprecision-report", "--txt-report",
        "--xml-report", "--xslt-html-report", "--xslt-txt-report", "--shadow-file", "-j", "--num-workers",
    )
)  # fmt: skip
_OURS = re.compile(
    r"--(?:no-)?(?:pretty|color-output|error-summary|show-[a-z-]+|hide-[a-z-]+|incremental|sqlite-cache|install-types"
    r"|non-interactive|verbose|pdb|soft-error-limit|cache-[a-z-]+|fixed-format-cache)(?:=.*)?|-v+|-i"
)
"""Options of which Forge says itself what they are."""


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
        """By its configuration, its hook, a task, or as a declared dependency."""
        files = ("mypy.ini", ".mypy.ini")
        sign = python_sign(project, package="", tool_table="mypy", files=files, sections=("mypy",), hooks=("mypy",))
        return sign or called(project, "mypy") or python_sign(project, package="mypy")

    def rival(self, project: Project) -> str | None:
        """A type checker the repository uses that Forge cannot run."""
        for name, files in _RIVALS.items():
            sign = python_sign(project, package=name, tool_table=name, files=files, hooks=(name,))
            if sign is not None:
                return f"{name}: {sign}"
        return None

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """A command per different call of the repository's own, one where it has none; none where there is no Python file."""
        python = request.project.python
        if python is None or not request.project.files_ending(".py", ".pyi"):
            return ()
        own = _own(request)
        if own:
            return [self._command(request, python, call) for call in own]
        strict = () if _configured(python) else ("--strict",)
        named = () if _names_targets(python) or _may_name_targets(python) else ("--", *targets(request.project))
        return (self._command(request, python, (*strict, *named)),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """The same with targets, where the repository's own configuration names none."""
        python = request.project.python
        if python is None or not outputs or not _lacks_targets(outputs[0]):
            return ()
        return (self._command(request, python, ("--", *targets(request.project))),)

    def _command(self, request: ToolRequest, python: PythonProject, arguments: Sequence[str]) -> Command:
        argv = [str(request.executable), *_FIXED]
        argv += ["--cache-dir", str(request.cache) if request.cache is not None else "/dev/null"]
        if request.environment is not None and request.environment.python is not None:
            argv += ["--python-executable", str(request.environment.python)]
        cwd = request.root / python.directory
        return Command(argv=(*argv, *arguments), cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per error, with the notes that follow it; the count in the last line must agree."""
        if len(outputs) < len(self.commands(request)):
            raise Unreadable("mypy did not run as often as it was asked to")
        ends = outputs[1:] if _lacks_targets(outputs[0]) else outputs
        findings: dict[Finding, None] = {}
        examined = 0
        for output in ends:
            found, looked = self._read(request, output)
            findings |= dict.fromkeys(found)
            examined += looked
        worst = max(ends, key=lambda output: output.result.exit_code or 0)
        return report(Outcome.FAILED if findings else Outcome.PASSED, worst, examined=examined, findings=tuple(findings))

    def _read(self, request: ToolRequest, output: ToolOutput) -> tuple[list[Finding], int]:
        """(errors, number of files) of one run. Raises Unreadable."""
        code = output.result.exit_code
        lines = text(output.result.stdout).splitlines()
        findings = self._findings(request, lines)
        success = next((match for line in lines if (match := _SUCCESS.fullmatch(line))), None)
        found = next((match for line in lines if (match := _FOUND.fullmatch(line))), None)
        if code == 0 and success is not None and found is None and not findings:
            return [], int(success[1])
        syntax = any(finding.rule == "syntax" for finding in findings)
        if success is None and found is not None and (code == 1 or (code == 2 and syntax)):
            if len(findings) < int(found[1]):
                raise Unreadable(f"mypy counted {found[1]} errors and {len(findings)} of them can be read")
            return findings, int(found[2] or 1)
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
    """Whether pyproject.toml says what to check."""
    settings = _settings(python)
    return isinstance(settings, dict) and any(settings.get(key) for key in ("files", "packages", "modules"))


def _may_name_targets(python: PythonProject) -> bool:
    """Whether an ini file, whose content cannot be seen here, may say what to check (targets given would win over its own)."""
    return bool({"mypy.ini", ".mypy.ini"} & python.configuration_files) or "mypy" in python.ini_sections


def _lacks_targets(output: ToolOutput) -> bool:
    return output.result.exit_code == 2 and _NO_TARGET in text(output.result.stderr + output.result.stdout)


def _own(request: ToolRequest) -> list[tuple[str, ...]]:
    """Arguments of the repository's own calls, without what Forge says itself; with targets where nothing else names any."""
    hook = hook_of(request.project, "mypy")
    calls = [call.arguments for call in python_calls(request.project, "mypy")]
    files: tuple[str, ...] | None = None
    if not calls and hook is not None:
        calls = [hook.args if hook.sets_args else _HOOK_ARGUMENTS]
        if hook.names_files:
            files = hook_files(request.project, hook, (".py", ".pyi"), directory=python_directory(request))
    python = request.project.python
    named = python is not None and (_names_targets(python) or _may_name_targets(python))
    found = []
    for arguments in calls:
        options, aims = _kept(arguments)
        aimed = bool(aims) or any(option.partition("=")[0] in ("-p", "--package", "-m", "--module") for option in options)
        default = () if aimed or named else ("--", *targets(request.project))
        found.append((*options, *(("--", *files) if files is not None and not aimed else default), *aims))
    return list(dict.fromkeys(found))


def _kept(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    options: list[str] = []
    own_targets: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in _DROPPED or name in _WITH_VALUE:
            value = [] if equals else [value for value in [next(words, None)] if value is not None]
            options += [word, *value] if name in _WITH_VALUE else []
        elif word.startswith("-") and not _OURS.fullmatch(word):
            options.append(word)
        elif not word.startswith("-"):
            own_targets.append(word)
    return options, own_targets


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
