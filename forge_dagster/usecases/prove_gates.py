"""See whether the gates can fail: plant a fault for each in scratch copies of a checkout, and have the gates judge those.

A copy is judged as a change on top of the checkout's commit, by the same machinery as `forge check`, with nothing remembered.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from forge_dagster.domain.graph import GateSpec, Stage, gate_spec
from forge_dagster.domain.planted.dependencies import ECOSYSTEMS, Flawed, flawed_version
from forge_dagster.domain.planted.faults import Planting, planted
from forge_dagster.domain.planted.plan import PROVABLE, Ground, plan, second_chance
from forge_dagster.domain.planted.proofs import Proved, in_order, proved, proven_otherwise, unproved
from forge_dagster.domain.policy import did_you_mean
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.previews import preview_name
from forge_dagster.domain.project import Language
from forge_dagster.errors import ConfigurationError, ForgeError, Interrupted, Superseded, UsageError
from forge_dagster.gates.selection import choose_parts
from forge_dagster.gates.suites import tree_text, useful_tools
from forge_dagster.ports import Tool
from forge_dagster.usecases.check import LocalCheck, Progress, check
from forge_dagster.workspace.planting import changed_copy

_FILE_LIMIT = 32 * 1024 * 1024
"""Bytes of a file that is read for planting; lock files are the largest."""
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """How gates are proven. `work` has the checkout that is planted in and the means to examine it.

    `tools` are the registry's, by name; `parent`: the folder for the copies (None: the system's temporary one).
    """

    work: LocalCheck
    tools: Mapping[str, Tool]
    parent: Path | None = None
    only: Collection[str] = ()
    progress: Progress = lambda _event: None


def wanted_gates(names: Collection[str]) -> tuple[str, ...]:
    """The gates of these names, which can be asked for a proof. Raises UsageError for any other."""
    for name in names:
        if name not in PROVABLE:
            known = f"gates that can be proven: {', '.join(PROVABLE)}"
            raise UsageError(f'there is no gate "{name}" to prove{did_you_mean(name, PROVABLE)}', hint=known)
    return tuple(names)


def prove_gates(proving: Proving) -> tuple[Proved, ...]:
    """What each gate made of its fault, in the graph's order. Raises WorkspaceError, Interrupted, Superseded."""
    work = proving.work
    flawed, unknown = _flawed(work) if not proving.only or "sca" in proving.only else ({}, "")
    ground = Ground(
        project=work.checkout.project,
        read=_reader(work.checkout.root),
        draw=lambda: secrets.token_hex(5),
        flawed=flawed,
        policy=work.checkout.policy,
        apart=_apart(proving),
        unknown_flaws=unknown,
    )
    found = plan(ground, only=proving.only)
    proofs = [unproved(one) for one in found.unplanted]
    for planting in found.plantings:
        for one in _proofs(proving, planting, ground.read):
            again = second_chance(one, ground)
            proofs.append(one if again is None else proven_otherwise(one, *_proofs(proving, again, ground.read)))
    return in_order(work.redaction.value(one) for one in proofs)


_TESTS = ("unit", "property", "integration", "coverage", "mutation")
"""Gates that see what the runners of tests see."""


def _apart(proving: Proving) -> Mapping[str, Collection[tuple[Language, str]]]:
    """Gate -> the further projects of the repository for which it starts a tool on its own."""
    checkout = proving.work.checkout
    found: dict[str, set[tuple[Language, str]]] = {}
    for gate in PROVABLE if checkout.project.parts else ():
        tools = useful_tools(checkout.project, checkout.root) if gate in _TESTS else proving.tools
        try:
            choices = choose_parts(
                "unit" if gate in _TESTS else gate, project=checkout.project, policy=checkout.policy, tools=tools.values()
            )
        except ConfigurationError:  # the gate says so itself
            continue
        placed = [(one.tool.language, one.directory) for one in choices if one.project is not None and not one.unavailable]
        found[gate] = {(language, folder) for language, folder in placed if language is not None}
    return found


def _reader(root: Path) -> Callable[[str], str | None]:
    """Texts of the tree; a file that is no UTF-8 is none, since it could not be written again as it was."""

    def read(path: str) -> str | None:
        text = tree_text(root, path, _FILE_LIMIT)
        return None if text is None or _UNREADABLE in text else text

    return read


def _proofs(proving: Proving, planting: Planting, read: Callable[[str], str | None]) -> list[Proved]:
    """Plant, have the gates look, and judge what they say."""
    work = proving.work
    paths = {piece.path for fault in planting.faults for piece in fault.pieces}
    texts = {path: text for path in paths if (text := read(path)) is not None}
    made = planted(planting.faults, texts)
    specs, scratch = specs_for(planting.gates), work.scratch / planting.name
    with changed_copy(work.checkout, made.files, run=work.run, parent=proving.parent) as copy:
        here = replace(work, checkout=copy, specs=specs, memory=None, scratch=scratch)
        try:
            checked = check(here, progress=proving.progress)
        finally:
            _remove_preview(here)
    speaks: dict[str, Language | None] = {name: tool.language for name, tool in proving.tools.items()}
    return [
        proved(fault, places, checked.results[fault.gate], speaks={**speaks, **_OWN})
        for fault, places in zip(planting.faults, made.places, strict=True)
    ]


def _remove_preview(work: LocalCheck) -> None:
    """Stop what gate `preview` left running for the gates after it."""
    platform = work.platforms.get(work.checkout.policy.deploy.platform)
    if platform is not None and any(spec.name == "preview" for spec in work.specs):
        platform.remove_preview(name=preview_name(work.checkout.change.repository, work.checkout.change.number))


_OWN: Mapping[str, Language | None] = {"import_cycles": Language.PYTHON}
"""What Forge itself answers with, of one language only (gates/architecture.py)."""


def specs_for(gates: Collection[str]) -> tuple[GateSpec, ...]:
    """The gates with those whose results they read (`build` reads none). They wait for these only: a fault of another gate must
    not stop them.
    """
    wanted: dict[str, GateSpec] = {}
    queue = list(gates)
    while queue:
        name = queue.pop(0)
        spec = gate_spec(name)
        waits = tuple(one for one in spec.waits_for if gate_spec(one).stage is not Stage.FAST and name != "build")
        wanted[name] = replace(spec, waits_for=waits)
        queue += [one for one in waits if one not in wanted]
    return tuple(wanted.values())


def _flawed(work: LocalCheck) -> tuple[Flawed, str]:
    """(What to plant for gate `sca` of each ecosystem, why there is nothing)."""
    settings = work.settings
    if settings is None or not settings.advisories:
        return {}, "no mirror of advisories to choose a flawed dependency from (`advisories` in settings.toml)"
    from forge_dagster.gates.advisory_index import some_advisories  # SQLite and zip files, only where there is a mirror

    section = work.checkout.policy.section("sca", ScaSection)
    folder = settings.home / "advisories-index"
    found = {}
    try:
        for ecosystem in ECOSYSTEMS.values():
            known = some_advisories(settings.advisories, ecosystem, folder=folder, now=work.clock.now())
            chosen = next((flaw for one in known if (flaw := flawed_version(one, section)) is not None), None)
            if chosen is not None:
                found[ecosystem] = chosen
    except (Interrupted, Superseded):
        raise
    except ForgeError as error:
        return {}, error.message
    return found, "the mirror of advisories knows no flaw of this ecosystem that the policy would fail"
