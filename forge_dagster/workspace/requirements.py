"""What a Python project declares, read without running anything. Pure, but for files handed in as text."""

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_ini
from forge_dagster.errors import WorkspaceError

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\s\[<>=!~;@(,])")
_SECTION = re.compile(r"^\[([^\]\r\n]+)\]", re.MULTILINE)
_INCLUDE = re.compile(r"^(?:-r|--requirement)[\s=]+(\S+)")
FOR_CHECKS = re.compile(
    r"(^|[^a-z])(dev|develop|development|tests?|testing|checks?|qa|ci|lint|linting|types?|typing|mypy|cov|coverage)([^a-z]|$)"
)
"""Extras, groups and requirement files that a project's own checks need, by their usual names."""
NOT_FOR_CHECKS = re.compile(
    r"doc|example|bench|release|publish|deploy|build|conda|windows|macos|gpu|cuda|constraint|freeze|prod"
)
_INCLUDES = 20
"""Requirement files followed from one to the next, at most."""


def normalised(name: str) -> str:
    """A package's name as PyPA compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: object) -> str | None:
    """The normalised name in a requirement such as `Foo_Bar[extra]>=1; python_version > "3"`, or None."""
    match = _NAME.match(requirement) if isinstance(requirement, str) else None
    return normalised(match[1]) if match else None


def table(value: object, *path: str) -> Mapping[str, Any]:
    """The table at `path` in parsed TOML; an empty one where there is none or something else is in its place."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def strings(value: object) -> tuple[str, ...]:
    """The strings of a list; nothing when it is not a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def dependency_groups(pyproject: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """PEP 735 groups with their includes expanded, and uv's and PDM's older way to write the same."""
    raw = table(pyproject, "dependency-groups")

    def expand(name: str, seen: frozenset[str]) -> tuple[str, ...]:
        found: list[str] = []
        for item in raw.get(name) or () if isinstance(raw.get(name), list) else ():
            if isinstance(item, str):
                found.append(item)
            elif isinstance(item, dict) and isinstance(item.get("include-group"), str) and item["include-group"] not in seen:
                found.extend(expand(item["include-group"], seen | {item["include-group"]}))
        return tuple(found)

    groups = {name: expand(name, frozenset({name})) for name in raw}
    for name, items in table(pyproject, "tool", "pdm", "dev-dependencies").items():
        groups[f"pdm:{name}"] = strings(items)
    legacy = strings(table(pyproject, "tool", "uv").get("dev-dependencies"))
    return groups | ({"uv:dev": legacy} if legacy else {})


def poetry_groups(pyproject: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Poetry's groups beyond the runtime ones: name -> its table of dependencies."""
    poetry = table(pyproject, "tool", "poetry")
    groups = {name: table(poetry, "group", name, "dependencies") for name in table(poetry, "group")}
    if table(poetry, "dev-dependencies"):
        groups.setdefault("dev", table(poetry, "dev-dependencies"))
    return groups


def poetry_requirement(name: str, value: object) -> str | None:
    """Poetry's `name = "^1.2"` as a PEP 508 requirement; None for what has none (a path, a git address)."""
    extras = ""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        names = strings(value.get("extras"))
        extras = f"[{','.join(names)}]" if names else ""
        value = value.get("version")
    if not isinstance(value, str):
        return None
    parts = [_poetry_clause(part.strip()) for part in value.split(",")]
    return None if any(part is None for part in parts) else f"{name}{extras}{','.join(part for part in parts if part)}"


