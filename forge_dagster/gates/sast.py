"""Gate `sast`: static analysis finds no weakness that the change adds.

Only the files of the change are looked at (a tool that looks further says so), and of the base the same ones, when findings are
attributed; where there is no base, all files. A link is not looked at: what it leads to is a file of the tree itself.
Where no scanner reads single-file components (.vue, .svelte, .astro), the result says how many were not looked at.
A comment in the change cannot excuse the change (`nosemgrep`, `nosec`); one that was there before makes a finding a note.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.component_scripts import COMPONENTS
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult
from forge_dagster.gates.tool_runs import RequestExtra
from forge_dagster.gates.tooling import run_tools
from forge_dagster.ports import GateContext, Selection

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sast:
    """The gate."""

    name: str = "sast"

    def examine(self, context: GateContext) -> GateResult:
        """Run the scanners. Raises Interrupted, and ConfigurationError for a policy that names a tool of another gate."""
        project = without_links(context.root, context.project)
        changed = frozenset(context.change.paths)
        selected = tuple(path for path in project.files if path in changed) if context.change.base_sha is not None else ()
        detect = context.detect
        there = replace(context, project=project, detect=None if detect is None else _without_links(detect))
        result = run_tools(there, extra=RequestExtra(selection=Selection(only=selected, measure=False, gate=self.name)))
        reason = result.reason
        if result.outcome is Outcome.SKIPPED and context.change.base_sha is not None and result.tools:
            reason = "the change touches no source file that a scanner looks at"
        there_or_changed = selected if context.change.base_sha is not None else project.files
        left = "" if _reads_components(result) else unread(there_or_changed)
        return result.model_copy(update={"reason": "\n".join(part for part in (reason, left) if part)})


def _reads_components(result: GateResult) -> bool:
    """Whether a scanner that ran looks into their scripts."""
    tools = registry.tools_of(result.gate)
    return any(getattr(tools.get(run.tool), "reads_components", False) for run in result.tools)


def unread(files: Sequence[str]) -> str:
    """What to say of single-file components among the files; "" where there is none."""
    found = [path for path in files if path.endswith(COMPONENTS)]
    if not found:
        return ""
    names = ", ".join([*found[:_NAMED], *([f"{len(found) - _NAMED} more"] if len(found) > _NAMED else [])])
    many = f"{len(found)} single-file component{'s'[: len(found) > 1]}"
    return f"not examined, since no scanner that ran reads them: {many} ({names})"


def without_links(root: Path, project: Project) -> Project:
    """The project, its parts included, without the files that are symbolic links: semgrep refuses to run on one."""
    files = tuple(path for path in project.files if not (root / path).is_symlink())
    parts = tuple(without_links(root, part) for part in project.parts)
    return project.model_copy(update={"files": files, "parts": parts})


def _without_links(detect: Callable[[Path], Project]) -> Callable[[Path], Project]:
    return lambda root: without_links(root, detect(root))


ADAPTER = Sast()
