"""Where faults go: files that the repository's own tools look at."""

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from forge_dagster.domain.project import Language, Project
from forge_dagster.domain.sources import is_test, source_rule
from forge_dagster.domain.test_kinds import has_properties, integration_tests

Read = Callable[[str], str | None]
"""Path -> the text of that file; None where it has none that can be read."""

_ENDINGS = {
    Language.PYTHON: (".py",),
    Language.TYPESCRIPT: (".ts", ".mts", ".tsx", ".cts", ".js", ".mjs", ".cjs", ".jsx"),
}
_APART = re.compile(
    r"(^|/)(_?vendor(ed)?|third_party|node_modules|generated|migrations|dist|build|lib|out|coverage|fixtures?|bin|tools)/|[.-]min\."
)
"""Folders that linters and measurements often leave out; used only where there is nothing else."""
_GENERATED = re.compile(r"do not edit|@generated|auto-?generated", re.IGNORECASE)
_SPECIAL = frozenset({"__init__.py", "__main__.py", "_version.py", "version.py", "__about__.py", "setup.py", "conftest.py"})
_LARGEST = 128 * 1024
_MOST = 400
"""Files that are read to choose one."""
_TYPED = (".ts", ".mts", ".cts", ".tsx")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_PYTHON_TEST = re.compile(r"^(test_.*|.*_test|tests?)\.py$")
_LEFT_OUT = re.compile(r"allow_module_level|^\s*pytestmark\b|importorskip|SkipTest|__test__\s*=", re.MULTILINE)
"""What may keep a module's tests from being run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A file that faults are added to, with its text. `package`: it lies in a folder with an `__init__.py`; `declarations`: a
    file of TypeScript's declarations, where all else is JavaScript.
    """

    path: str
    text: str
    package: bool = False
    declarations: str = ""

    @property
    def ending(self) -> str:
        """The ending of its name, with the dot."""
        return posixpath.splitext(self.path)[1]

    def beside(self, name: str) -> str:
        """The path of a file called `name` in the same folder."""
        return _beside(self.path, name)


def _beside(path: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(path), name)


def owner(project: Project, language: Language) -> Project | None:
    """The first project of the repository that is of the language."""
    return next((part for part in (project, *project.parts) if language in part.languages), None)


def files_of(project: Project, part: Project, language: Language) -> tuple[str, ...]:
    """The files of the language that belong to `part` and to no other part of the repository."""
    others = {path for other in project.parts if other is not part for path in other.files} if part is project else set()
    found = part.python if language is Language.PYTHON else part.node
    folder = f"{found.directory}/" if found is not None and found.directory else ""
    return tuple(path for path in part.files_ending(*_ENDINGS[language]) if path.startswith(folder) and path not in others)


def product_site(project: Project, language: Language, read: Read, part: Project | None = None) -> Site | None:
    """The largest hand-written file of product code, where there is TypeScript one of it; else any file of the language.

    `part`: the project of the repository that it is to be of; None: the first of the language.
    """
    part = part or owner(project, language)
    if part is None:
        return None
    every = files_of(project, part, language)
    files = [path for path in every if not path.endswith(_DECLARATIONS)]
    is_source = source_rule(part)
    product = [path for path in files if is_source(path)]
    for some in (_plain(product), product, files):
        typed = [path for path in some if path.endswith(_TYPED)]
        found = _largest(typed or some, read)
        if found is not None:
            declared = [path for path in every if path.endswith(_DECLARATIONS)] if found.ending not in _TYPED else []
            package = _beside(found.path, "__init__.py") in files
            return replace(found, package=package, declarations=min(declared, key=len, default=""))
    return None


def _plain(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if not _APART.search(path) and posixpath.basename(path) not in _SPECIAL]


def _largest(paths: Iterable[str], read: Read) -> Site | None:
    texts = ((path, read(path)) for path in sorted(paths)[:_MOST])
    known = [Site(path=path, text=text) for path, text in texts if text is not None and len(text) <= _LARGEST]
    written = [site for site in known if not _GENERATED.search(site.text[:1_000])]
    return max(written or known, key=lambda site: len(site.text), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSites:
    """A test file of each kind that the repository has, for one language."""

    __test__ = False

    unit: Site | None = None
    property: Site | None = None
    integration: Site | None = None


def test_sites(project: Project, language: Language, read: Read, part: Project | None) -> TestSites:
    """The shortest path of each kind: files by the root are what a suite looks at first. `part` as for product_site."""
    part = part or owner(project, language)
    if part is None:
        return TestSites()
    named = set(integration_tests(project))
    known = []
    for path in sorted(_tests(files_of(project, part, language), language), key=lambda one: (one.count("/"), one))[:_MOST]:
        text = read(path)
        if text is not None and len(text) <= _LARGEST and not (language is Language.PYTHON and _LEFT_OUT.search(text)):
            known.append(Site(path=path, text=text))
    unit = [site for site in known if site.path not in named and _holds_tests(site, language)]
    return TestSites(
        unit=next((site for site in unit if not has_properties(site.text)), next(iter(unit), None)),
        property=next((site for site in unit if has_properties(site.text)), None),
        integration=next((site for site in known if site.path in named), None),
    )


def _tests(paths: Iterable[str], language: Language) -> list[str]:
    if language is Language.PYTHON:
        return [path for path in paths if is_test(path) and _PYTHON_TEST.match(posixpath.basename(path))]
    return [path for path in paths if is_test(path) and ".d." not in path and "test-d." not in path]


def _holds_tests(site: Site, language: Language) -> bool:
    if language is Language.PYTHON:
        return re.search(r"^\s*(async )?def test", site.text, re.MULTILINE) is not None
    return re.search(r"\b(test|it|suite|tape|describe|assert|expect|\w+\.(test|is|equal))\b", site.text) is not None