def _poetry_clause(clause: str) -> str | None:
    if clause in ("*", ""):
        return ""
    match = re.fullmatch(r"([~^]?)\s*v?(\d+(?:\.\d+)*)((?:[a-z]+\d*)?)", clause)
    if match is None:
        return clause if re.fullmatch(r"(?:[<>]=?|[=!~]=)\s*[\w.*+!-]+", clause) else _bare(clause)
    sign, version, suffix = match.groups()
    numbers = [int(number) for number in version.split(".")]
    if not sign:
        return f"=={version}{suffix}"
    if sign == "~":
        upper = [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
    else:
        place = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
        upper = [*numbers[:place], numbers[place] + 1]
    return f">={version}{suffix},<{'.'.join(map(str, upper))}"


def _bare(clause: str) -> str | None:
    return f"=={clause}" if re.fullmatch(r"\d+(?:\.\d+)*\.\*", clause) else None


def setup_declarations(setup_py: str | None, setup_cfg: str | None) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """(requirements, extras) that setup.py writes as literals and setup.cfg as lists. What is computed stays unseen."""
    requires: list[str] = []
    extras: dict[str, tuple[str, ...]] = {}
    for keyword in _setup_keywords(setup_py or ""):
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if keyword.arg in ("install_requires", "tests_require"):
            requires.extend(strings(value) if isinstance(value, list) else str(value).splitlines())
        elif keyword.arg == "extras_require" and isinstance(value, dict):
            extras |= {str(name): strings(items) for name, items in value.items()}
    sections = parse_ini(setup_cfg or "")
    for option in ("install_requires", "tests_require"):
        requires.extend(sections.get("options", {}).get(option, "").split("\n"))
    extras |= {name: tuple(text.split("\n")) for name, text in sections.get("options.extras_require", {}).items()}
    return tuple(requires), extras


def _setup_keywords(text: str) -> list[ast.keyword]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    return [
        keyword
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup"
        for keyword in node.keywords
    ]


def parse_ini(text: str) -> Mapping[str, Mapping[str, str]]:
    """Section -> key -> value of an ini file; nothing for one that cannot be parsed."""
    try:
        return load_ini(text)
    except ValueError:
        return {}


def ini_sections(text: str) -> frozenset[str]:
    """Names of the sections, also of a file that is broken elsewhere."""
    return frozenset(name.strip() for name in _SECTION.findall(text))


def requirement_lines(path: str, read: Callable[[str], str | None]) -> tuple[str, ...]:
    """The requirements in a pip requirement file and in those it includes. `read` gives None for what is not in the tree."""
    found: list[str] = []
    waiting, seen = [path], {path}
    while waiting and len(seen) <= _INCLUDES:
        current = waiting.pop(0)
        text = (read(current) or "").replace("\\\n", " ")
        for line in text.splitlines():
            stripped = re.sub(r"(^|\s)#.*", "", line).strip()
            include = _INCLUDE.match(stripped)
            if include:
                other = beside(current, include[1])
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
            elif stripped and not stripped.startswith("-"):
                found.append(stripped)
    return tuple(found)


def checked_requirement(line: str) -> str:
    """A requirement from the package index, as it is written. Raises WorkspaceError for an address, a path or an option."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(line)
    except InvalidRequirement as error:
        raise WorkspaceError(
            f"{line!r} is no requirement that Forge installs", hint="name a package and its version"
        ) from error
    if found.url is not None:
        raise WorkspaceError(f"{line!r} is not on the package index", hint="name a package and its version")
    return str(found)


def beside(path: str, other: str) -> str:
    """The path `other`, as a file at `path` writes it, in the same tree; "" for one outside of it."""
    parts = [*path.split("/")[:-1], *other.split("/")]
    kept: list[str] = []
    for part in parts:
        if part == "..":
            if not kept:
                return ""
            kept.pop()
        elif part not in (".", ""):
            kept.append(part)
    return "/".join(kept)


def names(requirements: Iterable[object]) -> frozenset[str]:
    """The normalised names of these requirements."""
    return frozenset(name for name in map(requirement_name, requirements) if name is not None)


def declared_names(pyproject: Mapping[str, Any]) -> frozenset[str]:
    """Every package that pyproject.toml names: runtime, extras, groups (PEP 735, uv, PDM, Poetry) and Hatch environments."""
    found: list[object] = list(strings(table(pyproject, "project").get("dependencies")))
    for items in table(pyproject, "project", "optional-dependencies").values():
        found.extend(strings(items))
    for group in dependency_groups(pyproject).values():
        found.extend(group)
    found.extend(name for name in table(pyproject, "tool", "poetry", "dependencies") if name != "python")
    for declared in poetry_groups(pyproject).values():
        found.extend(declared)
    for environment in table(pyproject, "tool", "hatch", "envs").values():
        for key in ("dependencies", "extra-dependencies"):
            found.extend(strings(table({"e": environment}, "e").get(key)))
    return names(found)
