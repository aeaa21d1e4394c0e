"""Which changed files the repository's coverage settings leave out: as the base has them, for a change could excuse itself."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from forge_dagster.domain.coverage_settings import SETTINGS, left_out
from forge_dagster.gates.changed_files import regular
from forge_dagster.ports import GateContext


def excluded(context: GateContext) -> frozenset[str]:
    """Paths of the change that are no part of what the repository measures. Raises WorkspaceError where the base is needed and
    cannot be had.
    """
    change, project = context.change, context.project
    parts = (project, *project.parts)
    folders = {found.directory for part in parts for found in (part.python, part.node) if found is not None}
    names = tuple(f"{folder}/{name}".lstrip("/") for folder in sorted(folders) for name in SETTINGS)
    touched = {name for file in change.files for name in (file.path, file.previous_path)}
    opened: AbstractContextManager[Path | None] = nullcontext(context.root)
    if change.base_sha is not None and not touched.isdisjoint(names):
        opened = nullcontext(None) if context.base is None else context.base()
    with opened as root:
        settings = {} if root is None else _texts(root, names)
    return frozenset(file.path for file in change.files if settings and left_out(file.path, settings))


def _texts(root: Path, names: tuple[str, ...]) -> Mapping[str, str]:
    texts = ((name, regular(root, name)[0].decode("utf-8", "replace")) for name in names)
    return {name: text for name, text in texts if text}
