"""Lock files that change without what they are made from: then it is not said anywhere why other releases are installed."""

import re
from collections.abc import Iterator, Sequence

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.tampering.files import FilePair, name
from forge_dagster.domain.tampering.signs import asks, found
from forge_dagster.domain.tampering.supply import pinned

_MADE = re.compile(
    r"(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|poetry\.lock|uv\.lock|pdm\.lock"
    r"|Pipfile\.lock|pylock[\w.]*\.toml)"
)
"""Locks that a package manager writes; nobody edits them."""
_MANIFEST = re.compile(
    r"(package\.json|pyproject\.toml|Pipfile|setup\.(py|cfg)|pnpm-workspace\.yaml|.*requirements.*\.(in|txt))"
)
_NAMED = 5


def lock_findings(pairs: Sequence[FilePair]) -> Iterator[Finding]:
    """One finding for each lock that takes other releases than the base's though no manifest changes."""
    if any(_MANIFEST.fullmatch(name(pair.path)) or _MANIFEST.fullmatch(name(pair.before)) for pair in pairs):
        return
    for pair in pairs:
        if pair.base is None or pair.head is None or not _MADE.fullmatch(name(pair.path)):
            continue
        releases = _others(pair)
        if releases:
            shown = ", ".join(releases[:_NAMED]) + (f" and {len(releases) - _NAMED} more" if len(releases) > _NAMED else "")
            message = f"the lock takes what the base's does not, and no manifest changes: {shown}"
            fix = "say in the pull request why other releases are installed"
            yield found(asks("lock-alone", message, fix=fix), pair.path)


def _others(pair: FilePair) -> list[str]:
    """Releases that only the head's lock has; of a lock that is neither JSON nor TOML, its new lines."""
    before, after = pinned(pair.base, pair.before), pinned(pair.head, pair.path)
    if before or after:
        return [release for release in after if release not in before]
    known = {line.strip() for line in (pair.base or "").split("\n")}
    return [line.strip()[:80] for line in (pair.head or "").split("\n") if line.strip() and line.strip() not in known]
