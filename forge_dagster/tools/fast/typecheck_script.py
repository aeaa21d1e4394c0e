"""The repository's own script for checking types, where it runs something else than tsc: vue-tsc, tsgo, svelte-check, astro.

The script runs as it is, by `npm run` (which runs the scripts of any package manager's repository), with arguments for its last
command that make it say what it looked at: a script that ends with 0 and prints nothing has shown nothing. Exit codes differ
from program to program, so the lines decide: errors are read from them, and a code that contradicts them is ERRORED.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.fast.compiler import compiled
from forge_dagster.tools.fast.javascript import SOURCES, node_directory
from forge_dagster.tools.fast.type_scripts import COMPILERS, CheckScript, check_scripts
from forge_dagster.tools.reading import Unreadable, careful, complaint, place, report, text

_MACHINE = re.compile(
    r'\d+ (?P<level>ERROR|WARNING) "(?P<file>(?:[^"\\]|\\.)+)" (?P<line>\d+):(?P<column>\d+) "(?P<message>(?:[^"\\]|\\.)*)"'
)
"""svelte-check `--output machine` (its README, "Machine-readable output")."""
_COMPLETED = re.compile(r"\d+ COMPLETED (?P<files>\d+) FILES (?P<errors>\d+) ERRORS .*")
_ASTRO = re.compile(r"(?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+) - (?P<level>error|warning) (?P<code>\S+): (?P<message>.*)")
_ASTRO_RESULT = re.compile(r"Result \((?P<files>\d+) files?\):.*")
_ASTRO_ERRORS = re.compile(r"- (?P<errors>\d+) errors?")
_NOTHING = "No svelte input files were found"
"""svelte-check's warning over a project without any file of it; its count of files has TypeScript's own among them."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class TypecheckScript(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "typecheck_script"
    gate: str = "types"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "npm"
    package: str = ""

    def chosen(self, project: Project) -> str | None:
        """By a script that checks types with something else than tsc alone, of a kind whose answer can be read."""
        scripts = check_scripts(project)
        other = next((script for script in scripts if not script.only_tsc), None)
        return None if other is None else f'package.json\'s script "{other.name}" runs {other.last.program}'

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run per script that checks types."""
        cwd = request.root / node_directory(request)
        environment = {"NO_COLOR": "1", "FORCE_COLOR": "0", "CI": "1", "npm_config_update_notifier": "false"}
        return [
            Command(
                argv=(str(request.executable), "run", "--silent", script.name, "--", *_spoken(script)),
                cwd=cwd,
                environment={**environment, "ASTRO_TELEMETRY_DISABLED": "1"},
                timeout_s=request.timeout_s,
            )
            for script in check_scripts(request.project)
        ]

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per error; PASSED only where the script said which files, or how many, it looked at."""
        findings: dict[Finding, None] = {}
        examined = 0
        scripts = check_scripts(request.project)
        if len(outputs) < len(scripts):
            raise Unreadable("not every script ran")
        for script, output in zip(scripts, outputs, strict=False):
            found, files = self._read(request, script, output)
            code = output.result.exit_code
            errors = [finding for finding in found if finding.severity is Severity.ERROR]
            if bool(errors) != (code != 0) or (files is None and not errors):
                said = complaint(output) if files is None or code else f"it reported {len(errors)} errors"
                raise Unreadable(f'the script "{script.name}" ended with {code} and cannot be believed: {said}')
            findings |= dict.fromkeys(found)
            examined += files or 0
        worst = max(outputs, key=lambda output: output.result.exit_code or 0)
        failed = any(finding.severity is Severity.ERROR for finding in findings)
        return report(Outcome.FAILED if failed else Outcome.PASSED, worst, examined=examined, findings=tuple(findings))

    def _read(self, request: ToolRequest, script: CheckScript, output: ToolOutput) -> tuple[list[Finding], int | None]:
        """(what it found, how many files of the repository it looked at, None where it does not say)."""
        lines = _COLOURS.sub("", text(output.result.stdout)).splitlines()
        said = compiled(request, lines, tool=self.name)
        if said.configuration and not said.findings:
            raise Unreadable(f'the script "{script.name}" is not configured well: {"; ".join(said.configuration[:3])}')
        findings = list(said.findings)
        if script.last.program in COMPILERS:
            return findings, None if said.own is None else len(said.own)
        form, total, counted = _MACHINE, _COMPLETED, _COMPLETED
        if script.last.program == "astro":
            form, total, counted = _ASTRO, _ASTRO_RESULT, _ASTRO_ERRORS
        findings += [self._finding(request, match) for line in lines if (match := form.match(line))]
        end = next((match for line in lines if (match := total.fullmatch(line.strip()))), None)
        errors = next((match for line in lines if (match := counted.fullmatch(line.strip()))), None)
        if end is None or errors is None:
            return findings, None
        if int(errors["errors"]) > sum(finding.severity is Severity.ERROR for finding in findings):
            raise Unreadable(f'the script "{script.name}" counted {errors["errors"]} errors and not all of them can be read')
        looked = len(request.project.files_ending(*SOURCES, ".svelte", ".astro", ".vue"))
        return findings, 0 if any(_NOTHING in line for line in lines) else min(int(end["files"]), looked)

    def _finding(self, request: ToolRequest, match: "re.Match[str]") -> Finding:
        named = match.groupdict()
        return Finding(
            tool=self.name,
            rule=named.get("code") or "svelte-check",
            message=re.sub(r"\\(.)", lambda escaped: " " if escaped[1] == "n" else escaped[1], match["message"]) or "error",
            category=Category.TYPE,
            severity=Severity.ERROR if match["level"].lower() == "error" else Severity.WARNING,
            file=place(request, match["file"], directory=node_directory(request)),
            line=max(int(match["line"]), 1),
            column=max(int(match["column"]), 1),
        )


def _spoken(script: CheckScript) -> tuple[str, ...]:
    """Arguments that make the last command say what it looked at."""
    if script.last.program in COMPILERS:
        again = ("--force",) if script.last.call.has("--build", "-b") and not script.last.call.has("--force", "-f") else ()
        return ("--pretty", "false", "--listFiles", "--diagnostics", *again)
    return ("--output", "machine") if script.last.program == "svelte-check" else ()


ADAPTER = TypecheckScript()
