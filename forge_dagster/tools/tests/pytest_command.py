"""pytest's command line: what Forge asks besides what the repository configured, and only of plugins that are there.

Coverage is measured by pytest-cov, which every environment with tests has (workspace/python_environments.py adds it where the
repository does not): unlike coverage.py around pytest it also sees what the workers of pytest-xdist execute.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from forge_dagster.domain.project import Project
from forge_dagster.ports import Command, ToolRequest
from forge_dagster.tools.evidence import table
from forge_dagster.tools.tests.python_suites import measured_folders, variables, working_folder

JUNIT = "junit.xml"
COVERAGE = "coverage.json"

_CONFIGURATION = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
_NEEDED_BY_PYTEST = frozenset({"pytest", "pluggy", "iniconfig", "pygments", "packaging", "coverage", "pytest-cov"})
_MARKED = re.compile(r"(?:^|\s)-m[\s=]*(?:'([^']*)'|\"([^\"]*)\"|([^\s'\"]\S*))")
_OPT_IN = re.compile(r"not\s+\w*(?:property|properties|hypothesis|fuzz)\w*")
_REPORTS_JSON = (4, 1)
"""pytest-cov's first version that writes coverage.py's JSON report (its changelog)."""
_KNOWS_NO_COV = (2, 4)
"""pytest-cov's first version that knows --no-cov (its changelog)."""
_WARNINGS = {
    "pytest-cov": ((3, 0), "pytest_cov.plugin.PytestCovWarning"),
    "coverage": ((6, 0), "coverage.exceptions.CoverageWarning"),
}
"""Package -> a version from which its warnings are surely of the class of that name."""
_KNOWS_NO_HEADER = (6, 1)
"""pytest's first version that knows --no-header (its changelog)."""


def command(request: ToolRequest, argv: tuple[str, ...], timeout_s: float) -> Command:
    """A run of pytest in the project's folder."""
    return Command(argv=argv, cwd=working_folder(request), environment=variables(request), timeout_s=timeout_s)


def program(request: ToolRequest) -> tuple[str, ...]:
    """pytest itself, or in coverage.py where pytest loads the very project before pytest-cov can begin to measure."""
    python = request.environment.python if request.environment is not None else None
    if not request.selection.measure or python is None or not loaded_by_pytest(request.project):
        return (str(request.executable),)
    folders = ",".join(measured_folders(request))
    return (str(python), "-m", "coverage", "run", "--branch", f"--source={folders}", "-m", "pytest")


def common(request: ToolRequest, junit: str) -> tuple[str, ...]:
    """What every run of pytest is asked, without the program; `junit` is the name of its report."""
    seed = request.selection.seed
    knows = _at_least(request.version, _KNOWS_NO_HEADER)
    return (
        f"--junitxml={request.report / junit}",
        # xunit1 is the flavour that tells file and line; the cache stays usable (addopts may say --ff), but outside of the tree
        *("-o", "junit_family=xunit1", "-o", "cache_dir=$TMPDIR/pytest-cache"),
        # or pytest would look for a configuration in the folders above the checkout
        *(("-c", "/dev/null", "--rootdir=.") if configured(request.project) is None else ()),
        *("--color=no", *(("--no-header",) if knows else ()), "--tb=auto"),
        *("--maxfail=0", "--continue-on-collection-errors"),
        *_calmed(request),
        *((f"--hypothesis-seed={seed}",) if seed is not None and has(request, "hypothesis") else ()),
    )


def measuring(request: ToolRequest) -> tuple[str, ...]:
    """Options of pytest-cov."""
    if not request.selection.measure or len(program(request)) > 1:
        return unmeasured(request)
    report = "" if reporting(request) else f"json:{request.report / COVERAGE}"
    return (
        *(f"--cov={folder}" for folder in measured_folders(request)),
        "--cov-branch",
        f"--cov-report={report}",
        # the repository's own threshold is about the whole; the coverage gate judges what the change adds
        "--cov-fail-under=0",
    )


def unmeasured(request: ToolRequest) -> tuple[str, ...]:
    """The option by which pytest-cov measures nothing, whatever the configuration says.

    A release that does not know it is installed beside a pluggy whose version looks old: pluggy's own, in a clone without tags.
    """
    version = _version(request, "pytest-cov")
    return () if version and not _at_least(version, _KNOWS_NO_COV) else ("--no-cov",)


