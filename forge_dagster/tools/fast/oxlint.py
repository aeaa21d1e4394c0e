"""oxlint, as JSON, with the options and targets of the repository's own script where it has one.

Exit codes (oxc.rs, "CLI"; seen from 1.0 to 1.94): 0 no errors, and before 1.7x no file at all; 1 errors, more warnings than
allowed, bad configuration, or no file at all. The report counts the files, and tells these apart.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.javascript import SOURCES, node_directory
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, place, position, report
from forge_dagster.tools.scripts import invocations, kept

_CONFIGURATION = (
    ".oxlintrc.json",
    ".oxlintrc.jsonc",
    "oxlintrc.json",
    "oxlint.config.ts",
    "oxlint.config.js",
    "oxlint.config.mjs",
)
_ENDINGS = (*SOURCES, ".vue", ".svelte", ".astro")
_WITH_VALUE = frozenset(
    (
        "--config", "-c", "--tsconfig", "--allow", "-A", "--warn", "-W", "--deny", "-D", "--ignore-path", "--ignore-pattern",
        "--max-warnings", "--report-unused-disable-directives-severity",
    )
)  # fmt: skip
_ALONE = frozenset(
    (
        "--deny-warnings", "--no-ignore", "--type-aware", "--type-check", "--disable-nested-config", "--disable-unicorn-plugin",
        "--disable-oxc-plugin", "--disable-typescript-plugin", "--import-plugin", "--react-plugin", "--jsdoc-plugin",
        "--jest-plugin", "--vitest-plugin", "--jsx-a11y-plugin", "--nextjs-plugin", "--react-perf-plugin", "--promise-plugin",
        "--node-plugin", "--vue-plugin", "--report-unused-disable-directives", "--no-error-on-unmatched-pattern",
    )
)  # fmt: skip
_DROPPED = frozenset(("--format", "-f", "--threads", "--debug"))
_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING}


class Oxlint(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "oxlint"
    gate: str = "lint"
    language: Language | None = Language.TYPESCRIPT
    default: bool = False
    program: str = "oxlint"
    package: str = "oxlint"

    def chosen(self, project: Project) -> str | None:
        """By a script, its configuration, its hook, or as a declared dependency."""
        return node_sign(project, package="oxlint", program="oxlint", files=_CONFIGURATION, hooks=("oxlint",))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One command; none where there is no file of a kind that it looks at."""
        if not request.project.files_ending(*_ENDINGS):
            return ()
        node = request.project.node
        calls = invocations(node.scripts, "oxlint") if node is not None else ()
        own = min(calls, key=lambda call: call.has("--fix", "--fix-suggestions", "--fix-dangerously"), default=None)
        arguments = own.arguments if own is not None else ()
        options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
        argv = (str(request.executable), "--format", "json", *options, *(targets or ["."]))
        cwd = request.root / node_directory(request)
        return (Command(argv=argv, cwd=cwd, environment={"NO_COLOR": "1"}, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per diagnostic; warnings are errors where the exit code says that there are too many."""
        (output,) = outputs
        code = output.result.exit_code
        if code not in (0, 1):
            raise Unreadable(f"oxlint ended with {code}: {complaint(output)}")
        content = output.result.stdout
        start = content.find(b"{")
        if start < 0 or content[:start].strip(b" \r\n") not in (b"", _NO_FILES):
            raise Unreadable(f"oxlint ended with {code}: {complaint(output)}")
        data = json_object(content[start:], "oxlint's report")
        examined = counted(data["number_of_files"])
        entries = [(entry, _SEVERITIES.get(str(entry["severity"]), Severity.NOTE)) for entry in data["diagnostics"]]
        errors = sum(level is Severity.ERROR for _, level in entries)
        if examined == 0 or (code == 0 and errors) or (code == 1 and not entries):
            raise Unreadable(f"oxlint ended with {code}, looked at {examined} files and reported {errors} errors")
        if code == 1 and not errors:
            entries = [(entry, Severity.ERROR if level is Severity.WARNING else level) for entry, level in entries]
        findings = tuple(self._finding(request, entry, level) for entry, level in entries)
        return report(Outcome.FAILED if code else Outcome.PASSED, output, examined=examined, findings=findings)

    def _finding(self, request: ToolRequest, entry: dict[str, Any], level: Severity) -> Finding:
        labels = entry.get("labels") or [{}]
        span = labels[0].get("span") or {}
        name = entry.get("filename")
        return Finding(
            tool=self.name,
            rule=str(entry.get("code") or "invalid-syntax"),
            message=str(entry["message"]),
            category=Category.LINT,
            severity=level,
            file=place(request, str(name), directory=node_directory(request)) if name else None,
            line=position(span.get("line")),
            column=position(span.get("column")),
            suggested_fix=str(entry.get("help") or ""),
        )


_NO_FILES = b"No files found to lint. Please check your paths and ignore patterns."


ADAPTER = Oxlint()
