"""Which tests need services, which hold properties, and where snapshots are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import Project
from forge_dagster.domain.test_kinds import has_properties, integration_tests, snapshot_places


@pytest.mark.parametrize(
    "path",
    [
        "tests/integration/test_db.py",
        "tests/api/integration/deep/db_test.py",
        "pkg/tests/test_integration_db.py",
        "tests/test_integration.py",
        "db_integration_test.py",
        "src/db.integration.test.ts",
        "src/__tests__/integration/db.spec.tsx",
        "test/integration/db.js",
    ],
)
def test_integration_tests(path: str) -> None:
    assert integration_tests(Project(files=(path,))) == (path,)


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_db.py",
        "tests/integration/conftest.py",
        "tests/integration/__init__.py",
        "tests/integration/data.json",
        "src/integration/db.py",
        "src/integration/test_db.py",
        "integration/tests/test_db.py",
        "tests/test_integrations.py",
        "test/integration/test-helpers.js",
        "test/integration/types.d.ts",
    ],
)
def test_other_files(path: str) -> None:
    assert integration_tests(Project(files=(path,))) == ()


def test_where_tests_are_named_only_those_named_so_count() -> None:
    files = ("test/integration/db.test.js", "test/integration/server.js")
    assert integration_tests(Project(files=files)) == ("test/integration/db.test.js",)


def test_tests_of_parts_are_found_and_each_is_told_once() -> None:
    part = Project(files=("web/tests/integration/test_a.py",))
    assert integration_tests(Project(files=part.files, parts=(part,))) == part.files


@given(st.lists(st.text(alphabet="ab/._-integrationtestpyj", max_size=40), max_size=8))
def test_what_is_found_is_among_the_files(files: list[str]) -> None:
    found = integration_tests(Project(files=tuple(files)))
    assert set(found) <= set(files)
    assert list(found) == sorted(set(found))


@pytest.mark.parametrize(
    "text",
    [
        "import hypothesis\n",
        "from hypothesis import given\n",
        "import os\nif True:\n    from hypothesis.stateful import rule\n",
        'import fc from "fast-check";\n',
        "const fc = require('fast-check')\n",
        'import { test } from "@fast-check/vitest"\n',
        'const fc = await import("fast-check");\n',
    ],
)
def test_properties(text: str) -> None:
    assert has_properties(text)


@pytest.mark.parametrize(
    "text", ["# import hypothesis\n", "import hypothesis_jsonschema\n", '"fast-check"\n', "from hypothesisx import y\n", ""]
)
def test_no_properties(text: str) -> None:
    assert not has_properties(text)


def test_places_of_snapshots() -> None:
    places = snapshot_places(Project(files=("src/price.py", "tests/test_price.py", "web/a.test.ts")))
    assert places["tests/__snapshots__"] == places["tests/test_price"] == places["web/__snapshots__"] == ()
    assert ".ambr" in places["tests"]
    assert not any(place.startswith("src") for place in places)
