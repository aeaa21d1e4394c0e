"""Which files a pre-commit hook sees: the repository's own choice of what a tool is to look at.

Patterns come from the repository and are run by Forge, so only those are followed that cannot keep it busy: no repeated groups,
no back references, few wildcards. Of any other the hook is taken to see everything.
"""

import re
from collections.abc import Sequence

from forge_dagster.domain.project import Hook, Project

_LONGEST = 2_000
"""Characters of a pattern that is followed."""
_WILDCARDS = 2
"""Repetitions in one alternative of a pattern: each multiplies the work by the length of a path."""
_DANGEROUS = re.compile(r"\)\s*[*+{]|\(\?[^:x]|\\[1-9gGkK]|\{|\[[^\]]*(?:\[|--|&&|~~|\|\|)")
MANY = 3_000
"""Files that are given by name; of more than that the tool is left to find them itself."""


def hook_files(project: Project, hook: Hook, endings: Sequence[str], *, directory: str = "") -> tuple[str, ...] | None:
    """The files that the hook is given, relative to `directory`; None where it names no pattern, or none that is followed."""
    if not hook.files and not hook.exclude:
        return None
    wanted, unwanted = _compiled(hook.files), _compiled(hook.exclude)
    if wanted is None or unwanted is None:
        return None
    prefix = f"{directory}/" if directory else ""
    found = []
    for path in project.files_ending(*endings):
        if path.startswith(prefix) and all(p.search(path) for p in wanted) and not any(p.search(path) for p in unwanted):
            found.append(path[len(prefix) :])
    return tuple(found) if found and len(found) <= MANY else None


def _compiled(patterns: Sequence[str]) -> list["re.Pattern[str]"] | None:
    compiled = []
    for pattern in patterns:
        repeated = max(len(re.findall(r"(?<!\\)[*+]", part)) for part in pattern.split("|"))
        if len(pattern) > _LONGEST or _DANGEROUS.search(pattern) or repeated > _WILDCARDS:
            return None
        try:
            compiled.append(re.compile(pattern))
        except (re.error, RecursionError, OverflowError):
            return None
    return compiled
