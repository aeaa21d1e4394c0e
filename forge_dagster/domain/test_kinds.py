"""What kinds of tests a repository has, judged by the names of its files and by text that others have read."""

import posixpath
import re
from collections.abc import Mapping

from forge_dagster.domain.project import Project
from forge_dagster.domain.sources import SOURCE_ENDINGS, is_test

_TEST_FOLDERS = frozenset({"tests", "test", "__tests__", "spec", "specs"})
_FOLDER = "integration"
_PYTHON_TEST = re.compile(r"^(test_.*|.*_tests?|tests?)\.py$")
_SCRIPT_TEST = re.compile(r"[.\-_](test|spec)\.[cm]?[jt]sx?$")
_NAMED = re.compile(r"^(test_integration(_.*)?|.*_integration_tests?)\.py$|\.integration\.(test|spec)\.[cm]?[jt]sx?$")
_BESIDE = re.compile(r"(^|[._-])(helpers?|utils?|fixtures?|mocks?|setup|teardown|config|common|shared)[._-]|\.d\.[cm]?ts$")
"""Scripts in a folder of tests that are none themselves."""


def integration_tests(project: Project) -> tuple[str, ...]:
    """The test files that gate `integration` runs and gate `unit` leaves out, sorted.

    Those are the test files below a folder `integration` that lies in a folder of tests, and those whose name says it:
    `test_integration_*.py`, `*_integration_test.py`, `*.integration.test.ts`. Where a JavaScript suite names its tests in no
    particular way (mocha), each script in the folder counts but those that are plainly there for the others.
    """
    paths = {path for part in (project, *project.parts) for path in part.files if path.endswith(SOURCE_ENDINGS)}
    below = [path for path in paths if _below_integration(path)]
    named = [path for path in paths if _NAMED.search(_name(path))]
    python = [path for path in below if _PYTHON_TEST.search(_name(path))]
    scripts = [path for path in below if not path.endswith(".py")]
    marked = [path for path in scripts if _SCRIPT_TEST.search(_name(path))]
    plain = [path for path in scripts if not _BESIDE.search(_name(path))]
    return tuple(sorted({*named, *python, *(marked or plain)}))


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _below_integration(path: str) -> bool:
    folders = path.split("/")[:-1]
    first = next((number for number, folder in enumerate(folders) if folder in _TEST_FOLDERS), len(folders))
    return _FOLDER in folders[first + 1 :]


_PROPERTY = re.compile(
    r"^[ \t]*(?:import[ \t]+hypothesis\b|from[ \t]+hypothesis[ \t.])"
    r"|(?:\bfrom|\bimport|\brequire\(|\bimport\()[ \t]*[\"'](?:fast-check|@fast-check/[\w-]+)[\"']",
    re.MULTILINE,
)


DESELECTED = "the repository's own options leave out every test that was asked for"
"""What a runner's adapter says where a marker or filter of the repository's configuration left nothing of a selection."""


def has_properties(text: str) -> bool:
    """Whether the text of a test file imports hypothesis or fast-check."""
    return _PROPERTY.search(text) is not None


_SNAPSHOT_FOLDERS = ("__snapshots__", "__image_snapshots__", "snapshots")
_SNAPSHOT_ENDINGS = (".ambr", ".snap", ".snapshot")


def snapshot_places(project: Project) -> Mapping[str, tuple[str, ...]]:
    """Folders in which tests keep snapshots -> the endings that tell them there; no endings: every file is one.

    syrupy, jest and vitest have `__snapshots__` beside the test, pytest-snapshot `snapshots`, pytest-regressions a folder of
    the test file's own name; node's runner and ava put files beside the tests.
    """
    places: dict[str, tuple[str, ...]] = {}
    for path in sorted({path for part in (project, *project.parts) for path in part.files}):
        if not path.endswith(SOURCE_ENDINGS) or not is_test(path):
            continue
        folder, name = posixpath.split(path)
        places[folder] = _SNAPSHOT_ENDINGS
        for inner in (*_SNAPSHOT_FOLDERS, *((name.removesuffix(".py"),) if name.endswith(".py") else ())):
            places.setdefault(posixpath.join(folder, inner), ())
    return {folder: endings for folder, endings in places.items() if endings or not _covered(folder, places)}


def _covered(folder: str, places: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a folder above it is looked into as a whole."""
    above = posixpath.dirname(folder)
    return bool(above) and (places.get(above, ("x",)) == () or _covered(above, places))
