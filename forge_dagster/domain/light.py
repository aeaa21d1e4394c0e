"""The light path: a change that touches documents only needs few gates (specification, "Skip on docs-only")."""

from collections.abc import Iterable

from forge_dagster.domain.globs import matches
from forge_dagster.domain.policy_gates import LightSection


def is_light(paths: Iterable[str], light: LightSection) -> bool:
    """Whether a change of these paths takes the light path: all of them are named, and there is one at least."""
    touched = tuple(paths)
    if not touched or not light.gates:
        return False
    return all(any(matches(path, pattern) for pattern in light.paths) for path in touched)
