"""What a repository is built from: its third-party components, and the bill of materials that lists them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

MAX_COMPONENTS = 100_000
"""Components read of one repository; the largest known lock files hold some thousands."""
MAX_NAME = 300
"""Characters of a component's name or version (npm allows 214 for a name); a longer one is no package of a registry."""


class Ecosystem(StrEnum):
    """Where packages come from, in the words of the OSV schema (ossf.github.io/osv-schema, "Defined Ecosystems")."""

    PYPI = "PyPI"
    NPM = "npm"


def package_name(ecosystem: Ecosystem, name: str) -> str:
    """The name as its registry compares it: PEP 503 for PyPI; npm's names are compared as they are written."""
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem is Ecosystem.PYPI else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One version of a package that a lock pins, or that is installed. `file` and `line`: where that is written, if anywhere.

    `direct`: whether the project names it itself; None: the lock does not tell. `development`: it is of no use to what ships;
    where that is not known it is taken to ship.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    file: str | None = None
    line: int | None = None
    direct: bool | None = None
    development: bool = False

    @property
    def purl(self) -> str:
        """Its package URL (github.com/package-url/purl-spec, types "pypi" and "npm")."""
        scope, _, name = self.name.rpartition("/")
        where = f"{quote(scope, safe='')}/" if scope else ""
        return f"pkg:{self.ecosystem.lower()}/{where}{quote(name, safe='')}@{quote(self.version, safe='')}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same component wherever it is written."""
        return self.ecosystem.value, self.name, self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What was read of one lock file. `problem`: why it cannot be believed to tell everything; "" where it can.

    `complete`: whether it names all that is installed, down to what its packages need themselves.
    """

    components: tuple[Component, ...] = ()
    problem: str = ""
    complete: bool = True


def component(
    ecosystem: Ecosystem,
    name: object,
    version: object,
    *,
    file: str | None = None,
    line: int | None = None,
    direct: bool | None = None,
    development: bool = False,
) -> Component:
    """A component with its name as the registry compares it. Raises ValueError for what is no name or version at all."""
    if not isinstance(name, str) or not isinstance(version, str) or not name.strip() or not version.strip():
        raise ValueError("a package without a name or a version")
    if len(name) > MAX_NAME or len(version) > MAX_NAME or not (name.isprintable() and version.isprintable()):
        raise ValueError(f"{name[:60]!r} {version[:60]!r} is no package")
    plain = package_name(ecosystem, name.strip())
    return Component(
        ecosystem=ecosystem, name=plain, version=version.strip(), file=file, line=line, direct=direct, development=development
    )


def merged(components: Iterable[Component]) -> tuple[Component, ...]:
    """Each component once, sorted: shipped where any of its places ships it, direct where any names it."""
    found: dict[tuple[str, str, str], Component] = {}
    for one in components:
        known = found.get(one.key)
        if known is None:
            found[one.key] = one
            continue
        direct = True if known.direct or one.direct else known.direct if one.direct is None else one.direct
        place = known if known.file is not None else one
        found[one.key] = replace(place, direct=direct, development=known.development and one.development)
    return tuple(found[key] for key in sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All components of a tree. `problems`: why it may not be all of them. `sources`: where they were read."""

    components: tuple[Component, ...] = ()
    problems: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def ecosystems(self) -> tuple[Ecosystem, ...]:
        """Those that there is a component of."""
        there = {one.ecosystem for one in self.components}
        return tuple(ecosystem for ecosystem in Ecosystem if ecosystem in there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a bill of materials is about."""

    name: str
    version: str = ""
    tools: tuple[str, ...] = ()
    """Programs that made it."""


def cyclonedx(components: Iterable[Component], subject: Subject, *, timestamp: str) -> dict[str, Any]:
    """A bill of materials, CycloneDX 1.6 (cyclonedx.org/docs/1.6/json), without a serial number so that equal trees give equal
    lists. `timestamp` is ISO 8601 in UTC. Development-only components are "excluded" from what ships.
    """
    top: dict[str, Any] = {"type": "application", "bom-ref": "subject", "name": subject.name or "repository"}
    if subject.version:
        top["version"] = subject.version
    listed = merged(components)
    tools = [{"type": "application", "name": name} for name in subject.tools]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": timestamp, "tools": {"components": tools}, "component": top},
        "components": [_entry(one) for one in listed],
        "dependencies": [{"ref": "subject", "dependsOn": [one.purl for one in listed if one.direct]}],
    }


def _entry(one: Component) -> dict[str, Any]:
    group, _, name = one.name.rpartition("/")
    entry: dict[str, Any] = {"type": "library", "bom-ref": one.purl, "name": name, "version": one.version, "purl": one.purl}
    if group:
        entry["group"] = group
    entry["scope"] = "excluded" if one.development else "required"
    if one.direct is not None:
        entry["properties"] = [{"name": "forge:dependency", "value": "direct" if one.direct else "transitive"}]
    if one.file is not None:
        place = {"location": one.file} if one.line is None else {"location": one.file, "line": one.line}
        entry["evidence"] = {"occurrences": [place]}
    return entry
