"""bandit, as JSON, where a repository uses it.

Exit codes (its `main`): 0 nothing found, 1 findings, 2 bad usage or configuration. It is 0 too where a file does not parse,
which only the report's `errors` say, so those must be empty. `--ignore-nosec` leaves comments in the code without effect; which
of them there are is read from the lines that the report quotes.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sources import source_rule
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.scanned import added, targets, weighed
from forge_dagster.tools.evidence import hook_of, hook_sign, python_sign, table
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, place, position, report
from forge_dagster.tools.scripts import kept

_REPORT = "bandit.json"
_CONFIGURATIONS = ("bandit.yaml", "bandit.yml", ".bandit.yaml", ".bandit.yml", "bandit.toml")
_INI = ".bandit"
_WITH_VALUE = ("-c", "--configfile", "-p", "--profile", "-t", "--tests", "-s", "--skip", "--severity-level",
               "--confidence-level", "-x", "--exclude", "--ini")  # fmt: skip
_ALONE = ("-l", "-ll", "-lll", "--level", "-i", "-ii", "-iii", "--confidence")
_NOSEC = re.compile(r"#\s*nosec\b", re.IGNORECASE)
_QUOTED = re.compile(r"(\d+) ?(.*)")


class Bandit(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "bandit"
    gate: str = "sast"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "bandit"
    package: str = "bandit"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration, its hook, or as a declared dependency."""
        configuration = _beside(project, (_INI, *_CONFIGURATIONS))
        if configuration is not None:
            return f"there is a {configuration}"
        return python_sign(project, package="bandit", tool_table="bandit", hooks=("bandit",))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check of the product's code, with the repository's own options; none where no such file changed."""
        files = self._files(request)
        if not files:
            return ()
        argv = (
            str(request.executable), *_options(request.project), "--ignore-nosec", "--quiet", "--format", "json",
            "--output", str(request.report / _REPORT), "--", *(f"./{path}" for path in files),
        )  # fmt: skip
        cwd = request.root / _directory(request.project)
        return (Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    def _files(self, request: ToolRequest) -> tuple[str, ...]:
        """Relative to the Python project: its own code, since bandit complains of every assert in a test."""
        prefix, is_source = f"{_directory(request.project)}/".lstrip("/"), source_rule(request.project)
        ours = (path for path in targets(request, (".py",)) if path.startswith(prefix) and is_source(path))
        return tuple(path.removeprefix(prefix) for path in ours)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per issue. A file that it could not parse is ERRORED where nothing else fails."""
        (output,) = outputs
        code = output.result.exit_code
        if code not in (0, 1):
            raise Unreadable(f"bandit ended with {code}: {complaint(output)}")
        data = json_object(output.reports.get(_REPORT, b""), "bandit's report")
        strict = hook_sign(request.project, ("bandit",)) is not None
        findings = tuple(self._finding(request, issue, strict=strict) for issue in data["results"])
        if bool(findings) != (code == 1):
            raise Unreadable(f"bandit ended with {code} and reported {len(findings)} findings")
        broken = [f"{error['filename']}: {error['reason']}" for error in data["errors"]]
        failing = any(finding.severity is Severity.ERROR for finding in findings)
        if broken and not failing:
            raise Unreadable(f"bandit could not examine {broken[0].removeprefix('././')}")
        examined = len(data["metrics"].keys() - {"_totals"}) - len(broken)
        if examined <= 0 and not findings and request.change.base_sha is not None:
            return report(Outcome.SKIPPED, output, reason="bandit's configuration excludes what the change touches")
        return report(Outcome.FAILED if failing else Outcome.PASSED, output, examined=examined, findings=findings)

    def _finding(self, request: ToolRequest, issue: dict[str, Any], *, strict: bool) -> Finding:
        file = place(request, str(issue["filename"]), directory=_directory(request.project))
        lines = [int(number) for number in issue["line_range"]] or [int(issue["line_number"])]
        weakness = (issue.get("issue_cwe") or {}).get("id")
        low = str(issue["issue_severity"]).upper() == "LOW" and not strict
        found = Finding(
            tool=self.name,
            rule=str(issue["test_id"]),
            message=f"{issue['issue_text']}{f' (CWE-{weakness})' if isinstance(weakness, int) else ''}",
            category=Category.SECURITY,
            file=file,
            line=position(issue["line_number"]),
            column=issue["col_offset"] + 1 if isinstance(issue.get("col_offset"), int) else None,
            severity=Severity.WARNING if low else Severity.ERROR,
            suggested_fix=f"see {issue['more_info']}" if issue.get("more_info") else "",
        )
        by_change = added(request.change, file, min(lines), max(lines))
        return weighed(found, excused_by="# nosec" if _is_excused(str(issue["code"]), lines) else "", by_change=by_change)


def _is_excused(code: str, lines: Sequence[int]) -> bool:
    """Whether one of these lines, as the report quotes them with their numbers, has a nosec comment."""
    quoted = (match for line in code.splitlines() if (match := _QUOTED.match(line.strip())) is not None)
    return any(int(match[1]) in lines and _NOSEC.search(match[2]) is not None for match in quoted)


def _options(project: Project) -> tuple[str, ...]:
    """What the repository's hook says, and its configuration file where the hook names none."""
    hook = hook_of(project, "bandit")
    given = kept(hook.args, with_value=_WITH_VALUE, alone=_ALONE)[0] if hook is not None else []
    names = {word.partition("=")[0] for word in given}
    if not names & {"-c", "--configfile"}:
        found = _beside(project, _CONFIGURATIONS)
        python = project.python
        if found is None and python is not None and table(python.pyproject, "tool", "bandit") is not None:
            found = "pyproject.toml"
        given += ["--configfile", found] if found is not None else []
    if "--ini" not in names and _beside(project, (_INI,)) is not None:
        given += ["--ini", _INI]
    return tuple(given)


def _beside(project: Project, names: Sequence[str]) -> str | None:
    """The first of these files that lies beside the Python project."""
    prefix = f"{_directory(project)}/".lstrip("/")
    return next((name for name in names if f"{prefix}{name}" in project.files), None)


def _directory(project: Project) -> str:
    return project.python.directory if project.python is not None else ""


ADAPTER = Bandit()
