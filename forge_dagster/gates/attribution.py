"""Whose doing a tool's findings are: the same tool, asked about the base.

The base is asked only where that decides something, and what it says is kept under `context.cache`, so that all changes on one
base pay for it once.
A tool may say `attributes_itself = True`: it compares by itself, or is too dear to be run on the whole of the base.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from forge_dagster.domain.attribution import (
    DECLARED,
    IMPOSED,
    Baseline,
    baseline,
    compared,
    conclude,
    fixtures,
    imposed,
    softened,
    to_compare,
    touches,
)
from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import TEST_RULES, Finding
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.outcomes import Category, Outcome, Severity
from forge_dagster.domain.project import Project
from forge_dagster.errors import ForgeError, Interrupted, Superseded
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.kept import keep, kept
from forge_dagster.gates.selection import Choice
from forge_dagster.ports import GateContext, Selection, ToolReport

Ask = Callable[[GateContext, Choice, Selection], Examined]
"""Runs a tool in another context, such as the base's tree, on such tests."""

KEPT = 100
"""Answers about bases kept per repository and job."""
_SCHEMA = "forge.baseline/2"
_OF_TODAY = frozenset({"sca"})
"""Gates whose tools say something else tomorrow of the same tree: what they say of the base is not kept."""
_NO_TASTE = frozenset({"unit", "secrets", "sca"})
"""Gates whose default tools report facts, which hold whatever a repository chose: a failed test, a secret, a known flaw."""
_OF_TASTE = frozenset({"format", "lint", "types"})
"""Gates that a repository may configure so that their tools leave everything out."""
_OF_STYLE = frozenset({"format", "types"})
"""Gates whose default tools ask for a way of writing: what the base does otherwise throughout, a change may do as well. What a
linter or a scanner says of new code is a fault, however many of its kind there are.
"""
_EVERYTHING = Selection()


def attributed(
    context: GateContext, choice: Choice, examined: Examined, ask: Ask, selection: Selection = _EVERYTHING
) -> Examined:
    """What was examined, with each error attributed, and the outcome that follows from it.

    `selection` is what the tool was asked to run. A gate of the later stages keeps its findings as they are: what the base
    lacks too, such as an artifact, is lacking all the same. Raises Interrupted and Superseded while the base is examined.
    """
    report = examined.report
    if report.examined_nothing and choice.tool.gate in _OF_TASTE:
        return _as_before(context, choice, examined, ask, selection)
    if report.outcome is not Outcome.FAILED or not _errors(report) or not gate_spec(context.gate).local:
        return examined
    folders = _folders(context, choice)
    problem = ""
    unchosen = _imposed(context, choice) != ""
    open_ones = to_compare(_errors(report))
    if not getattr(choice.tool, "attributes_itself", False):
        reason = ""
        if context.base is not None and context.change.base_sha is not None:
            if open_ones or (unchosen and choice.tool.gate in _OF_STYLE):
                base = _Base(context=context, choice=choice, version=examined.run.version, selection=selection).known(ask)
                problem = base.problem
                report, reason = _against(base, context, choice, report, folders)
        elif open_ones:
            report, reason = _by_itself(context, choice, report)
        if reason and not _errors(report) and report.examined > 0:
            return _settled(examined, report, Outcome.PASSED, reason)
    conclusion = conclude(
        _errors(report),
        reason=report.reason,
        is_touched=lambda finding: touches(finding, context.change, folders=folders),
        examined=_looked_beyond(report),
    )
    reason = conclusion.reason
    if problem:
        reason = f"{reason}; the base could not be compared with: {problem}".removeprefix("; ")
    return _settled(examined, report, conclusion.outcome, reason)


