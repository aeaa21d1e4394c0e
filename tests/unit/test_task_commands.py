"""What tox, nox, Hatch and others run is read from their files, never computed."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.workspace.task_commands import task_commands

TOX_INI = """\
[testenv:typing]
commands =
    mypy {posargs:src tests}
    pyright \\
        --verifytypes shop
    - flake8 {toxinidir}/src
    py311: black --check .
    python {envtmpdir}/computed.py
[other]
commands = nothing
"""
NOXFILE = """\
import nox

@nox.session
def lint(session):
    session.install("flake8")
    session.run("flake8", "src", external=True)
    session.run("mypy", *TARGETS)
    session.run(name)
"""


def texts(pyproject: Mapping[str, Any] | None = None, **files: str) -> list[str]:
    named = {name.replace("_", "."): text for name, text in files.items()}
    return [task.text for task in task_commands(pyproject or {}, named.get)]


def test_tox_ini() -> None:
    found = texts(tox_ini=TOX_INI)
    assert found == ["mypy src tests", "pyright  --verifytypes shop", "flake8 src", "black --check ."]


def test_tox_in_pyproject() -> None:
    commands = [["mypy"], ["pyright", "--verifytypes", "shop"], ["pytest", {"replace": "posargs"}], "no list"]
    assert texts({"tool": {"tox": {"env": {"typing": {"commands": commands}}}}}) == [
        "mypy",
        "pyright --verifytypes shop",
        "pytest",
    ]
    assert texts({"tool": {"tox": {"legacy_tox_ini": "[testenv]\ncommands = mypy a b\n"}}}) == ["mypy a b"]


def test_nox_hatch_pdm_poe_and_make() -> None:
    assert texts(noxfile_py=NOXFILE) == ["flake8 src"]
    assert texts({"tool": {"hatch": {"envs": {"types": {"scripts": {"check": "mypy src", "all": ["a b", "c"]}}}}}}) == [
        "mypy src",
        "a b",
        "c",
    ]
    assert texts({"tool": {"pdm": {"scripts": {"lint": {"cmd": "flake8 ."}}}, "poe": {"tasks": {"t": "mypy"}}}}) == [
        "flake8 .",
        "mypy",
    ]
    assert texts(Makefile="lint:\n\t@flake8 src\n\tmypy $(TARGETS)\nother: lint\n") == ["flake8 src"]


def test_scripts_and_workflows() -> None:
    script = [
        'export PREFIX=""',
        'export FILES="shop tests"',
        "if x; then PREFIX=venv/bin; fi",
        "${PREFIX}mypy $FILES",
        "$NO ruff",
    ]
    steps = [
        "- run: flake8 src",
        "- name: x",
        "  run: |",
        "    black --check .",
        "    # mypy no",
        "- run: ruff ${{ matrix.x }}",
    ]
    files = {
        "scripts/check": "\n".join(script),
        "scripts/tool.py": "mypy no",
        ".github/workflows/ci.yml": "steps:\n  " + "\n  ".join(steps),
        ".github/workflows/sub.yml": "working-directory: sub\nsteps:\n  - run: mypy no\n",
    }
    found = [task.text for task in task_commands({}, files.get, files)]
    assert found == ["if x; then PREFIX=venv/bin; fi", "mypy shop tests", "flake8 src", "black --check ."]


@given(st.text(max_size=300))
def test_nothing_makes_it_raise(text: str) -> None:
    files = dict.fromkeys(("tox.ini", "setup.cfg", "noxfile.py", "Makefile", "scripts/a", ".github/workflows/a.yml"), text)
    for task in task_commands({"tool": {"tox": text, "hatch": {"envs": text}, "pdm": {"scripts": [text]}}}, files.get, files):
        assert task.text
