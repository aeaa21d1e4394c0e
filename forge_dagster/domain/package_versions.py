"""Versions of packages put in order as their registries do."""

import re
from collections.abc import Callable
from typing import Any

from forge_dagster.domain.sbom import Ecosystem

_SEMVER = re.compile(
    r"[v=\s]*(\d{1,40})(?:\.(\d{1,40}))?(?:\.(\d{1,40}))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]*)?\s*", re.ASCII
)
_LIMIT = 300
"""Characters of a version that are looked at."""

Order = Callable[[str], Any]
"""Gives what a version is compared by. Raises ValueError for what is no version."""


def semver_key(version: str) -> Any:
    """What a version of npm is compared by (semver.org, section 11): a prerelease comes before its release, numbers before
    words, the build does not count. Parts that are lacking are 0. Raises ValueError.
    """
    match = _SEMVER.fullmatch(version[:_LIMIT])
    if match is None or len(version) > _LIMIT:
        raise ValueError(f"{version[:60]!r} is no semantic version")
    core = tuple(int(part or 0) for part in match.group(1, 2, 3))
    prerelease = match[4]
    if prerelease is None:
        return core, (1,)
    words = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in prerelease.split("."))
    return core, (0, words)


def pypi_key(version: str) -> Any:
    """What a version of PyPI is compared by (PEP 440). Raises ValueError."""
    from packaging.version import Version

    if len(version) > _LIMIT:
        raise ValueError("a version that long is none")
    return Version(version)


def order_of(ecosystem: Ecosystem) -> Order:
    """How versions of this ecosystem are compared."""
    return pypi_key if ecosystem is Ecosystem.PYPI else semver_key