def _against(
    base: Baseline, context: GateContext, choice: Choice, report: ToolReport, folders: tuple[str, ...]
) -> tuple[ToolReport, str]:
    """The report with its errors attributed, and why it passes where none is left."""
    findings = compared(report.findings, base, change=context.change, folders=folders)
    who = _imposed(context, choice)
    if not who:
        return replace(report, findings=findings), ""
    rules = base.rules if choice.tool.gate in _OF_STYLE else {}
    reason = f"{who}; the change breaks no rule that the base keeps"
    return replace(report, findings=tuple(softened(finding, rules) for finding in findings)), reason


def _by_itself(context: GateContext, choice: Choice, report: ToolReport) -> tuple[ToolReport, str]:
    """The report where there is no base, and why it passes where no error is left."""
    who = _imposed(context, choice)
    if who and report.examined > 0:
        findings, reason = imposed(report.findings, who=who)
    elif context.gate == "secrets" and context.change.base_sha is None and not context.change.files:
        findings, reason = fixtures(report.findings)
    else:
        return report, ""
    return replace(report, findings=findings), reason


def _as_before(context: GateContext, choice: Choice, examined: Examined, ask: Ask, selection: Selection) -> Examined:
    """SKIPPED where the tool finds nothing to look at in the base either: that is the repository's choice, not the change's.

    What the change does to its configuration is judged besides (base_configuration.py).
    """
    if context.base is None or context.change.base_sha is None:
        return examined
    base = _Base(context=context, choice=choice, version=examined.run.version, selection=selection)
    try:
        before = base.examined(ask)
    except ForgeError as error:
        if isinstance(error, Interrupted | Superseded):
            raise
        return examined
    if before is None or not before.report.examined_nothing:
        return examined
    reason = f"the configuration of {choice.tool.name} leaves nothing to look at, nor does the base's"
    return _settled(examined, examined.report, Outcome.SKIPPED, reason)


def _errors(report: ToolReport) -> tuple[Finding, ...]:
    return tuple(finding for finding in report.findings if finding.severity is Severity.ERROR)


def _settled(examined: Examined, report: ToolReport, outcome: Outcome, reason: str) -> Examined:
    run = examined.run.model_copy(update={"outcome": outcome, "reason": reason})
    return replace(examined, run=run, report=replace(report, outcome=outcome, reason=reason))


def _folders(context: GateContext, choice: Choice) -> tuple[str, ...]:
    """What paths in the ids of tests may be relative to."""
    project = choice.project or context.project
    found = (project.directory, *(part.directory for part in (project.python, project.node) if part is not None))
    return tuple(dict.fromkeys(("", *found)))


def _imposed(context: GateContext, choice: Choice) -> str:
    """How a reason names a tool that is a matter of taste, where neither the repository nor its policy chose it; else "".

    One of style that is declared and no more runs in a way that Forge chose (mypy `--strict`), so that is imposed as well.
    """
    tool = choice.tool
    sign = tool.chosen(choice.project or context.project)
    if tool.gate in _NO_TASTE or tool.name in (context.policy.gate(tool.gate).tools or ()):
        return ""
    if sign is None:
        return f"Forge's default {tool.name}, {IMPOSED}"
    if tool.gate in _OF_STYLE and sign.endswith(DECLARED):
        return f"{tool.name}, a declared dependency and no more, so that it runs in a way {IMPOSED}"
    return ""


