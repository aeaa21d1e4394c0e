"""What the two biome adapters have in common: how the repository calls it, and reading `--reporter=json`.

The report is marked experimental and differs between releases: until 2.3 a diagnostic has `description` and a byte span into
`sourceCode`, from 2.4 on `message` and lines and columns. Both say how many files were looked at and how many diagnostics were
left out.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import hook_sign, node_sign
from forge_dagster.tools.fast.javascript import node_directory
from forge_dagster.tools.reading import Unreadable, complaint, counted, json_object, place, position, report, text
from forge_dagster.tools.scripts import Invocation, invocations, kept

PACKAGE = "@biomejs/biome"
CONFIGURATION = ("biome.json", "biome.jsonc", ".biome.json", ".biome.jsonc")
ENDINGS = (
    ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".jsonc", ".css", ".graphql", ".gql", ".vue",
    ".svelte", ".astro", ".html",
)  # fmt: skip
_WRITES = ("--write", "--apply", "--apply-unsafe", "--fix", "--unsafe")
_WITH_VALUE = frozenset(
    (
        "--config-path", "--only", "--skip", "--vcs-enabled", "--vcs-client-kind", "--vcs-use-ignore-file", "--vcs-root",
        "--files-max-size", "--files-ignore-unknown",
    )
)  # fmt: skip
_ALONE = frozenset(("--error-on-warnings", "--no-errors-on-unmatched"))
_DROPPED = frozenset(
    (
        "--max-diagnostics",
        "--diagnostic-level",
        "--reporter",
        "--reporter-file",
        "--colors",
        "--log-level",
        "--log-kind",
        "--since",
    )
)
_NOT_THE_CHANGE = ("internalError", "fs/", "configuration", "deserialize", "flags/")
"""Categories of what is no fault of a file."""
_SEVERITIES = {"fatal": Severity.ERROR, "error": Severity.ERROR, "warning": Severity.WARNING}
_DISABLED = {
    "lint": re.compile(r"^\s*Linter (?:disabled:\s+true|enabled:\s+false)", re.MULTILINE),
    "format": re.compile(r"^\s*Formatter (?:disabled:\s+true|enabled:\s+false)", re.MULTILINE),
}
"""`biome rage`, which says what its configuration comes to."""


def biome_sign(project: Project, verbs: Collection[str], hooks: Iterable[str]) -> str | None:
    """Why the repository is seen to use biome for one of `verbs` ("lint", "check" ...), or None.

    Where its scripts call biome only for something else, its configuration and its package say nothing.
    """
    node = project.node
    calls = invocations(node.scripts, "biome") if node is not None else ()
    used = next((call for call in calls if call.arguments and call.arguments[0] in verbs), None)
    if used is not None:
        return f'package.json\'s script "{used.script}" runs biome {used.arguments[0]}'
    if any(call.arguments and call.arguments[0] in ("lint", "format", "check", "ci") for call in calls):
        return hook_sign(project, hooks)
    return node_sign(project, package=PACKAGE, program="ultracite", files=CONFIGURATION, hooks=hooks)


def own_call(request: ToolRequest, verbs: Collection[str]) -> Invocation | None:
    """The repository's own call: one that only looks before one that also writes."""
    node = request.project.node
    calls = invocations(node.scripts, "biome") if node is not None else ()
    fitting = [
        call for call in calls if call.arguments and call.arguments[0] in verbs and not call.has("--staged", "--changed")
    ]
    return min(fitting, key=lambda call: call.has(*_WRITES), default=None)


def commands(request: ToolRequest, verb: str, own: Invocation | None, *more: str) -> Sequence[Command]:
    """`biome VERB` with the options and targets of the repository's own call; none where there is nothing for it."""
    if not request.project.files_ending(*ENDINGS):
        return ()
    arguments = own.arguments[1:] if own is not None else ()
    options, targets = kept(arguments, with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)
    return (_command(request, verb, *more, *JSON, *options, *(targets or ["."])),)


JSON = ("--reporter=json", "--max-diagnostics=none", "--colors=off")


