"""CodeQL, where its command line is installed: a database per language, then GitHub's code scanning queries as SARIF.

Exit codes (docs.github.com, "Exit codes of the CodeQL CLI"): 0 success, whatever was found; 1 a refused command, 2 a fatal
error, 32 no code of the language seen, 33 a query failed, 98 and above broken by a signal or memory. How many files it read it
says in the SARIF: a notification `<language>/diagnostics/successfully-extracted-files` for each.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.places import inside
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.analysis.scanned import added, targets, weighed
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_object, place, position, report

_ENDINGS = {"python": (".py",), "javascript": (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")}
"""CodeQL's names of languages; "javascript" is TypeScript too."""
_SHORT = {"python": "py", "javascript": "js"}
_FAILING_SCORE = 7.0
"""`security-severity` from which a result fails: GitHub's "high" (docs.github.com, "Alert severity and security severity")."""
_CONFIGURATIONS = (".github/codeql/codeql-config.yml", ".github/codeql/codeql-config.yaml")


class CodeQL(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "codeql"
    gate: str = "sast"
    language: Language | None = None
    default: bool = False
    program: str = "codeql"
    package: str = ""
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration file or workflow."""
        signs = (*_CONFIGURATIONS, ".github/workflows/codeql.yml", ".github/workflows/codeql.yaml",
                 ".github/workflows/codeql-analysis.yml")  # fmt: skip
        found = next((path for path in signs if path in project.files), None)
        return None if found is None else f"there is a {found}"

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """Two for each language of which a file changed: what it finds can be far from what changed, so it reads everything."""
        return [command for language in _languages(request) for command in self._commands(request, language)]

    def _commands(self, request: ToolRequest, language: str) -> tuple[Command, Command]:
        program, database = str(request.executable), str(_database(request, language))
        suite = f"codeql/{language}-queries:codeql-suites/{language}-code-scanning.qls"
        configuration = [f"--codescanning-config={path}" for path in _CONFIGURATIONS if path in request.project.files][:1]
        create = (
            program, "database", "create", database, f"--language={language}", "--source-root=.", "--overwrite", *configuration,
        )  # fmt: skip
        analyze = (
            program, "database", "analyze", database, suite, "--format=sarifv2.1.0", "--sarif-include-diagnostics",
            f"--output={request.report / f'{language}.sarif'}",
        )  # fmt: skip
        return (
            Command(argv=create, cwd=request.root, timeout_s=request.timeout_s),
            Command(argv=analyze, cwd=request.root, timeout_s=request.timeout_s),
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per result; a language of which it read no file is ERRORED."""
        languages = _languages(request)
        if len(outputs) != 2 * len(languages):
            raise Unreadable("codeql: a command has left no output")
        findings: list[Finding] = []
        examined = 0
        for number, output in enumerate(outputs):
            if output.result.exit_code != 0:
                raise Unreadable(f"codeql ended with {output.result.exit_code}: {complaint(output)}")
            if number % 2:
                language = languages[number // 2]
                found, read = self._read(request, language, output.reports.get(f"{language}.sarif", b""))
                findings += found
                examined += read
        failing = any(finding.severity is Severity.ERROR for finding in findings)
        outcome = Outcome.FAILED if failing else Outcome.PASSED
        return report(outcome, outputs[-1], examined=examined, findings=tuple(findings))

    def _read(self, request: ToolRequest, language: str, content: bytes) -> tuple[list[Finding], int]:
        (run,) = json_object(content, f"codeql's report {language}.sarif")["runs"]
        invocations = run["invocations"]
        if not invocations or not all(invocation["executionSuccessful"] is True for invocation in invocations):
            raise Unreadable(f"codeql's analysis of {language} did not succeed")
        extracted = {
            path
            for invocation in invocations
            for entry in invocation.get("toolExecutionNotifications") or ()
            if entry["descriptor"]["id"] == f"{_SHORT[language]}/diagnostics/successfully-extracted-files"
            for location in entry.get("locations") or ()
            if (path := inside(request.root, location["physicalLocation"]["artifactLocation"]["uri"])) is not None
        }
        if not extracted:
            raise Unreadable(f"codeql read no {language} file; see its notes on what its configuration leaves out")
        missed = [path for path in targets(request, _ENDINGS[language]) if path not in extracted]
        if missed and request.change.base_sha is not None:
            raise Unreadable(f"codeql did not read {missed[0]}, which the change touches")
        rules = {rule["id"]: rule for component in _components(run) for rule in component.get("rules") or ()}
        return [self._finding(request, result, rules) for result in run["results"]], len(extracted)

    def _finding(self, request: ToolRequest, result: dict[str, Any], rules: Mapping[str, dict[str, Any]]) -> Finding:
        where = result["locations"][0]["physicalLocation"]
        region = where.get("region") or {}
        rule = str(result.get("ruleId") or result["rule"]["id"])
        about = rules.get(rule, {})
        file = place(request, str(where["artifactLocation"]["uri"]))
        first = position(region.get("startLine"))
        found = Finding(
            tool=self.name,
            rule=rule,
            message=str(result["message"]["text"]),
            category=Category.SECURITY,
            file=file,
            line=first,
            column=position(region.get("startColumn")) if first is not None else None,
            severity=_severity(result, about),
            suggested_fix=str((about.get("shortDescription") or {}).get("text") or ""),
        )
        excused = any(entry.get("kind") == "inSource" for entry in result.get("suppressions") or ())
        by_change = first is not None and added(request.change, file, first, region.get("endLine") or first)
        return weighed(found, excused_by="codeql[...]" if excused else "", by_change=by_change)


def _languages(request: ToolRequest) -> tuple[str, ...]:
    return tuple(language for language, endings in _ENDINGS.items() if targets(request, endings))


def _database(request: ToolRequest, language: str) -> Path:
    """Not among the reports: it holds thousands of files."""
    return (request.cache or request.report.parent / "cache") / f"database-{language}"


def _components(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where rules are described: the driver, or the query packs beside it."""
    tool = run["tool"]
    return [tool["driver"], *(tool.get("extensions") or ())]


def _severity(result: Mapping[str, Any], rule: Mapping[str, Any]) -> Severity:
    """By the rule's score where it has one; a rule about quality only is a warning at most."""
    properties = rule.get("properties") or {}
    score = properties.get("security-severity")
    if score is not None:
        return Severity.ERROR if float(score) >= _FAILING_SCORE else Severity.WARNING
    level = result.get("level") or (rule.get("defaultConfiguration") or {}).get("level") or "warning"
    if "security" in (properties.get("tags") or ()):
        return Severity.ERROR if level == "error" else Severity.WARNING
    return Severity.NOTE if level in ("note", "none") else Severity.WARNING


ADAPTER = CodeQL()
