"""What a repository's own settings leave out of its coverage: generated code, vendored copies of other projects."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_ini, load_json, load_toml
from forge_dagster.domain.globs import matches

SETTINGS = (
    "package.json", ".c8rc", ".c8rc.json", ".nycrc", ".nycrc.json",
    "pyproject.toml", ".coveragerc", "setup.cfg", "tox.ini",
)  # fmt: skip
"""Files beside a project's code that hold them. What a script configures (vitest.config.ts) is not known without running it."""
_MOST = 500


def left_out(path: str, settings: Mapping[str, str]) -> bool:
    """Whether the settings, texts by their paths from the repository's root, leave the file at `path` out.

    Patterns are those of coverage.py's `omit` (coverage.readthedocs.io, "Specifying source files") and of the `exclude` of c8
    and nyc (their READMEs); what cannot be read leaves nothing out.
    """
    for name, text in settings.items():
        folder = posixpath.dirname(name)
        if folder and not path.startswith(f"{folder}/"):
            continue
        own = path[len(folder) + 1 :] if folder else path
        python = posixpath.basename(name) in ("pyproject.toml", ".coveragerc", "setup.cfg", "tox.ini")
        if python == path.endswith(".py") and any(_fits(own, pattern) for pattern in _patterns(name, text)):
            return True
    return False


def _fits(path: str, pattern: str) -> bool:
    pattern = pattern.strip().removeprefix("./")
    if pattern.startswith("*/"):  # coverage.py: at any depth, the top included
        pattern = f"*{pattern}"
    return bool(pattern) and not pattern.startswith("!") and matches(path, f"/{pattern}", below=True)


def _patterns(name: str, text: str) -> Iterator[str]:
    try:
        found = _read(posixpath.basename(name), text)
    except (ValueError, RecursionError):
        return
    listed = found.split("\n") if isinstance(found, str) else found
    yield from (word for word in (listed if isinstance(listed, list) else [])[:_MOST] if isinstance(word, str))


def _read(name: str, text: str) -> object:
    if name == "pyproject.toml":
        return _at(load_toml(text), "tool", "coverage", "run", "omit")
    if name in (".coveragerc", "setup.cfg", "tox.ini"):
        section = "run" if name == ".coveragerc" else "coverage:run"
        return load_ini(text).get(section, {}).get("omit", "").replace(",", "\n")
    data = load_json(text)
    if name != "package.json":
        return _at(data, "exclude")
    return _at(data, "c8", "exclude") or _at(data, "nyc", "exclude")


def _at(data: Any, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data