def _looked_beyond(report: ToolReport) -> bool:
    """Whether there is more that it looked at than what broke: tests that cannot be collected keep all others from running."""
    if report.examined <= 0:
        return False
    broken = all(error.category is Category.TEST and error.rule not in TEST_RULES for error in _errors(report))
    return not (broken and report.metrics.get("passed", 0.0) == 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """The base as one tool sees it."""

    context: GateContext
    choice: Choice
    version: str
    selection: Selection

    def known(self, ask: Ask) -> Baseline:
        """What the tool says of the base, from an earlier run or now."""
        place = base_place(self.context, self.choice, self.version, self.selection)
        content = kept(place) if place is not None else None
        found = _read(content) if content is not None else None
        if found is not None:
            self.context.log(f"{self.choice.tool.name}: what it says of the base is known from an earlier run")
            return found
        found = self._asked(ask)
        if place is not None and not found.problem and not found.infrastructure:
            text = json.dumps({"schema": _SCHEMA, "marks": dict(found.marks), "rules": dict(found.rules)})
            keep(place, text.encode(), count=KEPT)
        return found

    def _asked(self, ask: Ask) -> Baseline:
        name = self.choice.tool.name
        try:
            answer = self.examined(ask)
        except (Interrupted, Superseded):
            raise
        except ForgeError as error:
            return Baseline(problem=error.message)
        except Exception as error:  # noqa: BLE001 - a base that cannot be examined must not hide what the head's findings are
            return Baseline(problem=f"{type(error).__name__}: {error}")
        if answer is None:
            return Baseline()
        if answer.report.outcome is Outcome.ERRORED:
            return Baseline(problem=answer.report.reason or f"{name} gave no answer")
        return baseline(answer.report.findings)

    def examined(self, ask: Ask) -> Examined | None:
        """What the tool makes of the base; None where it has nothing of what the tool was asked about. Raises ForgeError."""
        context, tool = self.context, self.choice.tool
        assert context.base is not None
        context.log(f"{tool.name}: asking it about the base, to tell what this change brings from what was there")
        with context.base() as root:
            project = context.detect(root) if context.detect is not None else context.project
            part = _part(project, self.choice)
            selection = _there(self.selection, project, context.change)
            if part is None or selection is None or (tool.language is not None and tool.language not in part.languages):
                return None
            scratch = context.scratch / "base"
            scratch.mkdir(parents=True, exist_ok=True)
            there = replace(
                context,
                root=root,
                project=project,
                change=_whole(context.change),
                scratch=scratch,
                base=None,
                cache=None,  # a change may have written to the head's, and the base is not to be judged by it
            )
            own = part if self.choice.project is not None else None
            return ask(there, replace(self.choice, project=own), selection)


def base_place(
    context: GateContext, choice: Choice, version: str, selection: Selection, *, schema: str = _SCHEMA
) -> Path | None:
    """Where a tool's answer about the base is kept in this form, named by all that it depends on; None where none is."""
    tool = choice.tool
    if context.cache is None or context.gate in _OF_TODAY:
        return None
    project = choice.project or context.project
    digest = None
    if tool.language is not None:
        digest = context.environments.digest(tool.language, root=context.root, project=project)
    forge = importlib.metadata.version("forge-dagster")  # rules of Forge's own ship with it
    parts = (schema, context.change.base_sha, context.gate, tool.name, version, digest, choice.directory)
    key = json.dumps([*parts, forge, asdict(selection)])
    return context.cache / "baseline" / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"


def _read(content: bytes) -> Baseline | None:
    try:
        data = load_json(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
        return None
    marks, rules = _counts(data.get("marks")), _counts(data.get("rules"))
    return None if marks is None or rules is None else Baseline(marks=marks, rules=rules)


def _counts(said: object) -> Mapping[str, int] | None:
    return said if isinstance(said, dict) and all(isinstance(count, int) for count in said.values()) else None


def _part(project: Project, choice: Choice) -> Project | None:
    """The base's project for the part of the head that `choice` is for; None where the base has no such part."""
    if choice.project is None:
        return project
    return next((part for part in (*project.parts, project) if part.directory == choice.directory), None)


def _whole(change: Change) -> Change:
    """The base as a tree with nothing to compare with."""
    return Change(repository=change.repository, base_ref=change.base_ref, head_sha=change.base_sha)


def _there(selection: Selection, project: Project, change: Change) -> Selection | None:
    """The same tests in the base, under their names there; None where it has none of those that were asked for."""
    names: Mapping[str, str] = {file.path: file.previous_path for file in change.files if file.previous_path is not None}
    files = set(project.files)

    def known(paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for path in paths if (name := names.get(path, path)) in files)

    only = known(selection.only)
    if selection.only and not only:
        return None
    return replace(selection, only=only, without=known(selection.without))
