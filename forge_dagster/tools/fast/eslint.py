"""eslint, as JSON, with the options and targets of the repository's own script where it has one.

Exit codes (eslint.org/docs, "Command Line Interface"): 0 no errors, 1 errors or more warnings than allowed, 2 a crash, bad
configuration or no file at all. Warnings fail as the repository's script says by its `--max-warnings`; without such a script
none is allowed (specification, stage 1).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.fast.biome import ADAPTER as BIOME
from forge_dagster.tools.fast.javascript import SOURCES, node_directory, other_node_tool
from forge_dagster.tools.fast.oxlint import ADAPTER as OXLINT
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_list, place, position, report
from forge_dagster.tools.scripts import Invocation, invocations, kept

_CONFIGURATION = (
    "eslint.config.js", "eslint.config.mjs", "eslint.config.cjs", "eslint.config.ts", "eslint.config.mts", "eslint.config.cts",
    ".eslintrc", ".eslintrc.js", ".eslintrc.cjs", ".eslintrc.mjs", ".eslintrc.json", ".eslintrc.yaml", ".eslintrc.yml",
)  # fmt: skip
_WITH_VALUE = frozenset(
    (
        "--ext", "--config", "-c", "--ignore-path", "--ignore-pattern", "--flag", "--resolve-plugins-relative-to", "--rule",
        "--global", "--env", "--parser", "--parser-options", "--plugin", "--rulesdir", "--suppressions-location",
        "--report-unused-disable-directives-severity", "--report-unused-inline-configs",
    )
)  # fmt: skip
_DROPPED = frozenset(
    (
        "--max-warnings", "--format", "-f", "--output-file", "-o", "--cache-file", "--cache-location", "--cache-strategy",
        "--concurrency", "--fix-type", "--stdin-filename", "--print-config", "--suppress-rule",
    )
)  # fmt: skip
"""How to report and what to cache is Forge's to say; warnings are counted by `_max_warnings`."""
_ALONE = frozenset(
    ("--no-error-on-unmatched-pattern", "--report-unused-disable-directives", "--no-inline-config", "--no-warn-ignored")
)
_DEFAULT_CONFIGURATION = Path(__file__).with_name("eslint.config.mjs")

_OLD_NODE_MODULES = {"DISABLE_V8_COMPILE_CACHE": "1"}
"""ESLint up to 7 loads modules through v8-compile-cache, which takes every one for CommonJS; from 20.19 on, Node resolves a
`require` to a module where a package says "module-sync" (nodejs.org, "Conditional exports"), and ESLint crashes in it."""


_GTS_FILES = ("**/*.ts", "**/*.js", "**/*.tsx", "**/*.jsx")


class Eslint(BaseModel):
    """The adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "eslint"
    gate: str = "lint"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "eslint"
    package: str = "eslint"

    def chosen(self, project: Project) -> str | None:
        """By its key in package.json, a script, its configuration, its hook; as a mere dependency without another linter."""
        sign = node_sign(project, package="", program="eslint", key="eslintConfig", files=_CONFIGURATION, hooks=("eslint",))
        if sign is not None or any(other.chosen(project) is not None for other in (OXLINT, BIOME)):
            return sign
        return node_sign(project, package="eslint", program="eslint")

    def rival(self, project: Project) -> str | None:
        """A linter the repository uses that Forge cannot run."""
        return other_node_tool(project, ("standard", "ts-standard", "semistandard", "xo", "tslint", "jshint", "rome", "deno"))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """The check; none where there is no JavaScript or TypeScript file."""
        if not request.project.files_ending(*SOURCES):
            return ()
        own = _script(request)
        arguments = own.arguments if own is not None else ()
        options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
        environment = {"NO_COLOR": "1", "FORCE_COLOR": "0", **_OLD_NODE_MODULES}
        if self.chosen(request.project) is None:
            options = ["--config", str(_DEFAULT_CONFIGURATION)]
            environment["FORGE_ESLINT_HOME"] = str(request.executable.parents[2])
        argv = (str(request.executable), "--format", "json", *_limit(own), *options, "--", *(targets or ["."]))
        cwd = request.root / node_directory(request)
        return (Command(argv=argv, cwd=cwd, environment=environment, timeout_s=request.timeout_s),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding per message; warnings are errors where the exit code says that there are too many."""
        (output,) = outputs
        code = output.result.exit_code
        if code not in (0, 1):
            raise Unreadable(f"eslint ended with {code}: {complaint(output)}")
        files = json_list(output.result.stdout, "eslint's report")
        messages = [(entry, message) for entry in files for message in entry["messages"]]
        errors = sum(message["severity"] == 2 for _, message in messages)
        if (code == 1 and not messages) or (code == 0 and errors):
            raise Unreadable(f"eslint ended with {code} and reported {errors} errors, {len(messages)} messages")
        weigh = {2: Severity.ERROR, 1: Severity.ERROR if code == 1 and not errors else Severity.WARNING}
        if code == 1 and _max_warnings(_script(request)) == 0:
            weigh[1] = Severity.ERROR
        findings = tuple(self._finding(request, entry, message, weigh[message["severity"]]) for entry, message in messages)
        return report(Outcome.FAILED if code else Outcome.PASSED, output, examined=len(files), findings=findings)

    def _finding(self, request: ToolRequest, entry: dict[str, Any], message: dict[str, Any], severity: Severity) -> Finding:
        fix = "`eslint --fix` does it" if "fix" in message else ""
        suggestions = [str(suggestion.get("desc", "")) for suggestion in message.get("suggestions") or ()]
        return Finding(
            tool=self.name,
            rule=str(message.get("ruleId") or ("invalid-syntax" if message.get("fatal") else "eslint")),
            message=str(message["message"]),
            category=Category.LINT,
            severity=severity,
            file=place(request, str(entry["filePath"]), directory=node_directory(request)),
            line=position(message.get("line")),
            column=position(message.get("column")),
            suggested_fix=fix or "; ".join(suggestions),
        )


def _script(request: ToolRequest) -> Invocation | None:
    """The repository's own call of eslint: one that only looks before one that also fixes."""
    node = request.project.node
    calls = (invocations(node.scripts, "eslint") or _gts(node.scripts)) if node is not None else ()
    return min(calls, key=lambda call: call.has("--fix"), default=None)


def _gts(scripts: Mapping[str, str]) -> tuple[Invocation, ...]:
    """The call of eslint that `gts lint` makes (github.com/google/gts: on these files where it is given none)."""
    calls = (call for call in invocations(scripts, "gts") if call.arguments[:1] in (("lint",), ("check",)))
    named = ((call.script, tuple(word for word in call.arguments[1:] if not word.startswith("-"))) for call in calls)
    lenient = "--no-error-on-unmatched-pattern"
    return tuple(Invocation(script=script, arguments=(lenient, *(files or _GTS_FILES))) for script, files in named)


def _max_warnings(own: Invocation | None) -> int | None:
    """Warnings allowed; None: any number."""
    if own is None:
        return 0
    value = own.value("--max-warnings")
    return int(value) if value is not None and value.isdecimal() else None


def _limit(own: Invocation | None) -> tuple[str, ...]:
    allowed = _max_warnings(own)
    quiet = ("--quiet",) if own is not None and own.has("--quiet") else ()
    return quiet if allowed is None else (*quiet, "--max-warnings", str(allowed))


ADAPTER = Eslint()
