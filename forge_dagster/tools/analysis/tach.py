"""tach: the repository's own boundaries between Python modules (tach.toml).

Exit codes, as measured with 0.35: 0 nothing wrong, 1 violations and every refusal to work: a missing or unreadable
configuration, and a circular dependency, which it tells of as an object and not as a list. What it does not find only makes
warnings: a source root without the modules that the configuration names is not a tree that keeps its boundaries.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Language, Project
from forge_dagster.ports import Command, ToolOutput, ToolReport, ToolRequest
from forge_dagster.tools.evidence import python_sign
from forge_dagster.tools.reading import Unreadable, careful, complaint, json_list, json_object, place, position, report

_SEVERITIES = {"Error": Severity.ERROR, "Warning": Severity.WARNING}
_DONE = b"All modules validated"
_NOTHING = frozenset({"NoFirstPartyImportsFound", "NoFilesFound", "ModuleConfigNotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tach:
    """The adapter."""

    name: str = "tach"
    gate: str = "architecture"
    language: Language | None = Language.PYTHON
    default: bool = False
    program: str = "tach"
    package: str = "tach"
    needs_environment: bool = False

    def chosen(self, project: Project) -> str | None:
        """By its configuration."""
        return python_sign(project, package="", tool_table="tach", files=("tach.toml", "tach.yml"), hooks=("tach",))

    def commands(self, request: ToolRequest) -> Sequence[Command]:
        """One run for its report, and one for its word that it looked: the report of a tree without faults is `[]`."""
        environment = {**(request.environment.variables if request.environment is not None else {}), "NO_COLOR": "1"}
        cwd = request.root / _directory(request)
        return tuple(
            Command(
                argv=(str(request.executable), "check", *how), cwd=cwd, environment=environment, timeout_s=request.timeout_s
            )
            for how in (("--output", "json"), ())
        )

    @careful
    def judge(self, request: ToolRequest, outputs: Sequence[ToolOutput]) -> ToolReport:
        """A finding for each import over a boundary."""
        output, told = outputs
        code, printed = output.result.exit_code, output.result.stdout
        if code not in (0, 1) or told.result.exit_code != code:
            raise Unreadable(f"tach ended with {code} and {told.result.exit_code}: {complaint(output)}")
        if code == 1 and printed.lstrip().startswith(b"{"):
            return report(Outcome.FAILED, output, examined=1, findings=(_circular(json_object(printed, "tach's report")),))
        if not printed.strip():
            raise Unreadable(f"tach ended with {code}: {complaint(output)}")
        entries = json_list(printed, "tach's report")
        findings = tuple(_finding(request, entry) for entry in entries)
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        if bool(errors) != (code == 1):
            raise Unreadable(f"tach ended with {code} and tells of {len(errors)} errors")
        nothing = next((finding for finding in findings if finding.rule in _NOTHING), None)
        examined = sum(path.endswith(".py") for path in request.project.files)
        if nothing is not None and not errors:
            raise Unreadable(f"tach found nothing to look at: {nothing.message}")
        if not findings and _DONE not in told.result.stdout + told.result.stderr:
            raise Unreadable(f"tach does not say that it looked at the modules: {complaint(told)}")
        return report(Outcome.FAILED if errors else Outcome.PASSED, output, examined=examined, findings=findings)


def _finding(request: ToolRequest, entry: Mapping[str, Any]) -> Finding:
    """An entry is {"Located" or "Global": {..., "severity", "details": {kind: {rule: facts}}}}. Raises Unreadable."""
    body = entry.get("Located") or entry.get("Global")
    if not isinstance(body, dict) or body["severity"] not in _SEVERITIES:
        raise Unreadable("tach's report has an entry of an unknown kind")
    rule, facts = _rule(body["details"])
    file = str(body["file_path"]) if "file_path" in body else None
    return Finding(
        tool="tach",
        rule=rule,
        category=Category.ARCHITECTURE,
        severity=_SEVERITIES[body["severity"]],
        file=place(request, file, directory=_directory(request)) if file is not None else None,
        line=position(body.get("original_line_number") or body.get("line_number")),
        message=_message(rule, facts),
        suggested_fix="keep to what tach.toml allows: do without the import, or take it from where the module may",
        snippet=f"{rule} {json.dumps(facts, sort_keys=True)}",
    )


def _rule(details: Mapping[str, Any]) -> tuple[str, Any]:
    """The rule's name and its facts: {"Code": {"UndeclaredDependency": {...}}}, or just a name."""
    inner = next(iter(details.values()))
    if isinstance(inner, dict) and len(inner) == 1:
        name, facts = next(iter(inner.items()))
        return str(name), facts
    return (inner, {}) if isinstance(inner, str) else (str(next(iter(details))), inner)


def _message(rule: str, facts: Any) -> str:
    if isinstance(facts, dict) and {"dependency", "usage_module", "definition_module"} <= facts.keys():
        return f"{facts['usage_module']} may not import {facts['dependency']} ({rule}: {facts['definition_module']})"
    return f"{rule}: {json.dumps(facts)}" if facts else rule


def _circular(answer: Mapping[str, Any]) -> Finding:
    """The object that tells of a circular dependency between modules. Raises Unreadable."""
    modules = answer["dependencies"]
    if answer["error"] != "Circular dependency" or not modules or not all(isinstance(name, str) for name in modules):
        raise Unreadable(f"tach refuses to work: {str(answer.get('error'))[:300]}")
    return Finding(
        tool="tach",
        rule="circular-dependency",
        category=Category.ARCHITECTURE,
        file="tach.toml",
        message=f"tach.toml lets modules depend on each other in a circle: {' -> '.join([*modules, modules[0]])}",
        suggested_fix="take one of these out of its module's depends_on",
        snippet=" ".join(sorted(modules)),
    )


def _directory(request: ToolRequest) -> str:
    return request.project.python.directory if request.project.python is not None else ""


ADAPTER = Tach()
