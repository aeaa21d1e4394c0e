"""Which faults fit a repository, and which of them share a copy of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from forge_dagster.domain.graph import gate_spec
from forge_dagster.domain.planted.code import EXECUTED, STATIC, Draw, code_fault, unparsable
from forge_dagster.domain.planted.dependencies import ECOSYSTEMS, Flawed, flawed_dependency
from forge_dagster.domain.planted.faults import Fault, Plan, Planting, Unplanted
from forge_dagster.domain.planted.proofs import Proof, Proved
from forge_dagster.domain.planted.releases import RELEASED, release_faults
from forge_dagster.domain.planted.sites import Read, Site, owner, product_site, test_sites
from forge_dagster.domain.planted.suites import failing_property, failing_test, snapshot_file, unused_snapshot
from forge_dagster.domain.planted.texts import hidden_fault, secret_fault
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Language, Project

PROVABLE: tuple[str, ...] = gate_spec("verdict").waits_for
"""Every gate that a verdict rests on."""

_COPIES = {
    "code": frozenset({"secrets", *STATIC}),
    "tests": frozenset({"unit", "property", "integration"}),
    "untested": frozenset(EXECUTED),
    "snapshots": frozenset({"snapshot"}),
    "dependencies": frozenset({"sca"}),
    "unbuilt": frozenset({"build"}),
    "dead": frozenset({"preview"}),
    "unwell": frozenset({"smoke"}),
}
"""Copy -> the gates whose faults stand in it. Tests pass in `untested`, since its gates need that. An unused snapshot makes
syrupy end with 1, which only `unit` knows to leave to gate `snapshot`. A lock is changed where `sca` alone reads it, so that
nobody installs what it says. What cannot be built is not started, and what does not start is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is planted in: the repository, its policy, how its files are read, and what to plant for gate `sca`.

    `draw` gives a mark that was never there before; `unknown_flaws` says why `flawed` holds nothing.
    """

    project: Project
    read: Read
    draw: Draw
    flawed: Flawed
    policy: Policy = field(default_factory=Policy)
    apart: Mapping[str, Collection[tuple[Language, str]]] = field(default_factory=dict)
    """Gate -> the further projects (language, folder) that it judges on their own: each gets a fault of its own."""
    unknown_flaws: str = ""


def plan(ground: Ground, *, only: Collection[str] = ()) -> Plan:
    """The faults for every gate that a verdict rests on (of those in `only`, where it is not empty)."""
    shared: dict[tuple[Language, str], str] = {}
    faults: list[Fault] = []
    unplanted: list[Unplanted] = []
    for gate in PROVABLE:
        if only and gate not in only:
            continue
        for one in _for_gate(gate, ground, shared):
            if isinstance(one, Fault):
                faults.append(one)
            else:
                unplanted.append(one)
    plantings = (Planting(name=name, faults=_among(faults, gates)) for name, gates in _COPIES.items())
    return Plan(plantings=tuple(one for one in plantings if one.faults), unplanted=tuple(unplanted))


def _among(faults: Iterable[Fault], gates: Collection[str]) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.gate in gates)


def _for_gate(gate: str, ground: Ground, shared: dict[tuple[Language, str], str]) -> Iterator[Fault | Unplanted]:
    """`shared`: project -> mark of the one function in it that no test executes, which is the fault of two gates."""
    spec = gate_spec(gate)
    languages = _languages(ground.project)
    if spec.advisory:
        yield Unplanted(gate=gate, reason="an opinion: it blocks nothing, so there is nothing to prove")
    elif gate in RELEASED:
        further = _further(gate, ground, Language.TYPESCRIPT)
        yield from release_faults(gate, ground.project, ground.policy, ground.read, ground.draw, further)
    elif gate == "secrets":
        yield secret_fault(_first_site(ground), ground.draw)
    elif gate == "snapshot":
        yield _snapshot(ground)
    elif gate == "integrity":
        yield hidden_fault(_first_site(ground), ground.draw)
        yield from (_code(gate, ground, language, ground.draw()) for language in languages)
    elif not languages:
        yield Unplanted(gate=gate, reason="no language recognised that this gate has tools for")
    else:
        for language in languages:
            yield from _of_language(gate, ground, language, shared)


def _of_language(
    gate: str, ground: Ground, language: Language, shared: dict[tuple[Language, str], str]
) -> Iterator[Fault | Unplanted]:
    if gate == "sca":  # it reads every lock itself
        yield _dependency(ground, language)
        return
    for part in (None, *_further(gate, ground, language)):
        folder = "" if part is None else part.directory
        if gate in EXECUTED:
            mark = shared.setdefault((language, folder), ground.draw())
            one = _code(gate, ground, language, mark, part)
        elif gate in STATIC:
            one = _code(gate, ground, language, ground.draw(), part)
        else:
            one = _test(gate, ground, language, part)
        if part is None or isinstance(one, Fault) or gate not in _RARE:
            yield replace(one, part=folder)


_RARE = ("property", "integration")
"""Gates of tests that few projects have: it is said once that there are none."""


def _further(gate: str, ground: Ground, language: Language) -> tuple[Project, ...]:
    """The projects of the language, besides its first, that the gate judges on their own."""
    first, apart = owner(ground.project, language), ground.apart.get(gate, ())
    return tuple(part for part in ground.project.parts if part is not first and (language, part.directory) in apart)


def _languages(project: Project) -> tuple[Language, ...]:
    found = {language for part in (project, *project.parts) for language in part.languages}
    return tuple(language for language in Language if language in found)


def _first_site(ground: Ground) -> Site | None:
    sites = (product_site(ground.project, language, ground.read) for language in _languages(ground.project))
    return next((site for site in sites if site is not None), None)


def _code(gate: str, ground: Ground, language: Language, mark: str, part: Project | None = None) -> Fault | Unplanted:
    site = product_site(ground.project, language, ground.read, part)
    if site is None:
        return Unplanted(gate=gate, language=language, reason=f"there is no {language.value} file to plant a fault into")
    return code_fault(gate, language, site, mark)


def second_chance(first: Proved, ground: Ground) -> Planting | None:
    """Another fault for a gate whose tool saw its first one and let it pass, as the repository weighs it; else None."""
    if first.proof is Proof.PROVEN or first.gate != "lint" or not first.warned_by or first.language is None:
        return None
    part = next((part for part in ground.project.parts if part.directory == first.part), None) if first.part else None
    site = product_site(ground.project, first.language, ground.read, part)
    if site is None:
        return None
    fault = replace(unparsable(first.gate, first.language, site, ground.draw()), part=first.part)
    name = "-".join(("unparsable", first.language.value, *(first.part.split("/") if first.part else ())))
    return Planting(name=name, faults=(fault,))


def _test(gate: str, ground: Ground, language: Language, part: Project | None) -> Fault | Unplanted:
    sites = test_sites(ground.project, language, ground.read, part)
    if gate == "property":
        if sites.property is None:
            return Unplanted(gate=gate, language=language, reason="no property-based test to plant another beside")
        return failing_property(language, sites.property, ground.draw())
    site = sites.unit if gate == "unit" else sites.integration
    if site is None:
        kind = "integration test" if gate == "integration" else "test"
        return Unplanted(gate=gate, language=language, reason=f"no {kind} to plant a failing one beside")
    return failing_test(gate, language, site, ground.draw())


def _snapshot(ground: Ground) -> Fault | Unplanted:
    project = ground.project
    path = snapshot_file(path for part in (project, *project.parts) for path in part.files)
    if path is None:
        return Unplanted(gate="snapshot", reason="no snapshot of jest, vitest or syrupy to plant an unused one beside")
    return unused_snapshot(path, ground.draw())


def _dependency(ground: Ground, language: Language) -> Fault | Unplanted:
    flawed = ground.flawed.get(ECOSYSTEMS[language])
    if flawed is None:
        return Unplanted(gate="sca", language=language, reason=ground.unknown_flaws)
    fault = flawed_dependency(ground.project, language, flawed, ground.read, ground.draw())
    return fault or Unplanted(gate="sca", language=language, reason="the lock is of a shape that nothing can be added to")
