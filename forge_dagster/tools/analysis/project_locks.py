"""Which lock files the scanners of gate `sca` are asked about."""

from collections.abc import Iterator

from forge_dagster.domain.project import Project
from forge_dagster.domain.sbom_locks import NODE_LOCKS, PYTHON_LOCKS

_LOCKS = frozenset({*NODE_LOCKS, *PYTHON_LOCKS, "requirements.txt"})


def project_locks(project: Project) -> Iterator[str]:
    """The locks of the repository's projects, and not those of its fixtures."""
    folders = {part.directory for whole in (project, *project.parts) for part in (whole.python, whole.node) if part is not None}
    for path in project.files:
        folder, _, name = path.rpartition("/")
        if folder in folders and name in _LOCKS:
            yield path
