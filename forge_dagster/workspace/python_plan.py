"""What to install for a Python project, decided from its files alone. Nothing is executed here."""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from forge_dagster.domain.foreign import load_json, load_toml
from forge_dagster.domain.project import PythonProject
from forge_dagster.workspace.detect_files import READ_LIMIT, below
from forge_dagster.workspace.requirements import (
    FOR_CHECKS,
    NOT_FOR_CHECKS,
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
from forge_dagster.workspace.task_runners import Asked, asked_for

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
_FOR_TESTS = re.compile(r"(^|[^a-z])(tests?|testing|unit|pytest)([^a-z]|$)")
"""Extras and groups that tests need, by their usual names."""
_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?)\.py$|(^|/)tests?/([^/]+/)*[^/]+\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlan:
    """How to fill an environment. `wide` are requirements worth having that may conflict; then it is done without them.

    `test_` and `lint_requirements` are what tox, nox or Hatch install to run tests and to check: needed, but written for
    environments of their own, so that they may conflict too.
    """

    way: Literal["uv-lock", "install"]
    editable: bool = False
    own_requirements: tuple[str, ...] | None = None
    """What the project itself requires, extras included: enough where it names no build system, or one that cannot install it
    in place (`own_builder`), and so is only put on the path.
    """
    own_builder: bool = False
    extras: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    wide_files: tuple[str, ...] = ()
    wide_requirements: tuple[str, ...] = ()
    test_requirements: tuple[str, ...] = ()
    lint_requirements: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    """What groups named for tests have. Those for developers often hold what documents are built with, and that may want a
    newer Python than the project's own.
    """
    least_extras: tuple[str, ...] = ()
    workspace: bool = False
    requires_python: str = ""
    python_version: str = ""
    digest: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is declared at all."""
        return self.way == "install" and not (
            self.editable
            or self.files
            or self.requirements
            or self.wide_files
            or self.wide_requirements
            or self.test_requirements
            or self.lint_requirements
        )


def has_tests(files: Iterable[str]) -> bool:
    """Whether some file looks like a Python test."""
    return any(_TEST_FILE.search(path) for path in files)


def plan(python: PythonProject, *, root: Path, files: tuple[str, ...]) -> PythonPlan:
    """Read the project at `root` and decide."""
    folder = root / python.directory
    pyproject = python.pyproject
    setup_py, setup_cfg = _text(folder / "setup.py"), _text(folder / "setup.cfg")
    asked = asked_for(pyproject, lambda name: _text(folder / name))
    for_tests = {group for each in asked for group in each.groups}
    locked = python.lock_file == "uv.lock"
    extras = {**table(pyproject, "project", "optional-dependencies"), **table(pyproject, "tool", "poetry", "extras")}
    extras |= setup_declarations(setup_py, setup_cfg)[1]
    named = {normalised(extra) for each in asked for extra in each.extras}
    narrow, wide = _grouped(pyproject, lambda name: name in for_tests or FOR_CHECKS.search(name.lower()) is not None)
    least, _ = _grouped(pyproject, lambda name: _FOR_TESTS.search(name.lower()) is not None)
    narrow += _pipfile(folder) if python.manager == "pip" else []
    requirement_files = [name for name in python.requirement_files if not NOT_FOR_CHECKS.search(name) and not locked]
    checking = [name for name in requirement_files if name == "requirements.txt" or FOR_CHECKS.search(name)]
    found = PythonPlan(
        way="uv-lock" if locked else "install",
        editable=_installable(pyproject, setup_py, setup_cfg),
        own_requirements=_own_requirements(pyproject) if setup_py is None and setup_cfg is None else None,
        own_builder="build-system" in pyproject,
        extras=tuple(sorted(name for name in extras if FOR_CHECKS.search(name.lower()) or normalised(name) in named)),
        files=tuple(checking),
        requirements=tuple(narrow),
        wide_files=tuple(name for name in requirement_files if name not in checking),
        wide_requirements=tuple(wide),
        test_requirements=_asked_lines([each for each in asked if each.tests], folder, checking),
        lint_requirements=_asked_lines([each for each in asked if not each.tests], folder, checking),
        least=tuple(least),
        least_extras=tuple(sorted(name for name in extras if _FOR_TESTS.search(name.lower()))),
        workspace=bool(table(pyproject, "tool", "uv", "workspace")),
        requires_python=_requires_python(pyproject, setup_cfg),
        python_version=(_text(folder / ".python-version") or "").strip().split("\n")[0],
    )
    return _with_digest(found, python, root=root, files=files)


def _grouped(pyproject: Mapping[str, Any], wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """What the declared groups have whose name is `wanted`, and what the others have."""
    narrow: list[str] = []
    wide: list[str] = []
    for name, items in dependency_groups(pyproject).items():
        (narrow if wanted(name) else wide).extend(items)
    for name, declared in poetry_groups(pyproject).items():
        lines = [line for line in (poetry_requirement(key, value) for key, value in declared.items()) if line is not None]
        (narrow if wanted(name) else wide).extend(lines)
    return narrow, wide


def _asked_lines(asked: Iterable[Asked], folder: Path, files: list[str]) -> tuple[str, ...]:
    """The requirements of task runners; what is in `files` is installed with them."""
    found: dict[str, None] = {}
    for each in asked:
        found |= dict.fromkeys(each.requirements)
        for name in each.files:
            if name not in files:
                lines = requirement_lines(name, lambda path: _text(folder / path) if path else None)
                found |= dict.fromkeys(line for line in lines if not line.startswith("."))
    return tuple(found)


def _with_digest(found: PythonPlan, python: PythonProject, *, root: Path, files: tuple[str, ...]) -> PythonPlan:
    digest = hashlib.sha256(repr(found).encode("utf-8", "surrogatepass"))
    relevant: dict[str, Any] = {
        "build": python.pyproject.get("build-system"),
        "project": {
            k: v for k, v in table(python.pyproject, "project").items() if k not in ("description", "classifiers", "urls")
        },
        "tool": {name: value for name, value in table(python.pyproject, "tool").items() if name in _DEPENDENCY_TABLES},
    }
    digest.update(json.dumps(relevant, sort_keys=True, default=str).encode())
    prefix = below(python.directory)
    sources = {
        f"{prefix}{name}" for name in (python.lock_file, "setup.py", "setup.cfg", *found.files, *found.wide_files) if name
    }
    sources.update(python.native_files if found.editable or found.workspace else ())
    if found.way == "install":
        texts = (path for path in files if path.startswith(prefix) and path.endswith((".txt", ".in")))
        sources |= {path for path in texts if "requirements" in path or "constraints" in path}
    for path in sorted(sources):
        digest.update(path.encode("utf-8", "surrogatepass") + b"\0" + hashlib.sha256(_bytes(root / path)).digest())
    return replace(found, digest=digest.hexdigest())


def _installable(pyproject: Mapping[str, Any], setup_py: str | None, setup_cfg: str | None) -> bool:
    """Whether the project itself can be installed: it declares itself as a package, and uv or Poetry are not told otherwise."""
    if (
        table(pyproject, "tool", "uv").get("package") is False
        or table(pyproject, "tool", "poetry").get("package-mode") is False
    ):
        return False
    if setup_py is not None or (setup_cfg is not None and "metadata" in parse_ini(setup_cfg)):
        return True
    return bool(table(pyproject, "project")) or bool(table(pyproject, "tool", "poetry", "dependencies"))


def _own_requirements(pyproject: Mapping[str, Any]) -> tuple[str, ...] | None:
    project, poetry = table(pyproject, "project"), table(pyproject, "tool", "poetry", "dependencies")
    if not project and not poetry:
        return None
    extras = table(project, "optional-dependencies")
    chosen = [item for name, items in extras.items() if FOR_CHECKS.search(name.lower()) for item in strings(items)]
    lines = [poetry_requirement(name, value) for name, value in poetry.items() if name != "python"]
    return (*strings(project.get("dependencies")), *chosen, *(line for line in lines if line is not None))


def _requires_python(pyproject: Mapping[str, Any], setup_cfg: str | None) -> str:
    value = table(pyproject, "project").get("requires-python")
    if isinstance(value, str):
        return value
    poetry = table(pyproject, "tool", "poetry", "dependencies").get("python")
    if isinstance(poetry, str):
        return (poetry_requirement("python", poetry) or "python").removeprefix("python")
    return parse_ini(setup_cfg or "").get("options", {}).get("python_requires", "").strip()


def locked_versions(python: PythonProject, folder: Path) -> tuple[str, ...]:
    """Constraints that poetry.lock or pdm.lock in `folder` set, for the packages that they pin to one version only.

    Not part of the plan: parsing a lock takes longer than all else, and its digest is in the plan already.
    """
    lock, pyproject = python.lock_file, python.pyproject
    if lock not in ("poetry.lock", "pdm.lock"):
        return ()
    try:
        packages = load_toml(_text(folder / lock) or "").get("package")
    except tomllib.TOMLDecodeError:
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
    """What Pipfile.lock pins, else what Pipfile asks for."""
    if not (folder / "Pipfile.lock").is_file():
        return _unlocked_pipfile(_text(folder / "Pipfile") or "")
    try:
        lock = load_json(_text(folder / "Pipfile.lock") or "{}")
    except (ValueError, RecursionError):
        return []
    found = []
    for section in ("default", "develop"):
        for name, entry in table(lock, section).items():
            version, markers = table({"e": entry}, "e").get("version"), table({"e": entry}, "e").get("markers")
            if isinstance(version, str):
                found.append(f"{name}{version}" + (f" ; {markers}" if isinstance(markers, str) else ""))
    return found


def _unlocked_pipfile(text: str) -> list[str]:
    try:
        content = load_toml(text)
    except tomllib.TOMLDecodeError:
        return []
    lines = [
        poetry_requirement(name, value) for part in ("packages", "dev-packages") for name, value in table(content, part).items()
    ]
    return [line for line in lines if line is not None]


def _text(path: Path) -> str | None:
    return _bytes(path).decode("utf-8", "replace") if path.is_file() else None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(READ_LIMIT)
    except OSError:
        return b""
