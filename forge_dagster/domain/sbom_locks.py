"""Which files pin components, and reading any of them without ever raising."""

import posixpath
from collections.abc import Callable, Mapping

from forge_dagster.domain.sbom import MAX_COMPONENTS, Lock
from forge_dagster.domain.sbom_bun import read_bun_lock
from forge_dagster.domain.sbom_node import read_package_lock, read_pnpm_lock, read_yarn_lock
from forge_dagster.domain.sbom_python import read_pipfile_lock, read_poetry_lock, read_requirements, read_uv_lock

MAX_LOCK = 32 * 1024 * 1024
"""Characters of a lock file that is read; the largest known npm locks have a few million."""
_MAX_TOML = 12 * 1024 * 1024
"""The same for TOML, whose parser is slower."""

NODE_LOCKS: Mapping[str, Callable[[str, str], Lock]] = {
    "npm-shrinkwrap.json": read_package_lock,
    "package-lock.json": read_package_lock,
    "pnpm-lock.yaml": read_pnpm_lock,
    "yarn.lock": read_yarn_lock,
    "bun.lock": read_bun_lock,
}
"""Name -> reader; of those in one folder npm and Forge use the first that is there."""

PYTHON_LOCKS: Mapping[str, Callable[[str, str], Lock]] = {
    "uv.lock": read_uv_lock,
    "poetry.lock": read_poetry_lock,
    "pdm.lock": read_poetry_lock,
    "Pipfile.lock": read_pipfile_lock,
}


def read_lock(path: str, text: str) -> Lock:
    """Read the lock at `path`; any other name is a requirements file. Never raises: what cannot be read is a `problem`."""
    name = posixpath.basename(path)
    reader = NODE_LOCKS.get(name) or PYTHON_LOCKS.get(name) or read_requirements
    limit = _MAX_TOML if name in ("uv.lock", "poetry.lock", "pdm.lock") else MAX_LOCK
    if len(text) > limit:
        return Lock(problem=f"{path} is larger than a lock file can be ({len(text)} characters)")
    if "\0" in text:
        return Lock(problem=f"{path} is no text")
    try:
        found = reader(text, path)
    except RecursionError:
        return Lock(problem=f"{path} cannot be read: it is nested too deeply")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return Lock(problem=f"{path} cannot be read: {str(error)[:200]}")
    if len(found.components) > MAX_COMPONENTS:
        return Lock(problem=f"{path} pins more than {MAX_COMPONENTS} packages")
    return found
