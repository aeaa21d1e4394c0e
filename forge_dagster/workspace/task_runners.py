"""What tox, nox and Hatch install for the environments in which a repository tests itself, read without running anything.

tox.wiki ("Configuration": tox.ini, setup.cfg, tox.toml, pyproject.toml), nox.thea.codes (`session.install`), hatch.pypa.io
("Environment configuration"). What is computed, or holds only under a condition, stays unseen.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from forge_dagster.domain.foreign import load_toml
from forge_dagster.workspace.requirements import FOR_CHECKS, NOT_FOR_CHECKS, parse_ini, strings, table

Read = Callable[[str], str | None]

_FOR_TESTS = re.compile(
    r"^(testenv|env_run_base|default|hatch-test|dev|ci|all)$|(^|[^a-z])(tests?|testing|unit|pytest|py\d*|pypy\d*|cov|coverage)([^a-z]|$)"
)
_CONDITION = re.compile(r"([\w.,!{}-]+):\s+(\S.*)")
_LINE = 300
_HATCH_TEST = ("pytest", "pytest-mock", "pytest-randomly", "pytest-rerunfailures", "pytest-xdist", "coverage-enable-subprocess")
"""What `hatch test` has besides what is declared (hatch.pypa.io, "Testing, Configuration"); no random order by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one environment of a task runner installs. `source` says where that is written; `tests`: it is for running tests."""

    source: str
    tests: bool
    requirements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    requirements: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        """One line of `deps`, or one argument of an installer: a requirement, a file of them, or the project with extras."""
        text = line.replace("{toxinidir}/", "").replace("{tox_root}/", "").strip()[:_LINE]
        include = re.fullmatch(r"(?:-r|--requirement)[\s=]*([\w./-]+)", text)
        own = re.fullmatch(r"(?:-e\s*|--editable[\s=]+)?\.?(?:\[([\w,\s.-]+)\])", text)
        if include and ".." not in include[1] and not include[1].startswith("/"):
            self.files.append(include[1].removeprefix("./"))
        elif own and "." in text.partition("[")[0]:
            self.extras += [name.strip() for name in own[1].split(",")]
        elif text and not text.startswith(("-", "#", ".", "/")) and "{" not in text and "://" not in text:
            self.requirements.append(text)

    def asked(self, source: str, name: str) -> Asked:
        return Asked(
            source=source,
            tests=bool(_FOR_TESTS.search(name.lower())),
            requirements=tuple(dict.fromkeys(self.requirements)),
            files=tuple(dict.fromkeys(self.files)),
            extras=tuple(dict.fromkeys(self.extras)),
            groups=tuple(dict.fromkeys(self.groups)),
        )


def asked_for(pyproject: Mapping[str, Any], read: Read) -> tuple[Asked, ...]:
    """What each environment installs; those that neither test nor check (documents, releases) and empty ones are left out."""
    found = (*_tox(pyproject, read), *_nox(read("noxfile.py") or ""), *_hatch(pyproject, read))
    return tuple(asked for asked in found if asked.requirements or asked.files or asked.extras or asked.groups)


def _wanted(name: str) -> bool:
    lowered = name.lower()
    return not NOT_FOR_CHECKS.search(lowered) and bool(
        FOR_CHECKS.search(lowered) or _FOR_TESTS.search(lowered) or _checks(lowered)
    )


def _checks(name: str) -> bool:
    return bool(re.search(r"style|format|fmt|fix|flake|ruff|black|pyright|typecheck|pre-commit|quality|static|codestyle", name))


# --- tox


def _tox(pyproject: Mapping[str, Any], read: Read) -> Iterator[Asked]:
    legacy = table(pyproject, "tool", "tox").get("legacy_tox_ini")
    for source, text in (
        ("tox.ini", read("tox.ini")),
        ("setup.cfg", read("setup.cfg")),
        ("pyproject.toml", legacy if isinstance(legacy, str) else None),
    ):
        yield from _tox_ini(source, text or "")
    yield from _tox_toml("pyproject.toml [tool.tox", table(pyproject, "tool", "tox"))
    yield from _tox_toml("tox.toml [", _toml(read("tox.toml")))


def _tox_ini(source: str, text: str) -> Iterator[Asked]:
    for section, values in parse_ini(text).items():
        kind, _, name = section.partition(":")
        name = name or "testenv"
        if kind != "testenv" or not _wanted(name):
            continue
        found = _Found()
        for line in values.get("deps", "").splitlines():
            condition = _CONDITION.fullmatch(line.strip())
            if condition is None:
                found.take(line)
            elif re.fullmatch(r"[a-z,]+", condition[1]) and all(_wanted(factor) for factor in condition[1].split(",")):
                found.take(condition[2])
        for option, into in (("extras", found.extras), ("dependency_groups", found.groups)):
            words = re.split(r"[\s,]+", values.get(option, ""))
            into += [word for word in words if re.fullmatch(r"[\w.-]+", word)]
        yield found.asked(f"{source} [{section}]", name)


def _tox_toml(source: str, content: Mapping[str, Any]) -> Iterator[Asked]:
    sections = {"env_run_base": table(content, "env_run_base")}
    sections |= {name: table(content, "env", name) for name in table(content, "env")}
    for name, section in sections.items():
        if not _wanted(name):
            continue
        found = _Found()
        for line in strings(section.get("deps")):
            found.take(line)
        found.extras += strings(section.get("extras"))
        found.groups += strings(section.get("dependency_groups"))
        place = name if name == "env_run_base" else f"env.{name}"
        yield found.asked(f"{source}{'' if source.endswith('[') else '.'}{place}]", name)


# --- nox


def _nox(text: str) -> Iterator[Asked]:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    constants = {
        target.id: _words(statement.value, {})
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for function in module.body:
        if not isinstance(function, ast.FunctionDef) or not function.decorator_list or not _wanted(function.name):
            continue
        found = _Found()
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "install":
                _take_arguments(found, [word for argument in call.args for word in _words(argument, constants)])
        yield found.asked(f"noxfile.py, {function.name}", function.name)


def _words(node: ast.expr, constants: Mapping[str, list[str]]) -> list[str]:
    """The strings that an argument comes to, as far as they are written out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.List | ast.Tuple):
        return [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    if isinstance(node, ast.Starred):
        return _words(node.value, constants)
    return list(constants.get(node.id, ())) if isinstance(node, ast.Name) else []


def _take_arguments(found: _Found, words: list[str]) -> None:
    waiting = ""
    for word in words:
        if waiting:
            if waiting == "--group":
                found.groups.append(word)
            elif waiting in ("-r", "--requirement", "-e", "--editable"):
                found.take(f"{waiting} {word}")
            waiting = ""
        elif word in ("-r", "--requirement", "-e", "--editable", "-c", "--constraint", "--group", "-i", "--index-url"):
            waiting = word
        else:
            found.take(word)


# --- Hatch


def _hatch(pyproject: Mapping[str, Any], read: Read) -> Iterator[Asked]:
    for source, environments in (
        ("pyproject.toml [tool.hatch.envs", table(pyproject, "tool", "hatch", "envs")),
        ("hatch.toml [envs", table(_toml(read("hatch.toml")), "envs")),
    ):
        for name in environments:
            section = table(environments, name)
            if not _wanted(name):
                continue
            found = _Found()
            for key in ("dependencies", "extra-dependencies"):
                for line in strings(section.get(key)):
                    found.take(line)
            if name == "hatch-test" and not section.get("dependencies"):
                found.requirements += [each for each in _HATCH_TEST if each != "pytest-randomly" or section.get("randomize")]
            found.extras += strings(section.get("features"))
            found.groups += strings(section.get("dependency-groups"))
            yield found.asked(f"{source}.{name}]", name)


def _toml(text: str | None) -> Mapping[str, Any]:
    try:
        return load_toml(text or "")
    except tomllib.TOMLDecodeError:
        return {}
