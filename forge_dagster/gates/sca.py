"""Gate `sca`: no dependency has a known vulnerability that the change brings in.

Forge lists what the repository is built from (CycloneDX, artifact "sbom"). Where the operator mirrors advisories, that list is
matched against them here, and nobody else is asked but scanners that answer without a network; where not, each language's own
scanner is. Who cannot answer is ERRORED: silence is no sign of health. What the base has too does not fail the gate.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from forge_dagster import registry
from forge_dagster.domain.advisories import HINT
from forge_dagster.domain.attribution import conclude
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.flaws import Flaw, flaw_finding, flaws_of, is_among, same_flaws
from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.project import Language
from forge_dagster.domain.results import GateResult, ToolRun, gate_result
from forge_dagster.domain.sbom import Ecosystem, Inventory
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.attribution import attributed
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.inventory import bill_of_materials, take_inventory
from forge_dagster.gates.judging import errored
from forge_dagster.gates.selection import Choice, choose_parts
from forge_dagster.gates.tool_runs import NOTHING_MORE, RequestExtra, run_tool
from forge_dagster.gates.tooling import together
from forge_dagster.ports import GateContext, ToolReport

if TYPE_CHECKING:
    from forge_dagster.gates.advisory_index import Advisories

MATCHER = "osv"
"""Name under which Forge's own matching against the operator's advisories answers."""
SBOM = "sbom.cdx.json"
_OF = {Language.PYTHON: Ecosystem.PYPI, Language.TYPESCRIPT: Ecosystem.NPM}
_TO_DO = f"{HINT}; or set [gates.sca] enabled = false in forge.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sca:
    """The gate."""

    name: str = "sca"

    def examine(self, context: GateContext) -> GateResult:
        """List the components and ask who knows about them. Raises Interrupted, Superseded, and ConfigurationError for a
        policy that names a tool of another gate.
        """
        begun = context.clock.monotonic()
        inventory = take_inventory(context, context.root, context.project)
        if not inventory.components and not inventory.problems:
            return gate_result(self.name, Outcome.SKIPPED, reason="no third-party dependency")
        settings = context.settings
        if settings is not None and settings.advisories:
            parts = [_matched(context, inventory, settings), *_asked(context, inventory, offline=True)]
        else:
            parts = _asked(context, inventory, offline=False)
            parts += _unanswered(context, inventory, parts)
        result = together(self.name, parts)
        artifacts = {**result.artifacts, "sbom": str(_written(context, inventory))}
        metrics = {**result.metrics, "components": float(len(inventory.components))}
        duration = context.clock.monotonic() - begun
        return result.model_copy(update={"duration_s": duration, "artifacts": artifacts, "metrics": metrics})


def _written(context: GateContext, inventory: Inventory) -> Path:
    folder = context.artifacts or context.scratch
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.fromtimestamp(context.clock.now(), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = folder / SBOM
    place.write_text(bill_of_materials(inventory, context, timestamp=at), encoding="utf-8")
    return place


# --- the operator's advisories -----------------------------------------------------------------------------------------


def _matched(context: GateContext, inventory: Inventory, settings: Settings) -> Examined:
    begun = context.clock.monotonic()
    try:
        report = _match(context, inventory, settings)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        report = errored(error.message, hint=error.hint)
    return _own(context, report, begun, because="settings.toml names advisories")


def _own(context: GateContext, report: ToolReport, begun: float, *, because: str) -> Examined:
    run = ToolRun(
        tool=MATCHER,
        outcome=report.outcome,
        reason=report.reason,
        examined=report.examined,
        chosen_because=because,
        duration_s=context.clock.monotonic() - begun,
    )
    return Examined(run=run, report=report, folder=context.scratch)


def _match(context: GateContext, inventory: Inventory, settings: Settings) -> ToolReport:
    """What the advisories say of the components. Raises AdvisoriesUnreadable, Interrupted."""
    from forge_dagster.gates.advisory_index import advisories_of  # SQLite and zip files, only where there is a mirror

    section = context.policy.section("sca", ScaSection)
    packages = {(one.ecosystem, one.name) for one in inventory.components}
    place = settings.home / "advisories-index"
    known = advisories_of(settings.advisories, packages, folder=place, now=context.clock.now(), log=context.log)
    lacking = [ecosystem.value for ecosystem in inventory.ecosystems if not known.counts.get(ecosystem.value)]
    if lacking:
        return errored(f"the operator's advisories hold none for {' and '.join(lacking)}", hint=HINT)
    flaws = flaws_of(inventory.components, known.by_package)
    findings = [flaw_finding(MATCHER, flaw, section) for flaw in flaws]
    base_problem = ""
    if any(finding.severity is Severity.ERROR for finding in findings):
        findings, base_problem = _compared(context, flaws, findings, known)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    told = _told(inventory, known)
    outcome, said = Outcome.PASSED, ""
    if errors:
        fresh = sum(finding.attribution is not Attribution.PREEXISTING for finding in errors)
        what = f"{fresh} known vulnerabilit{'y' if fresh == 1 else 'ies'} of severity {section.fail_on} or above"
        conclusion = conclude(errors, reason=what, is_touched=lambda _finding: False)
        outcome, said = conclusion.outcome, conclusion.reason
    if inventory.problems and outcome is Outcome.PASSED:
        outcome = Outcome.ERRORED
    reason = "; ".join(part for part in (said, *inventory.problems[:5], base_problem, told) if part)
    return ToolReport(outcome=outcome, reason=reason, examined=len(inventory.components), findings=tuple(findings))


def _told(inventory: Inventory, known: "Advisories") -> str:
    """How much was matched against what, so that everybody sees how old the mirror is."""
    there = [
        f"{known.counts[ecosystem.value]} for {ecosystem.value} (newest of {known.newest[ecosystem.value][:10]})"
        for ecosystem in inventory.ecosystems
    ]
    count = len(inventory.components)
    return f"{count} component{'' if count == 1 else 's'} matched against the operator's advisories: {', '.join(there)}"


def _compared(
    context: GateContext, flaws: Sequence[Flaw], findings: Sequence[Finding], known: "Advisories"
) -> tuple[list[Finding], str]:
    """(The findings, each PREEXISTING where the base has the flaw too and else NEW, why they could not be compared)."""
    if context.base is None or context.change.base_sha is None:
        return list(findings), ""
    names = {flaw.component.key[:2] for flaw in flaws}
    try:
        with context.base() as root:
            project = context.detect(root) if context.detect is not None else context.project
            there = take_inventory(replace(context, root=root, project=project, base=None, cache=None), root, project)
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return list(findings), f"the base could not be compared with: {error.message}"
    before = same_flaws(flaws_of((one for one in there.components if one.key[:2] in names), known.by_package))
    attributed_ones = [
        finding.model_copy(update={"attribution": Attribution.PREEXISTING if is_among(flaw, before) else Attribution.NEW})
        for flaw, finding in zip(flaws, findings, strict=True)
    ]
    problem = f"in the base, {there.problems[0]}" if there.problems else ""
    return attributed_ones, problem


# --- scanners ----------------------------------------------------------------------------------------------------------


def _asked(context: GateContext, inventory: Inventory, *, offline: bool) -> list[Examined]:
    """What the scanners say. `offline`: only those that answer by themselves, with a database on this machine."""
    choices = choose_parts(
        "sca",
        project=context.project,
        policy=context.policy,
        tools=registry.tools().values(),
        on_path=lambda program: bool(shutil.which(program)),
    )
    parts = []
    for choice in choices:
        language = choice.tool.language
        if language is not None and _OF[language] not in inventory.ecosystems and not inventory.problems:
            continue
        extra = _database(context, choice) if offline else NOTHING_MORE
        if extra is None:
            continue
        examined = _attributed(context, choice, run_tool(context, choice, extra), extra)
        parts.append(_located(_hinted(examined), inventory))
    return parts


def _database(context: GateContext, choice: Choice) -> RequestExtra | None:
    """Where the tool's own database is among the operator's mirrors, as it says (`database_folder`, `database_variable`)."""
    folder, variable = (getattr(choice.tool, name, None) for name in ("database_folder", "database_variable"))
    sources = context.settings.advisories if context.settings is not None else ()
    found = next((source for source in sources if folder and (source / folder).is_dir()), None)
    return RequestExtra(variables={variable: str(found)}, reads=(found,)) if found is not None and variable else None


def _attributed(context: GateContext, choice: Choice, examined: Examined, extra: RequestExtra) -> Examined:
    """With a base, what it has too does not count. Without one everything does: a vulnerability is no matter of taste."""
    if context.base is None or context.change.base_sha is None:
        return examined
    return attributed(context, choice, examined, lambda there, same, _selection: run_tool(there, same, extra))


def _hinted(examined: Examined) -> Examined:
    if examined.run.outcome is not Outcome.ERRORED:
        return examined
    reason = f"{examined.run.reason}; {_TO_DO}"
    run = examined.run.model_copy(update={"reason": reason})
    return replace(examined, run=run, report=replace(examined.report, reason=reason))


def _located(examined: Examined, inventory: Inventory) -> Examined:
    """Scanners name a package; the inventory knows where that is written."""
    places = {one.name: (one.file, one.line) for one in inventory.components if one.file is not None}
    lines = {(one.file, one.name): one.line for one in inventory.components}

    def placed(finding: Finding) -> Finding:
        name = finding.snippet.rpartition("@")[0]
        if finding.file is None:
            file, line = places.get(name, (None, None))
            return finding.model_copy(update={"file": file, "line": line})
        return finding if finding.line else finding.model_copy(update={"line": lines.get((finding.file, name))})

    return replace(examined, report=replace(examined.report, findings=tuple(map(placed, examined.report.findings))))


def _unanswered(context: GateContext, inventory: Inventory, parts: Sequence[Examined]) -> list[Examined]:
    """An ERRORED part where there are components that nobody was able to say anything about."""
    tools = registry.tools()
    answered = {tools[part.run.tool].language for part in parts if part.run.outcome not in (Outcome.SKIPPED, Outcome.NOT_RUN)}
    silent = [
        ecosystem.value
        for language, ecosystem in _OF.items()
        if ecosystem in inventory.ecosystems and not {None, language} & answered
    ]
    problems = list(inventory.problems)
    if silent:
        problems.append(f"nobody here knows the vulnerabilities of packages of {' and '.join(silent)}")
    if not problems:
        return []
    report = errored("; ".join(problems[:5]), hint=_TO_DO)
    return [_own(context, report, context.clock.monotonic(), because="Forge lists the components itself")]


ADAPTER = Sca()
