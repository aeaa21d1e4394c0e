"""Advisories in the OSV format (ossf.github.io/osv-schema): reading one, and whether it is about a version of a package."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from forge_dagster.domain.package_versions import Order, order_of
from forge_dagster.domain.sbom import MAX_NAME, Component, Ecosystem, package_name

OSV_HOSTS = ("api.osv.dev",)
"""Where osv.dev answers (google.github.io/osv.dev/api)."""
HINT = (
    "mirror the data dumps of osv.dev (https://storage.googleapis.com/osv-vulnerabilities/PyPI/all.zip and .../npm/all.zip) "
    "and name them in `advisories` of settings.toml"
)
"""What to do where there are none, or none that can be read."""
MAX_ADVISORY = 16 * 1024 * 1024
"""Bytes of one advisory; the largest known enumerate thousands of versions and have less than one MiB."""
_MOST_ENTRIES = 50_000
"""Affected packages, versions or events of one advisory that are looked at; more than that is refused."""
_EVENTS = ("fixed", "introduced", "last_affected")
"""Events of one version in the order in which they take effect: one that mends and one that breaks again leave it broken."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,120}", re.ASCII)


class AdvisoryUnreadable(ValueError):
    """What should be an advisory is none; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Versions between events, each (kind of event, version)."""

    events: tuple[tuple[str, str], ...]
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Which versions of one package are affected."""

    ecosystem: Ecosystem
    name: str
    versions: frozenset[str] = frozenset()
    ranges: tuple[Range, ...] = ()
    anything_said: bool = True
    """Whether it names versions or ranges of any kind, also such as cannot be compared with (of a git history)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One advisory. `scores` are CVSS vectors; `word` the database's own judgement ("HIGH"), "" where it gives none."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    modified: str = ""
    withdrawn: bool = False
    scores: tuple[str, ...] = ()
    word: str = ""
    affected: tuple[Affected, ...] = ()


def parse_advisory(data: object) -> Advisory:
    """Read an advisory as its JSON was decoded; packages of other ecosystems are left out. Raises AdvisoryUnreadable."""
    if not isinstance(data, Mapping):
        raise AdvisoryUnreadable("it is not an object")
    name = data.get("id")
    if not isinstance(name, str) or _ID.fullmatch(name) is None:
        raise AdvisoryUnreadable("it has no id")
    modified = data.get("modified")
    if not isinstance(modified, str) or re.match(r"\d{4}-\d\d-\d\d", modified) is None:
        raise AdvisoryUnreadable(f"{name} does not say when it was modified")
    entries = _listed(data, "affected")
    return Advisory(
        id=name,
        aliases=tuple(alias for alias in _listed(data, "aliases") if isinstance(alias, str) and _ID.fullmatch(alias)),
        summary=_text(data.get("summary")) or _text(data.get("details")),
        modified=modified[:30],
        withdrawn=bool(data.get("withdrawn")),
        scores=_scores((data, *(entry for entry in entries if isinstance(entry, Mapping)))),
        word=_word(data),
        affected=tuple(found for entry in entries if (found := _affected(entry)) is not None),
    )


def excerpt(data: Mapping[str, Any], ecosystem: Ecosystem, name: str) -> dict[str, Any]:
    """What of an advisory matters for one package, in the same format."""
    kept = {key: data[key] for key in ("id", "aliases", "modified", "withdrawn", "severity") if key in data}
    kept["summary"] = _text(data.get("summary")) or _text(data.get("details"))
    kept["database_specific"] = {"severity": _word(data)}
    entries = (entry for entry in _listed(data, "affected") if isinstance(entry, Mapping))
    kept["affected"] = [
        {key: entry[key] for key in ("package", "versions", "ranges", "severity") if key in entry}
        for entry in entries
        if _package(entry) == (ecosystem, name)
    ]
    return kept


def _text(value: object) -> str:
    return " ".join(value[:2_000].split())[:300] if isinstance(value, str) else ""


def _word(data: Mapping[str, Any]) -> str:
    specific = data.get("database_specific")
    word = specific.get("severity") if isinstance(specific, Mapping) else None
    return word.upper()[:20] if isinstance(word, str) else ""


