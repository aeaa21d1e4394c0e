"""Known flaws of dependencies, whoever tells of them, and what they mean under a policy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from forge_dagster.domain.advisories import Advisory, fixed_version, is_affected
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Severity
from forge_dagster.domain.package_versions import order_of
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.policy_gates import ScaSection
from forge_dagster.domain.sbom import Component, Ecosystem

_SHOWN = 160
_KINDS = ("GHSA-", "CVE-", "PYSEC-", "MAL-")
"""Of the names of one flaw, the one it goes by: what GitHub's and npm's databases say, then the others."""


class Danger(IntEnum):
    """How bad a flaw is, in the words of `npm audit`."""

    NONE = 0
    LOW = 1
    MODERATE = 2
    HIGH = 3
    CRITICAL = 4


_WORDS = {
    "NONE": Danger.NONE,
    "INFO": Danger.NONE,
    "LOW": Danger.LOW,
    "MODERATE": Danger.MODERATE,
    "MEDIUM": Danger.MODERATE,
    "HIGH": Danger.HIGH,
    "CRITICAL": Danger.CRITICAL,
}


def danger_of_word(word: str) -> Danger | None:
    """What a database's own word stands for; None for one that is not known."""
    return _WORDS.get(word.strip().upper())


def danger_of_vector(vector: str) -> Danger | None:
    """The rating of a CVSS vector of version 3 or 4 (first.org/cvss); None for anything else."""
    from cvss import CVSS3, CVSS4  # type: ignore[import-untyped,unused-ignore]  # 15 ms, and only where something is found
    from cvss.exceptions import CVSSError  # type: ignore[import-untyped,unused-ignore]

    kind = CVSS4 if vector.startswith("CVSS:4.") else CVSS3 if vector.startswith("CVSS:3.") else None
    if kind is None:
        return None
    try:
        rated = kind(vector)
    except (CVSSError, ValueError, ArithmeticError, LookupError):
        return None
    return danger_of_word(str(rated.severity if isinstance(rated, CVSS4) else rated.severities()[0]))


def danger_of(advisory: Advisory) -> Danger | None:
    """The worst of what the advisory says; None where it says nothing. A malicious package is as bad as it gets."""
    if any(name.startswith("MAL-") for name in (advisory.id, *advisory.aliases)):
        return Danger.CRITICAL
    said = [danger_of_word(advisory.word), *(danger_of_vector(score) for score in advisory.scores)]
    return max((one for one in said if one is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One flaw of one component. `names` are all its ids, the one it goes by first; `danger` None: nobody says how bad it is.

    `fix`: the least version that mends it; None: there is none. `known_fix` is False where the teller does not say.
    """

    component: Component
    names: tuple[str, ...]
    summary: str = ""
    danger: Danger | None = None
    fix: str | None = None
    known_fix: bool = True

    @property
    def name(self) -> str:
        """The id it goes by."""
        return self.names[0]

    @property
    def weight(self) -> Danger:
        """How bad it is taken to be: what nobody has rated counts as high."""
        return Danger.HIGH if self.danger is None else self.danger


def ordered_names(names: Iterable[str]) -> tuple[str, ...]:
    """The ids of one flaw, each once, the one it goes by first."""

    def weight(name: str) -> tuple[int, str]:
        return next((number for number, kind in enumerate(_KINDS) if name.startswith(kind)), len(_KINDS)), name

    return tuple(sorted(set(names), key=weight))


def flaws_of(components: Iterable[Component], advisories: Mapping[tuple[str, str], Sequence[Advisory]]) -> tuple[Flaw, ...]:
    """The flaws of the components. `advisories`: (ecosystem, package) -> those that name it. Several advisories of one flaw, as
    their aliases tell, are one.
    """
    found: list[Flaw] = []
    for one in components:
        mine = [advisory for advisory in advisories.get(one.key[:2], ()) if is_affected(advisory, one)]
        found += [_flaw(one, group) for group in _grouped(mine)]
    return tuple(found)


def _grouped(advisories: Iterable[Advisory]) -> list[list[Advisory]]:
    groups: list[tuple[set[str], list[Advisory]]] = []
    for advisory in advisories:
        names, members = {advisory.id, *advisory.aliases}, [advisory]
        apart = []
        for other_names, other_members in groups:
            if names & other_names:
                names |= other_names
                members = [*other_members, *members]
            else:
                apart.append((other_names, other_members))
        groups = [*apart, (names, members)]
    return [members for _names, members in groups]


def _flaw(one: Component, advisories: Sequence[Advisory]) -> Flaw:
    names = ordered_names(name for advisory in advisories for name in (advisory.id, *advisory.aliases))
    rated = [danger for advisory in advisories if (danger := danger_of(advisory)) is not None]
    fixes = [fix for advisory in advisories if (fix := fixed_version(advisory, one)) is not None]
    return Flaw(
        component=one,
        names=names,
        summary=next((advisory.summary for advisory in advisories if advisory.summary), ""),
        danger=max(rated, default=None),
        fix=max(fixes, key=order_of(one.ecosystem)) if fixes else None,
    )


def flaw_finding(
    tool: str, flaw: Flaw, section: ScaSection, *, attribution: Attribution = Attribution.UNKNOWN, file: str | None = None
) -> Finding:
    """What the flaw means under [gates.sca]: an error from `fail_on` up, a note where a person accepted it, else a warning.

    `file`: where it is shown if the component has no place of its own.
    """
    one = flaw.component
    accepted = {name.upper() for name in section.accept} & {name.upper() for name in flaw.names}
    threshold = _WORDS[section.fail_on.upper()]
    severity = Severity.ERROR if flaw.weight >= threshold else Severity.WARNING
    word = flaw.weight.name.lower() if flaw.danger is not None else "severity unknown, so counted as high"
    also = f" ({', '.join(flaw.names[1:4])})" if flaw.names[1:] else ""
    facts = [word, *(["development only"] if one.development else []), *(["transitive"] if one.direct is False else [])]
    message = f"{one.name} {one.version} has {flaw.name}{also}: {flaw.summary or 'a known flaw'} [{', '.join(facts)}]"
    if accepted:
        message = f"accepted in [gates.sca]: {message}"
    return Finding(
        tool=tool,
        rule=flaw.name,
        category=Category.DEPENDENCY,
        severity=Severity.NOTE if accepted else severity,
        file=one.file or file,
        line=one.line,
        message=one_line(message, 600),
        suggested_fix=_fix(flaw),
        snippet=f"{one.name}@{flaw.name}",
        attribution=attribution,
    )


def _fix(flaw: Flaw) -> str:
    one = flaw.component
    name = one_line(one.name, _SHOWN)
    if flaw.fix is not None:
        what = f"update {name} to {one_line(flaw.fix, _SHOWN)} or later"
        return what if one.direct is not False else f"{what}, or what requires it"
    if not flaw.known_fix:
        return f"update or replace {name}"
    kept = f'accept = ["{flaw.name}"] in [gates.sca] of forge.toml'
    return f"no version of {name} mends it yet: replace it, or have a person look at it and set {kept}"


def same_flaws(flaws: Iterable[Flaw]) -> frozenset[tuple[Ecosystem, str, str]]:
    """What the flaws of another tree are known by: the package, whatever its version, and each of the flaw's names."""
    return frozenset((flaw.component.ecosystem, flaw.component.name, name) for flaw in flaws for name in flaw.names)


def is_among(flaw: Flaw, known: frozenset[tuple[Ecosystem, str, str]]) -> bool:
    """Whether `same_flaws` of another tree has it too."""
    return any((flaw.component.ecosystem, flaw.component.name, name) in known for name in flaw.names)
