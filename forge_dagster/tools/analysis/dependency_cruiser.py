"""dependency-cruiser: rules about imports of JavaScript and TypeScript, and who imports whom for import cycles.

With a configuration of its own it judges by the repository's rules. Without, Forge has it read the imports only: the gate looks
for cycles that the change adds. With the reporter `json` it always exits with 0 (its cli documentation), so `summary.error` is
what counts; 1 is for a configuration or a file that cannot be opened. It needs the compiler beside it to see any TypeScript.
"""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.import_cycles import all_cycles, cycle_finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.script_imports import cruised_graph
from forge_dagster.domain.sources import source_rule
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import node_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, counted, json_object, place
from forge_dagster.tools.scripts import invocations, kept

CONFIGURATION = Path(__file__).with_name("programs") / "dependency_cruiser.config.cjs"

REPORT = "imports.json"

_OWN_FILES = tuple(f".dependency-cruiser.{ending}" for ending in ("js", "cjs", "mjs", "json"))
_PROGRAMS = ("depcruise", "dependency-cruiser", "dependency-cruise")
_WITH_VALUE = frozenset(
    (
        "--config", "-v", "--validate", "--include-only", "-I", "--exclude", "-x", "--do-not-follow", "-X", "--ts-config",
        "--webpack-config", "--focus", "--focus-depth",
    )
)  # fmt: skip
_DROPPED = frozenset({"--output-type", "-T", "--output-to", "-f", "--cache", "-C", "--progress", "-p", "--metrics", "-m"})
_SEVERITIES = {"error": Severity.ERROR, "warn": Severity.WARNING, "info": Severity.NOTE}
_MOST_TARGETS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyCruiser:
    """The adapter."""

    name: str = "dependency_cruiser"
    gate: str = "architecture"
    language: Language | None = Language.TYPESCRIPT
    default: bool = True
    program: str = "depcruise"
    package: str = "dependency-cruiser"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration or a script."""
        signs = (node_sign(project, package="", program=program, files=_OWN_FILES) for program in _PROGRAMS)
        return next((sign for sign in signs if sign is not None), None)

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run; none where there is no product code."""
        targets = _targets(request)
        if not targets:
            return ()
        argv = _own(request) if self.chosen(request.project) is not None else ("--config", str(CONFIGURATION), "--", *targets)
        return (self._command(request, argv, typescript=_typescript(request)),)

    def follow_up(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> Sequence[Command]:
        """Once more without the TypeScript configuration, where that cannot be used, such as for what it extends."""
        if (
            self.chosen(request.project) is not None
            or not outputs
            or outputs[0].result.exit_code == 0
            or not _typescript(request)
        ):
            return ()
        return (self._command(request, ("--config", str(CONFIGURATION), "--", *_targets(request)), typescript=""),)

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """The repository's rules that are broken, or, where it has none, the import cycles there are."""
        if not outputs:
            raise Unreadable("dependency_cruiser was not run")
        output = outputs[-1]
        report = _read(output)
        if self.chosen(request.project) is not None:
            findings = tuple(_violation(request, report, entry) for entry in report["summary"]["violations"])
            errors = sum(finding.severity is Severity.ERROR for finding in findings)
            if errors != counted(report["summary"]["error"]):
                raise Unreadable(f"dependency_cruiser reports {report['summary']['error']} errors and tells of {errors}")
        else:
            graph = cruised_graph(output.reports[REPORT], source_rule(request.project), directory=_directory(request))
            if graph is None:
                raise Unreadable("dependency_cruiser's report cannot be read")
            findings = tuple(cycle_finding(self.name, cycle) for cycle in all_cycles(graph))
            errors = len(findings)
        return ToolReport(
            outcome=Outcome.FAILED if errors else Outcome.PASSED,
            examined=counted(report["summary"]["totalCruised"]),
            findings=findings,
            artifacts={"imports": REPORT},
            exit_code=output.result.exit_code,
        )

    def _command(self, request: ToolRequest, argv: tuple[str, ...], *, typescript: str) -> Command:
        environment = dict(request.environment.variables) if request.environment is not None else {}
        environment |= {"NO_COLOR": "1", "FORGE_TSCONFIG": typescript}
        return Command(
            argv=(str(request.executable), "--output-type", "json", "--output-to", str(request.report / REPORT), *argv),
            cwd=request.root / _directory(request),
            environment=environment,
            timeout_s=request.timeout_s,
        )


def _read(output: ToolOutput) -> dict[str, Any]:
    """The report. Raises Unreadable."""
    if output.result.exit_code != 0:
        raise Unreadable(f"dependency_cruiser ended with {output.result.exit_code}: {complaint(output)}")
    report = json_object(output.reports.get(REPORT, b""), "dependency_cruiser's report")
    if not isinstance(report["modules"], list) or not isinstance(report["summary"]["violations"], list):
        raise Unreadable("dependency_cruiser's report has no modules")
    return report


def _directory(request: ToolRequest) -> str:
    return request.project.node.directory if request.project.node is not None else ""


def _targets(request: ToolRequest) -> tuple[str, ...]:
    """The outermost folders and files of the project that hold product code, as seen from its folder."""
    directory, is_source = _directory(request), source_rule(request.project)
    prefix = f"{directory}/" if directory else ""
    paths = (path[len(prefix) :] for path in request.project.files if path.startswith(prefix) and is_source(path))
    found = sorted({path.partition("/")[0] for path in paths if not path.endswith(".py")})
    return tuple(found) if len(found) <= _MOST_TARGETS else (".",)


def _typescript(request: ToolRequest) -> str:
    path = posixpath.join(_directory(request), "tsconfig.json")
    return "tsconfig.json" if path in set(request.project.files) else ""


def _own(request: ToolRequest) -> tuple[str, ...]:
    """The repository's own call, else its configuration on its product code."""
    node = request.project.node
    calls = [call for program in _PROGRAMS for call in invocations(node.scripts if node is not None else {}, program)]
    checking = next(
        (call for call in calls if (call.value("--output-type", "-T") or "err") in ("err", "err-long", "err-html")), None
    )
    if checking is not None:
        options, targets = kept(checking.arguments, with_value=_WITH_VALUE, alone=frozenset(), dropped=_DROPPED)
        if targets:
            return (*options, "--", *targets)
    return ("--config", "--", *_targets(request))


def _violation(request: ToolRequest, report: Mapping[str, Any], entry: Mapping[str, Any]) -> Finding:
    rule, source, target = str(entry["rule"]["name"]), str(entry["from"]), str(entry["to"])
    steps = [str(step["name"] if isinstance(step, Mapping) else step) for step in entry.get("cycle") or entry.get("via") or ()]
    way = " -> ".join((source, *(steps or ([target] if target != source else []))))
    comments = {str(one["name"]): str(one.get("comment", "")) for one in _rules(report)}
    comment = " ".join(comments.get(rule, "").split())
    return Finding(
        tool="dependency_cruiser",
        rule=rule,
        category=Category.ARCHITECTURE,
        severity=_SEVERITIES.get(str(entry["rule"]["severity"]), Severity.NOTE),
        file=place(request, source, directory=_directory(request)),
        message=f"{rule}: {way}" + (f" ({comment})" if comment else ""),
        suggested_fix=f"remove what {source} needs of {target}, or move it to where the rule allows it",
        snippet=f"{rule}\0{source}\0{' '.join(sorted({source, *steps})) if steps else target}",
    )


def _rules(report: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    rules = report["summary"].get("ruleSetUsed") or {}
    return [rule for kind in ("forbidden", "allowed", "required") for rule in rules.get(kind) or () if "name" in rule]


ADAPTER = DependencyCruiser()