def _listed(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > _MOST_ENTRIES:
        raise AdvisoryUnreadable(f'its "{key}" is no list, or too long a one')
    return found


def _scores(places: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    entries = [entry for place in places for entry in _listed(place, "severity")]
    scores = (entry.get("score") for entry in entries if isinstance(entry, Mapping))
    return tuple(dict.fromkeys(score for score in scores if isinstance(score, str) and len(score) <= MAX_NAME))


def _package(entry: Mapping[str, Any]) -> tuple[Ecosystem, str] | None:
    package = entry.get("package")
    if not isinstance(package, Mapping):
        return None
    ecosystem, name = package.get("ecosystem"), package.get("name")
    if not isinstance(ecosystem, str) or not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        return None
    known = next((one for one in Ecosystem if ecosystem.partition(":")[0] == one.value), None)
    return None if known is None else (known, package_name(known, name))


def _affected(entry: object) -> Affected | None:
    found = _package(entry) if isinstance(entry, Mapping) else None
    if found is None or not isinstance(entry, Mapping):
        return None
    versions, ranges = _listed(entry, "versions"), _listed(entry, "ranges")
    return Affected(
        ecosystem=found[0],
        name=found[1],
        versions=frozenset(version for version in versions if isinstance(version, str)),
        ranges=tuple(_range(one) for one in ranges if isinstance(one, Mapping) and one.get("type") in ("ECOSYSTEM", "SEMVER")),
        anything_said=bool(versions or ranges),
    )


def _range(data: Mapping[str, Any]) -> Range:
    events: list[tuple[str, str]] = []
    limits: list[str] = []
    for event in _listed(data, "events"):
        for kind, version in event.items() if isinstance(event, Mapping) else ():
            if not isinstance(version, str) or kind not in (*_EVENTS, "limit"):
                raise AdvisoryUnreadable(f"an event {str(kind)[:40]!r} that is not known")
            if kind == "limit":
                limits.append(version)
            else:
                events.append((kind, version))
    return Range(events=tuple(events), limits=tuple(limits))


def is_affected(advisory: Advisory, one: Component) -> bool:
    """Whether the advisory is about this version (osv-schema, "Evaluation"). What cannot be compared counts as affected, unless
    the advisory enumerates versions and this is none of them; so does a package that it says nothing more about.
    """
    if advisory.withdrawn:
        return False
    return any(_covers(entry, one.version) for entry in advisory.affected if (entry.ecosystem, entry.name) == one.key[:2])


def _covers(entry: Affected, version: str) -> bool:
    order = order_of(entry.ecosystem)
    if not entry.anything_said or version in entry.versions:
        return True
    if entry.versions and any(_equal(order, version, other) for other in entry.versions):
        return True
    for one in entry.ranges:
        try:
            if in_range(one, version, order):
                return True
        except ValueError:
            if not entry.versions:
                return True
    return False


def _equal(order: Order, version: str, other: str) -> bool:
    """Whether both are the same version written otherwise, such as 1.0 and 1.0.0."""
    if version.partition(".")[0].lstrip("vV0") != other.partition(".")[0].lstrip("vV0"):
        return False  # cheap, and true of nearly all
    try:
        return bool(order(version) == order(other))
    except ValueError:
        return False


def in_range(one: Range, version: str, order: Order) -> bool:
    """Whether the version lies between the range's events. Raises ValueError for versions that cannot be compared."""
    own = order(version)
    if one.limits and not any(limit == "*" or own < order(limit) for limit in one.limits):
        return False
    inside = False
    for kind, at in _sorted(one.events, order):
        if kind == "introduced" and (at is None or own >= at):
            inside = True
        elif (own > at if kind == "last_affected" else own >= at) if at is not None else kind == "fixed":
            inside = False
    return inside


def _sorted(events: Iterable[tuple[str, str]], order: Order) -> list[tuple[str, Any]]:
    """The events as (kind, what its version is compared by) in order; "0" is before every version and has None."""
    known = [(kind, None if version == "0" else order(version)) for kind, version in events]
    first = sorted((kind for kind, at in known if at is None), key=_EVENTS.index)
    rest = sorted(((kind, at) for kind, at in known if at is not None), key=lambda event: (event[1], _EVENTS.index(event[0])))
    return [*((kind, None) for kind in first), *rest]


def fixed_version(advisory: Advisory, one: Component) -> str | None:
    """The least version above this one in which it is mended; None where the advisory names none."""
    order = order_of(one.ecosystem)
    entries = [entry for entry in advisory.affected if (entry.ecosystem, entry.name) == one.key[:2]]
    versions = {v for entry in entries for r in entry.ranges for kind, v in r.events if kind == "fixed"}
    found: list[tuple[Any, str]] = []
    for version in versions:
        try:
            if order(version) > order(one.version):
                found.append((order(version), version))
        except ValueError:
            continue
    return min(found, key=lambda pair: pair[0])[1] if found else None
