"""Where an OpenAPI document is looked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.openapi import openapi_document
from forge_dagster.domain.project import NodeProject, Project, PythonProject


def python(*dependencies: str, files: tuple[str, ...] = ()) -> Project:
    return Project(files=files, python=PythonProject(manager="pip", dependencies=frozenset(dependencies)))


@pytest.mark.parametrize(
    "path", ["openapi.json", "openapi.yml", "swagger.yaml", "docs/openapi.yaml", "docs/api/openapi.json", "api/swagger.json"]
)
def test_a_file_at_a_usual_place(path: str) -> None:
    found = openapi_document(Project(files=("README.md", path)), None)
    assert found is not None
    assert (found.path, found.served) == (path, False)
    assert path in found.because


def test_the_root_comes_first() -> None:
    found = openapi_document(Project(files=("docs/openapi.json", "swagger.yml")), None)
    assert found is not None
    assert found.path == "swagger.yml"


@pytest.mark.parametrize(
    ("package", "path"),
    [("fastapi", "/openapi.json"), ("litestar", "/schema/openapi.json"), ("drf-spectacular", "/api/schema/")],
)
def test_a_framework_that_serves_one(package: str, path: str) -> None:
    found = openapi_document(python(package), None)
    assert found is not None
    assert (found.path, found.served) == (path, True)
    assert package in found.because


def test_a_framework_of_javascript() -> None:
    node = NodeProject(manager="npm", dependencies=frozenset({"@nestjs/swagger"}))
    found = openapi_document(Project(node=node), None)
    assert found is not None
    assert found.path == "/api-json"


def test_a_file_counts_before_what_is_served() -> None:
    found = openapi_document(python("fastapi", files=("openapi.yaml",)), None)
    assert found is not None
    assert found.path == "openapi.yaml"


@pytest.mark.parametrize(("setting", "served"), [("spec/v2.yaml", False), ("/v2/openapi.json", True)])
def test_the_policy_has_the_last_word(setting: str, served: bool) -> None:
    found = openapi_document(python("fastapi", files=("openapi.yaml",)), setting)
    assert found is not None
    assert (found.path, found.served) == (setting, served)
    assert "forge.toml" in found.because


@given(st.lists(st.text(min_size=1, max_size=40), max_size=20))
def test_it_never_names_a_file_that_is_not_there(files: list[str]) -> None:
    found = openapi_document(Project(files=tuple(files)), None)
    assert found is None or found.path in files
