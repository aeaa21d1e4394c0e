"""How a repository's own scripts and tasks check types is found, and nothing is run to find out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import NodeProject, Project, PythonProject, Task
from forge_dagster.tools.fast.type_scripts import check_scripts, delegates, tsc_calls
from forge_dagster.tools.scripts import leaves, steps
from forge_dagster.tools.tasks import called, python_calls


def scripted(**scripts: str) -> Project:
    named = {name.replace("_", ":"): text for name, text in scripts.items()}
    return Project(files=("src/a.ts",), node=NodeProject(manager="npm", package={"scripts": named}))


def tasked(*commands: str) -> Project:
    tasks = tuple(Task(source="tox.ini [testenv:typing]", text=text) for text in commands)
    return Project(files=("a.py",), python=PythonProject(manager="pip", tasks=tasks))


CALLS = {
    "the script for it comes first": (
        scripted(build="tsc -p tsconfig.build.json", typecheck="tsc -p . && tsc -p test"),
        [("-p", "."), ("-p", "test")],
    ),
    "through other scripts": (
        scripted(
            typecheck="npm run typecheck:src && pnpm run typecheck:test", typecheck_src="tsc", typecheck_test="tsc -p test"
        ),
        [(), ("-p", "test")],
    ),
    "through run-p": (
        scripted(typecheck="run-p typecheck:*", typecheck_a="tsc -p a", typecheck_b="tsc -p b"),
        [("-p", "a"), ("-p", "b")],
    ),
    "what only checks comes before what builds": (scripted(build="tsc", lint="eslint . && tsc --noEmit"), [("--noEmit",)]),
    "a build": (scripted(build="tsc -b"), [("-b",)]),
    "never one that watches": (scripted(dev="tsc --watch", build="tsc -p ."), [("-p", ".")]),
    "never in another folder": (scripted(build="cd packages/a && tsc"), []),
    "the same only once": (scripted(a="tsc -p x", b="npx tsc -p x"), [("-p", "x")]),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls_of_tsc(case: str) -> None:
    project, expected = CALLS[case]
    assert [call.arguments for call in tsc_calls(project)] == expected


SCRIPTS = {
    "vue-tsc": (scripted(type_check="vue-tsc --build"), ["type:check"]),
    "svelte-check after a preparation": (
        scripted(check="svelte-kit sync && svelte-check --tsconfig ./tsconfig.json"),
        ["check"],
    ),
    "astro": (scripted(check="astro check"), ["check"]),
    "a check of something else": (scripted(check="eslint . && tsc"), []),
    "silent programs say nothing that could be believed": (scripted(typecheck="tsd"), []),
    "a plainer script behind one that cannot be read": (scripted(typecheck="tsd", tsc="tsgo"), ["tsc"]),
    "what runs itself ends": (scripted(typecheck="npm run typecheck"), []),
    "no shell could read it": (scripted(typecheck="tsc 'oops"), []),
}


@pytest.mark.parametrize("case", SCRIPTS)
def test_scripts_that_check_types(case: str) -> None:
    project, expected = SCRIPTS[case]
    assert [script.name for script in check_scripts(project)] == expected


def test_a_workspace_that_leaves_it_to_its_packages() -> None:
    package = {"workspaces": ["packages/*"], "scripts": {"typecheck": "pnpm -r run typecheck"}}
    assert delegates(Project(node=NodeProject(manager="npm", package=package))) == "typecheck"
    alone = {"scripts": {"typecheck": "pnpm -r run typecheck"}}
    assert delegates(Project(node=NodeProject(manager="npm", package=alone))) is None


@given(st.dictionaries(st.sampled_from(["typecheck", "a", "b", "check"]), st.text(max_size=60), max_size=4))
def test_no_script_makes_it_raise_or_run_on(scripts: dict[str, str]) -> None:
    project = Project(files=("a.ts",), node=NodeProject(manager="npm", package={"scripts": scripts}))
    assert all(script.steps for script in check_scripts(project))
    assert all(leaf in scripts for name in scripts for leaf in leaves(scripts, name))
    assert steps(scripts, "absent") == ()
    tsc_calls(project)


TASKS = {
    "plain": (("mypy src",), [("src",)]),
    "as a module": (("python -m mypy --strict src tests",), [("--strict", "src", "tests")]),
    "through a runner": (("uv run mypy",), [()]),
    "several in one line": (("ruff check . && mypy a", "mypy b"), [("a",), ("b",)]),
    "in another folder": (("cd sub && mypy .",), []),
    "something else": (("mypyc src",), []),
}


@pytest.mark.parametrize("case", TASKS)
def test_calls_in_tasks(case: str) -> None:
    commands, expected = TASKS[case]
    project = tasked(*commands)
    assert [call.arguments for call in python_calls(project, "mypy")] == expected
    assert (called(project, "mypy") is not None) == bool(expected)