def rage(request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
    """What biome is configured to do, where it looked at nothing."""
    if not outputs:
        return ()
    try:
        data = json_object(_json(outputs[0]), "biome's report")
        nothing = _looked(request, data) == 0
    except (Unreadable, TypeError, LookupError):
        return ()
    return (_command(request, "rage", "--colors=off", "--formatter", "--linter"),) if nothing else ()


def _command(request: ToolRequest, *arguments: str) -> Command:
    return Command(
        argv=(str(request.executable), *arguments),
        cwd=request.root / node_directory(request),
        environment={"NO_COLOR": "1"},
        timeout_s=request.timeout_s,
    )


def judged(request: ToolRequest, outputs: Sequence[ToolOutput], *, tool: str, category: Category) -> ToolReport:
    """A finding per diagnostic; SKIPPED where its configuration turns it off. Raises Unreadable."""
    output = outputs[0]
    code = output.result.exit_code
    if code not in (0, 1):
        raise Unreadable(f"biome ended with {code}: {complaint(output)}")
    data = json_object(_json(output), "biome's report")
    summary, looked = data["summary"], _looked(request, data)
    if looked == 0 and len(outputs) > 1 and _DISABLED[category.value].search(text(outputs[1].result.stdout)):
        return report(Outcome.SKIPPED, output, reason=f"its configuration turns biome's {category.value} off")
    found = [(entry, _SEVERITIES.get(str(entry["severity"]), Severity.NOTE)) for entry in data["diagnostics"]]
    trouble = next(
        (e for e, level in found if level is Severity.ERROR and str(e["category"]).startswith(_NOT_THE_CHANGE)), None
    )
    if trouble is not None:
        raise Unreadable(f"biome could not do its work: {_message(trouble)}")
    errors = sum(level is Severity.ERROR for _, level in found)
    left_out = counted(summary["diagnosticsNotPrinted"])
    if errors + left_out < counted(summary["errors"]) or (code == 0 and errors):
        raise Unreadable(f"biome ended with {code}, counted {summary['errors']} errors and reported {errors}")
    if code == 1 and not errors:
        found = [(entry, Severity.ERROR if level is Severity.WARNING else level) for entry, level in found]
        if not any(level is Severity.ERROR for _, level in found):
            raise Unreadable(f"biome ended with 1 and reported no fault: {complaint(output)}")
    findings = dict.fromkeys(_finding(request, entry, level, tool, category) for entry, level in found)
    return report(Outcome.FAILED if code else Outcome.PASSED, output, examined=looked, findings=tuple(findings))


def _json(output: ToolOutput) -> bytes:
    """Its report, without the end of a colour that some releases print before it."""
    content = output.result.stdout
    return content[max(content.find(b"{"), 0) :]


def _looked(request: ToolRequest, data: dict[str, Any]) -> int:
    """Files looked at; none where that was only biome's own configuration, which it reads whatever is excluded."""
    looked = counted(data["summary"]["changed"]) + counted(data["summary"]["unchanged"])
    own = sum(path.rsplit("/", 1)[-1] in CONFIGURATION for path in request.project.files)
    return looked if looked > own or not _whole_tree(request) else 0


def _whole_tree(request: ToolRequest) -> bool:
    """Whether the repository's scripts name no target of their own."""
    call = own_call(request, ("check", "ci", "lint", "format"))
    aims = kept(call.arguments[1:], with_value=_WITH_VALUE, alone=_ALONE, dropped=_DROPPED)[1] if call is not None else []
    return aims in ([], ["."], ["./"])


def _message(entry: dict[str, Any]) -> str:
    said = entry.get("description") or entry.get("message")
    return said if isinstance(said, str) and said else str(entry["category"])


def _finding(request: ToolRequest, entry: dict[str, Any], level: Severity, tool: str, category: Category) -> Finding:
    location = entry.get("location") or {}
    path = location.get("path")
    name = path.get("file") if isinstance(path, dict) else path
    line, column = _spot(location)
    kind = str(entry["category"])
    layout = kind == "format"
    file = place(request, str(name), directory=node_directory(request)) if name else None
    return Finding(
        tool=tool,
        rule="unformatted" if layout else "invalid-syntax" if kind == "parse" else kind,
        message="not formatted" if layout else _message(entry),
        category=category,
        severity=level,
        file=file,
        line=line,
        column=column,
        suggested_fix=f"run `biome format --write {file}`" if layout else "",
    )


def _spot(location: dict[str, Any]) -> tuple[int | None, int | None]:
    start = location.get("start")
    if isinstance(start, dict):
        return position(start.get("line")), position(start.get("column"))
    span, source = location.get("span"), location.get("sourceCode")
    if not isinstance(span, list) or not isinstance(source, str) or not span or not isinstance(span[0], int):
        return None, None
    before = source.encode()[: max(span[0], 0)].decode("utf-8", "replace")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
