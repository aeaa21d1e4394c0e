"""What tox, nox and Hatch install counts as declared."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.workspace.task_runners import Asked, asked_for


def asked(**files: str) -> dict[str, Asked]:
    named = {name.replace("__", "."): text for name, text in files.items()}
    pyproject = tomllib.loads(named.get("pyproject.toml", ""))
    return {each.source: each for each in asked_for(pyproject, named.get)}


def test_tox_ini() -> None:
    found = asked(
        tox__ini="""
[tox]
envlist = py311, lint, docs
[testenv]
deps =
    pytest>=8  ; python_version > "3"
    -r {toxinidir}/requirements/test.txt
    -rmore.txt
    -c constraints.txt
    -e .[fast]
    cov: coverage
    py27: mock
    {[base]deps}
    {env:EXTRA:}
    git+https://example.org/x
extras = test, socks
dependency_groups =
    tests
[testenv:lint]
deps = flake8==7.0
[testenv:docs]
deps = sphinx
[testenv:release]
deps = twine
"""
    )
    assert set(found) == {"tox.ini [testenv]", "tox.ini [testenv:lint]"}
    tests = found["tox.ini [testenv]"]
    assert tests.tests
    assert tests.requirements == ('pytest>=8  ; python_version > "3"', "coverage")
    assert tests.files == ("requirements/test.txt", "more.txt")
    assert tests.extras == ("fast", "test", "socks")
    assert tests.groups == ("tests",)
    assert found["tox.ini [testenv:lint]"].requirements == ("flake8==7.0",)
    assert not found["tox.ini [testenv:lint]"].tests


@pytest.mark.parametrize("where", ["pyproject__toml", "tox__toml"])
def test_native_toml_of_tox(where: str) -> None:
    prefix = "tool.tox." if where == "pyproject__toml" else ""
    text = f"""
[{prefix}env_run_base]
deps = ["pytest", "-r requirements.txt", {{replace = "env"}}]
dependency_groups = ["tests"]
[{prefix}env.typing]
deps = ["mypy==1.10.0"]
[{prefix}env.docs]
deps = ["sphinx"]
"""
    found = list(asked(**{where: text}).values())
    assert [(each.requirements, each.files, each.groups, each.tests) for each in found] == [
        (("pytest",), ("requirements.txt",), ("tests",), True),
        (("mypy==1.10.0",), (), (), False),
    ]


def test_tox_in_other_files() -> None:
    found = asked(
        setup__cfg="[testenv]\ndeps = nose2\n", pyproject__toml='[tool.tox]\nlegacy_tox_ini = "[testenv]\\ndeps = pytest"\n'
    )
    assert [each.requirements for each in found.values()] == [("nose2",), ("pytest",)]


def test_nox() -> None:
    found = asked(
        noxfile__py="""
import nox
DEPS = ["pytest", "trustme"]
@nox.session(python=["3.11"])
def tests(session):
    session.install("-r", "requirements/tests.txt", "--group", "extra", "hypothesis>=6")
    session.install(*DEPS)
    session.install("-e", ".[test]", "-c", "constraints.txt")
    session.install(f"x=={session.python}", "../other")
@nox.session
def lint(session): session.install("ruff==0.5.0")
@nox.session
def docs(session): session.install("sphinx")
def helper(session): session.install("nothing")
"""
    )
    assert set(found) == {"noxfile.py, tests", "noxfile.py, lint"}
    tests = found["noxfile.py, tests"]
    assert (tests.requirements, tests.files) == (("hypothesis>=6", "pytest", "trustme"), ("requirements/tests.txt",))
    assert (tests.extras, tests.groups) == (("test",), ("extra",))
    assert found["noxfile.py, lint"].requirements == ("ruff==0.5.0",)


def test_hatch() -> None:
    text = """
[tool.hatch.envs.default]
dependencies = ["pytest"]
features = ["cli"]
[tool.hatch.envs.lint]
detached = true
dependencies = ["ruff"]
[tool.hatch.envs.hatch-test]
extra-dependencies = ["trustme"]
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
"""
    found = list(asked(pyproject__toml=text).values())
    assert found[0].requirements == ("pytest",)
    assert found[0].extras == ("cli",)
    assert found[1].requirements == ("ruff",)
    assert {"trustme", "pytest", "pytest-mock"} <= set(found[2].requirements)
    assert len(found) == 3
    assert asked(hatch__toml="[envs.test]\ndependencies = ['pytest']\n")["hatch.toml [envs.test]"].tests


@given(st.sampled_from(["tox__ini", "noxfile__py", "setup__cfg", "tox__toml", "hatch__toml"]), st.text(max_size=200))
def test_any_text_is_survived(name: str, text: str) -> None:
    for each in asked(**{name: text}).values():
        assert not any(line.startswith("-") for line in each.requirements)
