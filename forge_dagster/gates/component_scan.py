"""The scripts of single-file components for a scanner that reads scripts only: laid out in a tree of their own.

There, `src/App.vue` is `src/App.vue.ts`, with its scripts on their lines and nothing else (domain/component_scripts.py). What
lies beside it are the rules that the repository has for the scanner. Only for a tool that says `reads_components = True`.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster import registry
from forge_dagster.domain.changes import Change, ChangedFile
from forge_dagster.domain.component_scripts import COMPONENTS, component_script
from forge_dagster.domain.outcomes import worst
from forge_dagster.domain.policy_gates import SastSection
from forge_dagster.domain.project import Project
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.gates.attribution import attributed
from forge_dagster.gates.changed_files import regular
from forge_dagster.gates.examined import Examined
from forge_dagster.gates.reports import fresh
from forge_dagster.gates.selection import Choice, choose_parts
from forge_dagster.gates.tool_runs import RequestExtra, run_tool
from forge_dagster.gates.tooling import together
from forge_dagster.ports import GateContext, Selection

_RULES = ".semgrep"
_BECAUSE = "it reads the scripts of single-file components"


def with_components(context: GateContext, components: Sequence[str], result: GateResult) -> GateResult:
    """The gate's result with what the scanners say of the scripts of these components. Raises Interrupted, Superseded."""
    choices = choose_parts(
        context.gate,
        project=context.project,
        policy=context.policy,
        tools=registry.tools().values(),
        on_path=lambda program: bool(shutil.which(program)),
    )
    chosen = [choice for choice in choices if getattr(choice.tool, "reads_components", False) and not choice.unavailable]
    if not chosen or not components:
        return result
    laid = _LaidOut(context=context, folder=context.scratch / "components")
    there, names = laid.head(components)
    parts = [_scanned(there, replace(choice, because=_BECAUSE, project=None), names) for choice in chosen]
    more = together(context.gate, parts)
    return gate_result(
        context.gate,
        worst([result.outcome, more.outcome]),
        reason="\n".join(dict.fromkeys(part for part in (result.reason, more.reason) if part)),
        findings=[*result.findings, *more.findings],
        tools=(*result.tools, *more.tools),
        metrics=result.metrics,
        artifacts=result.artifacts,
    ).model_copy(update={"duration_s": result.duration_s + sum(part.run.duration_s for part in parts)})


def _scanned(there: GateContext, choice: Choice, names: Mapping[str, str]) -> Examined:
    extra = RequestExtra(selection=Selection(only=tuple(sorted(names)), measure=False, gate=there.gate))

    def ask(tree: GateContext, same: Choice, selection: Selection) -> Examined:
        return run_tool(tree, same, replace(extra, selection=selection))

    examined = attributed(there, choice, run_tool(there, choice, extra), ask, extra.selection)
    findings = tuple(
        finding.model_copy(update={"file": names.get(finding.file or "", finding.file)}) for finding in examined.report.findings
    )
    return replace(examined, report=replace(examined.report, findings=findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LaidOut:
    """The trees of scripts, of the head and when asked for of the base."""

    context: GateContext
    folder: Path

    def head(self, components: Sequence[str]) -> tuple[GateContext, Mapping[str, str]]:
        """The gate's context for the scripts of these components, and each one's name there -> its own."""
        context = self.context
        place = fresh(self.folder / "head")
        names = self._lay(context.root, components, place)
        there = replace(
            context,
            root=place,
            project=self._project(place),
            change=_renamed(context.change, {path: name for name, path in names.items()}),
            scratch=self.folder,
            base=None if context.base is None else self._base,
            detect=self._project,
        )
        return there, names

    @contextlib.contextmanager
    def _base(self) -> Iterator[Path]:
        assert self.context.base is not None
        paths = [file.previous_path or file.path for file in self.context.change.files]
        with self.context.base() as root:
            place = fresh(self.folder / "before")
            self._lay(root, [path for path in paths if path.endswith(COMPONENTS)], place)
            yield place

    def _lay(self, root: Path, components: Iterable[str], place: Path) -> dict[str, str]:
        names = {}
        for path in components:
            script = component_script(regular(root, path)[0].decode("utf-8", "replace"))
            names[f"{path}{script.ending}"] = path
            _write(place / f"{path}{script.ending}", script.text)
        for path in self._rules():
            _write(place / path, regular(root, path)[0].decode("utf-8", "replace"))
        return names

    def _rules(self) -> Iterator[str]:
        named = self.context.policy.section("sast", SastSection).rules
        for path in self.context.project.files:
            own = path.startswith(_RULES) or any(path == rule or path.startswith(f"{rule}/") for rule in named)
            if own and path.endswith((".yml", ".yaml")):
                yield path

    def _project(self, place: Path) -> Project:
        files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        return self.context.project.model_copy(update={"files": tuple(files), "parts": ()})


def _renamed(change: Change, names: Mapping[str, str]) -> Change:
    """The change under the names in the tree of scripts; a component that is no more keeps its own."""

    def there(file: ChangedFile) -> ChangedFile:
        name = names.get(file.path)
        before = file.previous_path or file.path
        if name is None:
            return file
        return file.model_copy(update={"path": name, "previous_path": before + name[len(file.path) :]})

    return change.model_copy(update={"files": tuple(map(there, change.files))})


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8", newline="")