def reporting(request: ToolRequest) -> Sequence[Command]:
    """coverage.py's own report, where pytest-cov does not write it: it is too old, or measures nothing."""
    version = _version(request, "pytest-cov")
    python = request.environment.python if request.environment is not None else None
    if not request.selection.measure or python is None:
        return ()
    coverage = (str(python), "-m", "coverage")
    report = command(request, (*coverage, "json", "--ignore-errors", "-o", str(request.report / COVERAGE)), request.timeout_s)
    if len(program(request)) > 1:
        # where the configuration says that data files are named by process; without such files it changes nothing
        return (command(request, (*coverage, "combine", str(request.report)), request.timeout_s), report)
    return (report,) if version and not _at_least(version, _REPORTS_JSON) else ()


def loaded_by_pytest(project: Project) -> bool:
    """Whether pytest imports the project before any plugin can measure that: it is a plugin, or pytest needs it itself."""
    pyproject = project.python.pyproject if project.python is not None else {}
    name = (table(pyproject, "project") or table(pyproject, "tool", "poetry") or {}).get("name")
    places = (("project", "entry-points", "pytest11"), ("tool", "poetry", "plugins", "pytest11"))
    return any(table(pyproject, *keys) for keys in places) or (isinstance(name, str) and name.lower() in _NEEDED_BY_PYTEST)


def serially(request: ToolRequest) -> tuple[str, ...]:
    """Options for one process. A plugin that is not there, or that addopts switches off, does not know its option."""
    return ("-n0",) if has(request, "pytest-xdist") and "no:xdist" not in addopts(request.project) else ()


def opted_in(request: ToolRequest) -> tuple[str, ...]:
    """For gate `property`: pytest's marker expression without the terms that make such tests opt-in ("not property")."""
    found = _MARKED.search(addopts(request.project))
    expression = (found[1] or found[2] or found[3]) if found is not None else ""
    terms = re.split(r"\s+and\s+", expression.strip())
    kept = [term for term in terms if not _OPT_IN.fullmatch(term)]
    if request.selection.gate != "property" or len(kept) == len(terms) or re.search(r"[()]|\bor\b", expression):
        return ()
    return ("-m", " and ".join(kept))


def snapshot_details(request: ToolRequest) -> tuple[str, ...]:
    """The option by which syrupy names the snapshots that it counts."""
    return ("--snapshot-details",) if has(request, "syrupy") and "no:syrupy" not in addopts(request.project) else ()


def has(request: ToolRequest, package: str) -> bool:
    """Whether a package is in the repository's environment."""
    return bool(_version(request, package))


def _version(request: ToolRequest, package: str) -> str:
    return request.environment.versions.get(package, "") if request.environment is not None else ""


def _at_least(version: str, least: tuple[int, int]) -> bool:
    """Whether a version is `least` or later; one that cannot be read is taken for new."""
    numbers = [int(part) for part in version.split(".")[:2] if part.isascii() and part.isdigit()]
    return len(numbers) < 2 or tuple(numbers) >= least


def _calmed(request: ToolRequest) -> tuple[str, ...]:
    """That Forge measures is no fault of the suite: where warnings are errors, those about measuring are left out."""
    options = []
    for package, (least, name) in _WARNINGS.items():
        version = _version(request, package)
        if version and _at_least(version, least):
            options += ["-W", f"ignore::{name}"]
    return tuple(options)


def addopts(project: Project) -> str:
    """Options that pyproject.toml adds to every run, as one text as a shell would have it."""
    values = [options.get("addopts") for options in _options(project)]
    return " ".join(shlex.join(map(str, value)) if isinstance(value, list) else str(value or "") for value in values)


def test_paths(project: Project) -> list[str]:
    """Where pyproject.toml says that tests are; empty: everywhere."""
    values = [options.get("testpaths") for options in _options(project)]
    listed = [value.split() if isinstance(value, str) else value for value in values]
    return [str(path) for value in listed if isinstance(value, list) for path in value]


def _options(project: Project) -> list[Mapping[str, Any]]:
    """pytest's options in pyproject.toml: those of an INI file are not known."""
    pyproject = project.python.pyproject if project.python is not None else {}
    found = (table(pyproject, "tool", "pytest", "ini_options"), table(pyproject, "tool", "pytest"))
    return [options for options in found if options is not None]


def configured(project: Project) -> str | None:
    """The configuration that makes a repository one of pytest's, or None."""
    python = project.python
    if python is None:
        return None
    section = python.pyproject.get("tool")
    if isinstance(section, dict) and "pytest" in section:
        return "pyproject.toml has [tool.pytest]"
    for name in _CONFIGURATION:
        if name in python.configuration_files:
            return f"there is a {name}"
    if "tool:pytest" in python.ini_sections:
        return "setup.cfg has [tool:pytest]"
    return "tox.ini has [pytest]" if "pytest" in python.ini_sections else None
