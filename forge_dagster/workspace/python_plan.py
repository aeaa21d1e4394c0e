"""What to install for a Python project, decided from its files alone. Nothing is executed here."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from forge_dagster.domain.project import PythonProject
from forge_dagster.workspace.detect import READ_LIMIT
from forge_dagster.workspace.requirements import (
    dependency_groups,
    normalised,
    parse_ini,
    poetry_groups,
    poetry_requirement,
    requirement_lines,
    setup_declarations,
    strings,
    table,
)

_FOR_CHECKS = re.compile(
    r"(^|[^a-z])(dev|develop|development|tests?|testing|checks?|qa|ci|lint|linting|types?|typing|mypy|cov|coverage)([^a-z]|$)"
)
"""Extras and requirement files that a project's own checks need, by their usual names."""
_NOT_FOR_CHECKS = re.compile(
    r"doc|example|bench|release|publish|deploy|build|conda|windows|macos|gpu|cuda|constraint|freeze|prod"
)
_DEPENDENCY_TABLES = (
    "uv",
    "poetry",
    "pdm",
    "setuptools",
    "setuptools_scm",
    "hatch",
    "flit",
    "maturin",
    "scikit-build",
    "cibuildwheel",
)
_COMPILED = (
    ".c",
    ".cc",
    ".cpp",
    ".cxx",
    ".h",
    ".hpp",
    ".pyx",
    ".pxd",
    ".rs",
    ".toml",
    "CMakeLists.txt",
    "meson.build",
    "setup.py",
)
_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?)\.py$|(^|/)tests?/([^/]+/)*[^/]+\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlan:
    """How to fill an environment. `wide` are requirements worth having that may conflict; then it is done without them."""

    way: Literal["uv-lock", "install"]
    editable: bool = False
    own_requirements: tuple[str, ...] | None = None
    """What the project itself requires, extras included: enough where it names no build system and cannot be installed."""
    extras: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    wide_files: tuple[str, ...] = ()
    wide_requirements: tuple[str, ...] = ()
    workspace: bool = False
    requires_python: str = ""
    python_version: str = ""
    digest: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is declared at all."""
        return self.way == "install" and not (
            self.editable or self.files or self.requirements or self.wide_files or self.wide_requirements
        )


def has_tests(files: Iterable[str]) -> bool:
    """Whether some file looks like a Python test."""
    return any(_TEST_FILE.search(path) for path in files)


def plan(python: PythonProject, *, root: Path, files: tuple[str, ...]) -> PythonPlan:
    """Read the project at `root` and decide."""
    folder = root / python.directory
    pyproject = python.pyproject
    setup_py, setup_cfg = _text(folder / "setup.py"), _text(folder / "setup.cfg")
    groups = dependency_groups(pyproject)
    extras = {**table(pyproject, "project", "optional-dependencies"), **table(pyproject, "tool", "poetry", "extras")}
    extras |= setup_declarations(setup_py, setup_cfg)[1]
    wide: list[str] = []
    narrow: list[str] = []
    for name, items in groups.items():
        (narrow if _FOR_CHECKS.search(name.lower()) else wide).extend(items)
    for name, declared in poetry_groups(pyproject).items():
        lines = [line for line in (poetry_requirement(key, value) for key, value in declared.items()) if line is not None]
        (narrow if _FOR_CHECKS.search(name.lower()) else wide).extend(lines)
    requirement_files = [name for name in python.requirement_files if not _NOT_FOR_CHECKS.search(name)]
    checking = [name for name in requirement_files if name == "requirements.txt" or _FOR_CHECKS.search(name)]
    narrow += _pipfile(folder) if python.lock_file == "Pipfile.lock" else []
    if not (
        narrow or any(_FOR_CHECKS.search(name.lower()) for name in extras) or len(checking) > ("requirements.txt" in checking)
    ):
        narrow += _tox_requirements(folder)
    found = PythonPlan(
        way="uv-lock" if python.lock_file == "uv.lock" else "install",
        editable=_installable(pyproject, setup_py, setup_cfg),
        own_requirements=_own_requirements(pyproject) if setup_py is None and setup_cfg is None else None,
        extras=tuple(sorted(name for name in extras if _FOR_CHECKS.search(name.lower()))),
        files=tuple(checking),
        requirements=tuple(narrow),
        wide_files=tuple(name for name in requirement_files if name not in checking),
        wide_requirements=tuple(wide),
        workspace=bool(table(pyproject, "tool", "uv", "workspace")),
        requires_python=_requires_python(pyproject, setup_cfg),
        python_version=(_text(folder / ".python-version") or "").strip().split("\n")[0],
    )
    return _with_digest(found, python, folder=folder, files=files)


def _with_digest(found: PythonPlan, python: PythonProject, *, folder: Path, files: tuple[str, ...]) -> PythonPlan:
    digest = hashlib.sha256(repr(found).encode())
    relevant: dict[str, Any] = {
        "build": python.pyproject.get("build-system"),
        "project": {
            k: v for k, v in table(python.pyproject, "project").items() if k not in ("description", "classifiers", "urls")
        },
        "tool": {name: value for name, value in table(python.pyproject, "tool").items() if name in _DEPENDENCY_TABLES},
    }
    digest.update(json.dumps(relevant, sort_keys=True, default=str).encode())
    prefix = f"{python.directory}/" if python.directory else ""
    compiled = [path for path in files if path.startswith(prefix) and path.endswith(_COMPILED)] if found.editable else []
    beside = [python.lock_file or "", "setup.py", "setup.cfg", *found.files, *found.wide_files]
    included = [path for path in files if path.startswith(prefix) and path.endswith((".txt", ".in")) and "requirements" in path]
    sources = {f"{prefix}{name}" for name in beside if name} | set(compiled if _is_compiled(compiled) else ()) | set(included)
    root = folder if not python.directory else Path(str(folder)[: -len(python.directory) - 1])
    for path in sorted(sources):
        digest.update(path.encode("utf-8", "surrogatepass") + b"\0" + hashlib.sha256(_bytes(root / path)).digest())
    return PythonPlan(**{**{name: getattr(found, name) for name in found.__slots__}, "digest": digest.hexdigest()})


def _is_compiled(paths: list[str]) -> bool:
    return any(not path.endswith((".toml", "setup.py")) for path in paths)


def _installable(pyproject: Mapping[str, Any], setup_py: str | None, setup_cfg: str | None) -> bool:
    """Whether the project itself can be installed: it declares itself as a package, and uv or Poetry are not told otherwise."""
    if (
        table(pyproject, "tool", "uv").get("package") is False
        or table(pyproject, "tool", "poetry").get("package-mode") is False
    ):
        return False
    if setup_py is not None or (setup_cfg is not None and parse_ini(setup_cfg).has_section("metadata")):
        return True
    return bool(table(pyproject, "project")) or bool(table(pyproject, "tool", "poetry", "dependencies"))


def _own_requirements(pyproject: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "build-system" in pyproject or not table(pyproject, "project"):
        return None
    extras = table(pyproject, "project", "optional-dependencies")
    chosen = [item for name, items in extras.items() if _FOR_CHECKS.search(name.lower()) for item in strings(items)]
    return (*strings(table(pyproject, "project").get("dependencies")), *chosen)


def _requires_python(pyproject: Mapping[str, Any], setup_cfg: str | None) -> str:
    value = table(pyproject, "project").get("requires-python")
    if isinstance(value, str):
        return value
    poetry = table(pyproject, "tool", "poetry", "dependencies").get("python")
    if isinstance(poetry, str):
        return (poetry_requirement("python", poetry) or "python").removeprefix("python")
    return parse_ini(setup_cfg or "").get("options", "python_requires", fallback="").strip()


def locked_versions(python: PythonProject, folder: Path) -> tuple[str, ...]:
    """Constraints that poetry.lock or pdm.lock in `folder` set, for the packages that they pin to one version only.

    Not part of the plan: parsing a lock takes longer than all else, and its digest is in the plan already.
    """
    lock, pyproject = python.lock_file, python.pyproject
    if lock not in ("poetry.lock", "pdm.lock"):
        return ()
    try:
        packages = tomllib.loads(_text(folder / lock) or "").get("package")
    except (tomllib.TOMLDecodeError, RecursionError):
        return ()
    versions: dict[str, set[str]] = {}
    for package in packages if isinstance(packages, list) else ():
        entry = table({"p": package}, "p")
        name, version = entry.get("name"), entry.get("version")
        if isinstance(name, str) and isinstance(version, str) and re.fullmatch(r"[\w.+!-]+", version) and "source" not in entry:
            versions.setdefault(normalised(name), set()).add(version)
    own = normalised(str(table(pyproject, "project").get("name") or table(pyproject, "tool", "poetry").get("name") or ""))
    return tuple(f"{name}=={min(found)}" for name, found in sorted(versions.items()) if len(found) == 1 and name != own)


def _pipfile(folder: Path) -> list[str]:
    try:
        lock = json.loads(_text(folder / "Pipfile.lock") or "{}")
    except (ValueError, RecursionError):
        return []
    found = []
    for section in ("default", "develop"):
        for name, entry in table(lock, section).items():
            version, markers = table({"e": entry}, "e").get("version"), table({"e": entry}, "e").get("markers")
            if isinstance(version, str):
                found.append(f"{name}{version}" + (f" ; {markers}" if isinstance(markers, str) else ""))
    return found


def _tox_requirements(folder: Path) -> list[str]:
    """[testenv] deps of tox.ini: the only word on test dependencies in many older projects. Conditional ones are left out."""
    deps = parse_ini(_text(folder / "tox.ini") or "").get("testenv", "deps", fallback="") or ""
    found: list[str] = []
    for line in deps.splitlines():
        text = line.strip()
        include = re.fullmatch(r"(?:-r|--requirement)\s*(?:\{toxinidir\}/)?([\w./-]+)", text)
        if include and ".." not in include[1]:
            found.extend(requirement_lines(include[1], lambda name: _text(folder / name) if name else None))
        elif text and not text.startswith(("-", "#", ".")) and "{" not in text and not re.match(r"[\w.,!-]+:\s", text):
            found.append(text)
    return found


def _text(path: Path) -> str | None:
    return _bytes(path).decode("utf-8", "replace") if path.is_file() else None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(READ_LIMIT)
    except OSError:
        return b""
