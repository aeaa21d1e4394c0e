"""SARIF 2.1.0, as far as Forge says anything in it: one run per tool, results with stable fingerprints.

Names are those of the standard (OASIS, "Static Analysis Results Interchange Format Version 2.1.0"); own small models, because
the published Python ones misname properties or cannot write them (see ARCHITECTURE.md).
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import GateResult, ToolRun

SCHEMA_URL = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "primaryLocationLineHash"
"""Key of a finding's fingerprint in partialFingerprints; GitHub code scanning reads this one."""

MAX_RESULTS = 25_000
"""Results in one run (docs.github.com, "SARIF support for code scanning", limits)."""
MAX_RUNS = 20
"""Runs in one log (same source)."""

_BASELINE = {Attribution.NEW: "new", Attribution.PREEXISTING: "unchanged"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Message(_Part):
    """SARIF 3.11."""

    text: str


class ArtifactLocation(_Part):
    """SARIF 3.4; `uri` is relative to the repository's root."""

    uri: str
    uri_base_id: str = "%SRCROOT%"


class Region(_Part):
    """SARIF 3.30; from 1."""

    start_line: int
    start_column: int | None = None


class PhysicalLocation(_Part):
    """SARIF 3.29."""

    artifact_location: ArtifactLocation
    region: Region | None = None


class Location(_Part):
    """SARIF 3.28."""

    physical_location: PhysicalLocation


class ReportingDescriptor(_Part):
    """SARIF 3.49: a rule."""

    id: str


class Result(_Part):
    """SARIF 3.27."""

    rule_id: str
    rule_index: int
    level: str
    message: Message
    locations: tuple[Location, ...] = ()
    partial_fingerprints: dict[str, str]
    baseline_state: str | None = None
    properties: dict[str, str]


class Notification(_Part):
    """SARIF 3.58."""

    level: str
    message: Message


class Invocation(_Part):
    """SARIF 3.20."""

    execution_successful: bool
    exit_code: int | None = None
    tool_execution_notifications: tuple[Notification, ...] = ()


class ToolComponent(_Part):
    """SARIF 3.19. `version` is left out where it is unknown."""

    name: str
    version: str | None = None
    rules: tuple[ReportingDescriptor, ...] = ()


class Tool(_Part):
    """SARIF 3.18."""

    driver: ToolComponent


class Run(_Part):
    """SARIF 3.14."""

    tool: Tool
    invocations: tuple[Invocation, ...]
    results: tuple[Result, ...]
    column_kind: str = "utf16CodeUnits"


class Log(_Part):
    """SARIF 3.13."""

    schema_: str = Field(default=SCHEMA_URL, alias="$schema")
    version: str = "2.1.0"
    runs: tuple[Run, ...]


def sarif(results: Iterable[GateResult]) -> dict[str, Any]:
    """The results as one SARIF log: a run per tool, in the order given; a tool that found nothing shows with no results.

    What a gate says itself, not through a tool, is under the tool "forge". A gate or tool that ERRORED is a notification
    in an invocation that was not successful, so that no reader takes silence for a pass. So is what is left out: of the results
    beyond MAX_RESULTS in a run, of the runs beyond MAX_RUNS (those with the least to say), and by a gate that was cut itself.
    """
    tools: dict[str, list[tuple[GateResult, ToolRun | None]]] = {}
    findings: dict[str, list[tuple[GateResult, Finding]]] = {}
    for result in results:
        for tool in result.tools:
            tools.setdefault(tool.tool, []).append((result, tool))
        if not result.tools:
            tools.setdefault("forge", []).append((result, None))
        for finding in result.findings:
            tools.setdefault(finding.tool, [])
            findings.setdefault(finding.tool, []).append((result, finding))
    log = Log(runs=_bounded([_run(name, runs, findings.get(name, [])) for name, runs in tools.items()]))
    return log.model_dump(mode="json", by_alias=True, exclude_none=True)


def _bounded(runs: list[Run]) -> tuple[Run, ...]:
    """At most MAX_RUNS, in order: what was not successful, then what has most results; the last one tells of the others."""
    if len(runs) <= MAX_RUNS:
        return tuple(runs)

    def weight(run: Run) -> tuple[bool, int]:
        return all(invocation.execution_successful for invocation in run.invocations), -len(run.results)

    kept = sorted(sorted(range(len(runs)), key=lambda n: weight(runs[n]))[: MAX_RUNS - 1])
    left = [run for number, run in enumerate(runs) if number not in kept]
    names = ", ".join(run.tool.driver.name for run in left)
    lost = sum(len(run.results) for run in left)
    failed = any(not invocation.execution_successful for run in left for invocation in run.invocations)
    said = f"{len(left)} of {len(runs)} runs are left out, with {lost} results: {names}"
    note = Notification(level="error" if failed else "warning", message=Message(text=said))
    rest = Run(
        tool=Tool(driver=ToolComponent(name="forge: left out")),
        invocations=(Invocation(execution_successful=not failed, tool_execution_notifications=(note,)),),
        results=(),
    )
    return (*(runs[number] for number in kept), rest)


def _run(name: str, runs: list[tuple[GateResult, ToolRun | None]], findings: list[tuple[GateResult, Finding]]) -> Run:
    shown = sorted(findings, key=_weight)[:MAX_RESULTS] if len(findings) > MAX_RESULTS else findings
    indexes = {rule: index for index, rule in enumerate(dict.fromkeys(finding.rule or "unknown" for _, finding in shown))}
    version = next((tool.version for _, tool in runs if tool is not None and tool.version), None)
    driver = ToolComponent(
        name=name,
        version=version,
        rules=tuple(ReportingDescriptor(id=rule) for rule in indexes),
    )
    invocations = [_invocation(result, tool) for result, tool in runs]
    cuts = [_cut(result) for result in {id(result): result for result, _ in findings}.values() if result.truncated]
    if len(shown) < len(findings):
        cuts.append(_warning(f"{len(shown)} of {len(findings)} results are listed"))
    if cuts or not invocations:
        invocations.append(Invocation(execution_successful=True, tool_execution_notifications=tuple(cuts)))
    results = tuple(_result(gate, finding, indexes) for gate, finding in shown)
    return Run(tool=Tool(driver=driver), invocations=tuple(invocations), results=results)


def _weight(found: tuple[GateResult, Finding]) -> tuple[int, bool]:
    _, finding = found
    return list(Severity).index(finding.severity), finding.attribution is Attribution.PREEXISTING


def _cut(result: GateResult) -> Notification:
    return _warning(f"{result.gate}: {len(result.findings)} of {result.findings_total} findings are listed")


def _warning(text: str) -> Notification:
    return Notification(level="warning", message=Message(text=text))


def _invocation(result: GateResult, tool: ToolRun | None) -> Invocation:
    outcome, reason = (tool.outcome, tool.reason) if tool is not None else (result.outcome, result.reason)
    successful = outcome is not Outcome.ERRORED
    said = f"{result.gate} {outcome.value}{f': {reason}' if reason else ''}"
    note = Notification(level="note" if successful else "error", message=Message(text=said))
    exit_code = tool.exit_code if tool is not None else None
    notes = () if outcome is Outcome.PASSED and not reason else (note,)
    return Invocation(execution_successful=successful, exit_code=exit_code, tool_execution_notifications=notes)


def _result(gate: GateResult, finding: Finding, rules: Mapping[str, int]) -> Result:
    rule = finding.rule or "unknown"
    properties = {"gate": gate.gate, "category": finding.category.value, "attribution": finding.attribution.value}
    if finding.suggested_fix:
        properties["suggestedFix"] = finding.suggested_fix
    return Result(
        rule_id=rule,
        rule_index=rules[rule],
        level=finding.severity.value,
        message=Message(text=finding.message or rule),
        locations=_locations(finding),
        partial_fingerprints={FINGERPRINT: finding.fingerprint},
        baseline_state=_BASELINE.get(finding.attribution),
        properties=properties,
    )


def _locations(finding: Finding) -> tuple[Location, ...]:
    if finding.file is None:
        return ()
    region = None if finding.line is None else Region(start_line=finding.line, start_column=finding.column)
    uri = quote(finding.file, safe="/", errors="surrogatepass")
    return (Location(physical_location=PhysicalLocation(artifact_location=ArtifactLocation(uri=uri), region=region)),)
