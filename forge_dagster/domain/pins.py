"""The versions of tools that .pre-commit-config.yaml pins, as packages: what a hook's repository and tag stand for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from forge_dagster.domain.project import Hook, Language, Project

_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,3}(?:(?:[-.]?(?:a|b|rc|alpha|beta|pre|dev|post|next)[-.]?\d*(?:\.\d+)?)?))", re.ASCII)
_NAME = re.compile(r"((?:@[\w.~-]+/)?[A-Za-z0-9][\w.~-]*)\s*(?:\[[^\]]*\])?\s*(?=$|[<>=!~@;,\s])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A repository of hooks: the package behind it, and whether its tags are the package's versions."""

    package: str
    language: Language
    tagged: bool = True


def _python(package: str) -> _Source:
    return _Source(package=package, language=Language.PYTHON)


def _node(package: str, *, tagged: bool = True) -> _Source:
    return _Source(package=package, language=Language.TYPESCRIPT, tagged=tagged)


_SOURCES = {
    "astral-sh/ruff-pre-commit": _python("ruff"),
    "charliermarsh/ruff-pre-commit": _python("ruff"),
    "psf/black": _python("black"),
    "psf/black-pre-commit-mirror": _python("black"),
    "ambv/black": _python("black"),
    "python/black": _python("black"),
    "pre-commit/mirrors-mypy": _python("mypy"),
    "pycqa/flake8": _python("flake8"),
    "pycqa/bandit": _python("bandit"),
    "pycqa/isort": _python("isort"),
    "pycqa/pylint": _python("pylint"),
    "robertcraigie/pyright-python": _python("pyright"),
    "detachhead/basedpyright-pre-commit-mirror": _python("basedpyright"),
    "seddonym/import-linter": _python("import-linter"),
    "gauge-sh/tach-pre-commit": _python("tach"),
    "returntocorp/semgrep": _python("semgrep"),
    "semgrep/semgrep": _python("semgrep"),
    "semgrep/pre-commit": _python("semgrep"),
    "pre-commit/mirrors-prettier": _node("prettier"),
    "rbubley/mirrors-prettier": _node("prettier"),
    "compwa/prettier-pre-commit": _node("prettier"),
    "pre-commit/mirrors-eslint": _node("eslint"),
    "oxc-project/mirrors-oxlint": _node("oxlint"),
    "oxc-project/mirrors-oxfmt": _node("oxfmt"),
    "biomejs/pre-commit": _node("@biomejs/biome", tagged=False),
}
"""Owner and name of a repository of hooks, lower case -> what it installs. The mirrors tag with the package's own versions;
biomejs/pre-commit asks for the version in additional_dependencies instead (its README).
"""


_BROKEN_BELOW: dict[str, tuple[tuple[int, ...], str]] = {
    "black": ((22, 3), "click<8.1"),  # psf/black#2964
    "flake8": ((5, 0), "importlib-metadata<5"),  # PyCQA/flake8#1701
}
"""Package -> the first release that runs with whatever is current, and what those before it need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a hook installs to run a tool. `requirements` are exact ("ruff==0.11.0"), or empty where `unknown` says why not."""

    package: str
    requirements: tuple[str, ...] = ()
    because: str = ""
    unknown: str = ""


def version_of_rev(rev: str) -> str | None:
    """The version that a tag stands for: "v0.11.0" and "0.11.0" are 0.11.0; None for a commit, a branch or anything else."""
    match = _VERSION.fullmatch(rev.strip())
    return match[1] if match is not None and "." in match[1] else None


def pin_of(project: Project, package: str, language: Language) -> Pin | None:
    """What pre-commit would install for `package`; None where no hook of the repository stands for it."""
    if not package:
        return None
    for hook in project.hooks:
        found = _pin(hook, package, language)
        if found is not None:
            return found
    return None


def _pin(hook: Hook, package: str, language: Language) -> Pin | None:
    place = "/".join(re.split(r"[/:]", hook.repository.rstrip("/").removesuffix(".git"))[-2:]).lower()
    source = _SOURCES.get(place)
    if hook.repository == "local":
        own = _among(hook.additional_dependencies, package)
        if own is None:
            return None
        because = f'the local hook "{hook.id}" of .pre-commit-config.yaml installs it'
        return Pin(package=package, requirements=hook.additional_dependencies, because=because)
    if source is None or source.package != package or source.language is not language:
        return None
    shown = f"{place} {hook.rev}".strip()
    because = f'.pre-commit-config.yaml pins the hook "{hook.id}" of {shown}'
    if _among(hook.additional_dependencies, package) is not None and language is Language.TYPESCRIPT:
        return Pin(package=package, requirements=hook.additional_dependencies, because=because)
    version = version_of_rev(hook.rev) if source.tagged else None
    if version is None:
        unknown = f"{because}, which does not say which version of {package} that is"
        return Pin(package=package, because=because, unknown=unknown)
    exact = f"{package}=={version}" if language is Language.PYTHON else f"{package}@{version}"
    if hook.id == "black-jupyter":
        exact = f"black[jupyter]=={version}"
    requirements = (exact, *hook.additional_dependencies, *_companions(package, version))
    return Pin(package=package, requirements=requirements, because=because)


def _companions(package: str, version: str) -> tuple[str, ...]:
    """What an old release needs beside it, since a later one of what it depends on broke it."""
    first, companion = _BROKEN_BELOW.get(package, ((), ""))
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return (companion,) if numbers < first else ()


def _among(requirements: Iterable[str], package: str) -> str | None:
    for requirement in requirements:
        match = _NAME.match(requirement.strip())
        if match is not None and re.sub(r"[-_.]+", "-", match[1]).lower() == re.sub(r"[-_.]+", "-", package).lower():
            return requirement
    return None
