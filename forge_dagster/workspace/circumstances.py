"""What answers depend on besides the tree: this installation of Forge, its tools, programs on PATH, environments."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from forge_dagster.domain.graph import Job
from forge_dagster.domain.memo import Circumstances
from forge_dagster.domain.settings import Settings
from forge_dagster.ports import Checkout, Environments, Tool

_PROGRAMS = ("git", "node", "npm", "postgres", "pg_config")
"""Programs that answers depend on besides those of the tools themselves."""
_PACKAGE = Path(__file__).parents[1]


def circumstances(
    checkout: Checkout, *, environments: Environments, tools: Mapping[str, Tool], settings: Settings, job: Job
) -> Circumstances:
    """As things are now. Starts no process and installs nothing."""
    project = checkout.project
    digests = {
        f"{language.value}:{part.directory}": environments.digest(language, root=checkout.root, project=part) or "absent"
        for part in (project, *project.parts)
        for language in part.languages
    }
    names = sorted({*_PROGRAMS, *_programs(tools, settings.home)})
    return Circumstances(
        forge=forge_digest(),
        policy=_digest(checkout.policy.model_dump(mode="json")),
        settings=_digest(_of_settings(settings)),
        programs=_digest([sys.version, *(_stamp(shutil.which(name)) for name in names)]),
        environments=digests,
        job=job.value,
    )


def _programs(tools: Mapping[str, Tool], home: Path) -> list[str]:
    """Programs of tools that only PATH has; known from an earlier look by the same Forge, since to ask every tool takes
    longer than all else here.
    """
    record = home / "memo" / f"programs-{forge_digest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return [str(name) for name in json.loads(record.read_text("utf-8"))]
    names = sorted({tool.program for tool in tools.values() if not tool.package})
    with contextlib.suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        for old in record.parent.glob("programs-*.json"):
            old.unlink()
        record.write_text(json.dumps(names), encoding="utf-8")
    return names


@functools.cache
def forge_digest() -> str:
    """Identifies this installation of Forge, the rules and locks of its tools included, by the stamps of its files."""
    stamps = []
    for folder, folders, files in os.walk(_PACKAGE):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        stamps += [_stamp(os.path.join(folder, name)) for name in sorted(files)]  # noqa: PTH118 - hundreds of files
    return _digest(stamps)


def _of_settings(settings: Settings) -> list[object]:
    reviewer = settings.reviewer.model_dump(mode="json") if settings.reviewer is not None else None
    return [reviewer, *(_stamp(str(path)) for path in settings.advisories)]


def _stamp(path: str | None) -> str:
    if path is None:
        return ""
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError:
        return path
    return f"{path} {seen.st_mtime_ns} {seen.st_size}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()
