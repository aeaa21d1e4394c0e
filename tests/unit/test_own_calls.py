"""Which runner a JavaScript repository tests by, and how its own scripts call it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import NodeProject, Project
from forge_dagster.tools.tests.built_first import in_members
from forge_dagster.tools.tests.own_calls import OwnCall, own_calls
from forge_dagster.tools.tests.runner_signs import delegates, other_runner, runner_sign

RUNNERS = ("vitest", "jest", "mocha", "node_test", "ava", "tap", "tape", "uvu", "jasmine", "test_script")


def node(scripts: dict[str, str] | None = None, *, dependencies: str = "", directory: str = "", **package: Any) -> NodeProject:
    return NodeProject(
        manager="npm",
        directory=directory,
        package={"scripts": scripts or {}, **package},
        dependencies=frozenset(dependencies.split()),
    )


def chosen(project: Project) -> set[str]:
    return {runner for runner in RUNNERS if runner_sign(project, runner) is not None}


@pytest.mark.parametrize(
    ("script", "runner", "expected"),
    [
        ("vitest run --coverage", "vitest", OwnCall(arguments=("run", "--coverage"))),
        ("pnpm lint && pnpm vitest run", "vitest", OwnCall(arguments=("run",))),
        ("NODE_OPTIONS=--no-warnings npx jest", "jest", OwnCall(variables={"NODE_OPTIONS": "--no-warnings"})),
        ("cross-env A=1 jest --runInBand", "jest", OwnCall(variables={"A": "1"}, arguments=("--runInBand",))),
        (
            "node --experimental-vm-modules node_modules/jest/bin/jest.js -i",
            "jest",
            OwnCall(launcher=("node", "--experimental-vm-modules", "node_modules/jest/bin/jest.js"), arguments=("-i",)),
        ),
        ("react-scripts test", "jest", OwnCall(launcher=("react-scripts", "test"))),
        (
            "nyc --reporter=lcov --reporter text mocha --require test/support/env",
            "mocha",
            OwnCall(wrapper=("nyc", "--reporter=lcov", "--reporter", "text"), arguments=("--require", "test/support/env")),
        ),
        ("c8 --100 node --test", "node_test", OwnCall(wrapper=("c8", "--100"), launcher=("node",), arguments=("--test",))),
        ("c8 -x foo -- mocha", "mocha", OwnCall(wrapper=("c8", "-x", "foo", "--"))),
        ("tsx --test 'test/*.ts'", "node_test", OwnCall(launcher=("tsx",), arguments=("--test", "test/*.ts"))),
        (
            "node --import tsx --test",
            "node_test",
            OwnCall(launcher=("node",), arguments=("--import", "tsx", "--test")),
        ),
        ("borp -C", "node_test", OwnCall(launcher=("borp",), arguments=("-C",))),
        ("bnt --coverage 100", "node_test", OwnCall(launcher=("bnt",), arguments=("--coverage", "100"))),
        ("xo && ava && tsd", "ava", OwnCall()),
        ("nyc tape 'test/**/*.js' | tap-spec", "tape", OwnCall(wrapper=("nyc",), arguments=("test/**/*.js",))),
        ("uvu -r esm test", "uvu", OwnCall(arguments=("-r", "esm", "test"))),
        ("node -r esm test/all.js 1", "test_script", OwnCall(launcher=("node", "-r", "esm"), arguments=("test/all.js", "1"))),
        ("npm run lint && tsx ./a.test.ts", "test_script", OwnCall(launcher=("tsx",), arguments=("./a.test.ts",))),
    ],
)  # fmt: skip
def test_how_a_script_calls_a_runner(script: str, runner: str, expected: OwnCall) -> None:
    (call,) = own_calls(node({"test": script}), runner)
    assert call == OwnCall(
        script="test",
        variables=expected.variables,
        wrapper=expected.wrapper,
        launcher=expected.launcher,
        arguments=expected.arguments,
    )


@pytest.mark.parametrize("script", ["node build.js", "echo jest", "eslint .", "", "vitest-ish", "'unclosed", "c8", "nyc --all"])
def test_what_is_no_call_of_a_runner(script: str) -> None:
    assert all(own_calls(node({"test": script}), runner) == () for runner in RUNNERS)


def test_the_script_called_test_is_followed_to_what_it_runs() -> None:
    scripts = {
        "dev": "vitest --ui",
        "test": "npm run lint && npm run test:unit && npm run test:e2e",
        "lint": "eslint .",
        "test:unit": "vitest run --project unit",
        "test:e2e": "vitest run --project e2e",
        "test:integration": "vitest run --config integration.config.ts",
    }
    assert [call.script for call in own_calls(node(scripts), "vitest")] == ["test:unit"]
    assert [call.script for call in own_calls(node(scripts), "vitest", gate="integration")] == ["test:integration"]


def test_a_script_of_another_name_serves_where_test_does_not_call_the_runner() -> None:
    assert [call.script for call in own_calls(node({"test": "make test", "test-ci": "mocha"}), "mocha")] == ["test-ci"]
    assert own_calls(node({"watch": "mocha -w", "bench": "mocha bench"}), "mocha") == ()


def test_several_calls_of_one_script_are_all_repeated() -> None:
    calls = own_calls(node({"test": "mocha test/a && mocha test/b --exit && mocha test/a"}), "mocha")
    assert [call.arguments for call in calls] == [("test/a",), ("test/b", "--exit")]


def test_a_script_outweighs_a_dependency() -> None:
    assert chosen(Project(node=node({"test": "mocha"}, dependencies="mocha vitest jest"))) == {"mocha"}
    assert chosen(Project(node=node(dependencies="vitest jest"))) == {"vitest", "jest"}
    assert chosen(Project(node=node({"test": "lab"}, dependencies="lab vitest"))) == set()


def test_configuration_and_keys() -> None:
    there = node(dependencies="vitest", jest={"preset": "ts-jest"})
    assert chosen(Project(node=there)) == {"jest"}
    assert chosen(Project(files=(".mocharc.yml",), node=node())) == {"mocha"}
    assert chosen(Project(files=("a/vitest.config.ts",), node=node(directory="a"))) == {"vitest"}
    assert chosen(Project(files=("vitest.config.ts",), node=node(directory="a"))) == set()
    assert chosen(Project(files=("vitest.d.ts",), node=node())) == set()
    assert chosen(Project(node=None)) == set()


@pytest.mark.parametrize(
    "script", ["pnpm -r test", "turbo run test", "npm test --workspaces", "pnpm --filter './packages/*' test"]
)
def test_a_workspace_that_delegates_is_not_tested_at_its_top(script: str) -> None:
    part = Project(node=node({"test": "vitest run"}, directory="packages/a"))
    project = Project(node=node({"test": script}, dependencies="vitest"), parts=(part,))
    assert delegates(project)
    assert chosen(project) == set()
    assert chosen(part) == {"vitest"}
    assert chosen(project.model_copy(update={"parts": ()})) == {"vitest"}


@pytest.mark.parametrize(
    ("project", "named"),
    [
        (node({"test": "xo && lab"}), "lab"),
        (node({"test": "c8 qunit"}), "qunit"),
        (node(dependencies="karma"), "karma"),
        (node({"test": "nyc --silent zora test"}), "zora"),
    ],
)
def test_runners_without_an_adapter_are_named(project: NodeProject, named: str) -> None:
    found = other_runner(Project(node=project))
    assert found is not None
    assert found.startswith(f"{named}: ")


@given(st.dictionaries(st.sampled_from(["test", "test:unit", "ci", "x"]), st.text(max_size=80)), st.sampled_from(RUNNERS))
def test_any_script_is_read(scripts: dict[str, str], runner: str) -> None:
    project = Project(node=node(scripts, dependencies="mocha"))
    for gate in ("unit", "integration"):
        assert len(own_calls(project.node, runner, gate=gate)) <= 5
    runner_sign(project, runner)
    other_runner(project)


@pytest.mark.parametrize(
    ("scripts", "before"),
    [
        (
            {"pretest": "node scripts/get-data.js && node scripts/transform.js", "test": "mocha"},
            (("node", "scripts/transform.js"),),
        ),
        ({"test": "node --no-warnings build.mjs && mocha"}, (("node", "--no-warnings", "build.mjs"),)),
        ({"test": "node test/rebuild-check.js && mocha"}, ()),
        ({"test": "mocha && node build.js"}, ()),
        ({"test": "npm run lint && npm run build && mocha dist", "build": "tsc"}, (("npm", "run", "--silent", "build"),)),
        ({"test": "tsc -p . && mocha dist"}, (("tsc", "-p", "."),)),
        ({"pretest": "yarn compile", "compile": "babel src", "test": "mocha"}, (("npm", "run", "--silent", "compile"),)),
        (
            {"test": "npm run build:cjs && npm run unit", "build:cjs": "x", "unit": "c8 mocha"},
            (("npm", "run", "--silent", "build:cjs"),),
        ),
        ({"test": "tsc --noEmit && eslint . && mocha && npm run build", "build": "tsc"}, ()),
        ({"test": "mocha", "build": "tsc"}, ()),
    ],
)
def test_what_is_built_first(scripts: dict[str, str], before: tuple[tuple[str, ...], ...]) -> None:
    (call,) = own_calls(node(scripts), "mocha")
    assert call.before == before


def test_a_program_that_is_the_test_is_not_what_builds_before_it() -> None:
    (call,) = own_calls(node({"test": "node build-and-test.js"}), "test_script")
    assert (call.arguments, call.before) == (("build-and-test.js",), ())


@pytest.mark.parametrize(
    "command",
    ["pnpm run -r dev:prepare", "pnpm -r dev:prepare", "pnpm -r run dev:prepare", "npm run dev:prepare -ws --if-present"],
)
def test_what_is_built_first_in_all_members(command: str) -> None:
    def member(name: str, *needs: str, scripts: dict[str, str]) -> Project:
        package = {"name": name, "scripts": scripts}
        return Project(
            node=NodeProject(directory=f"packages/{name}", manager="pnpm", package=package, dependencies=frozenset(needs))
        )

    prepare = {"dev:prepare": "x"}
    parts = (
        member("app", "lib", scripts=prepare),
        member("core", scripts=prepare),
        member("docs", scripts={}),
        member("lib", "core", scripts=prepare),
    )
    top = node({"test": f"{command} && pnpm run -r lint && mocha"})
    (call,) = in_members(own_calls(top, "mocha"), Project(node=top, parts=parts))
    folders = [words[1] for words in call.before]
    assert folders == ["--prefix=packages/core", "--prefix=packages/lib", "--prefix=packages/app"]
    assert {(words[0], *words[2:]) for words in call.before} == {("npm", "run", "--silent", "dev:prepare")}


@pytest.mark.parametrize(
    ("scripts", "dependencies", "expected"),
    [
        ({"test": "node test.js"}, "", {"test_script"}),
        ({"test": "node test/index.js"}, "tape", {"tape"}),
        ({"test": "node tests/index.js"}, "uvu", {"uvu"}),
        ({"test": "node test.js", "unit": "mocha"}, "mocha", {"mocha"}),
        ({"test": "npm run unit", "unit": "nyc node test.js", "find": "find lib | xargs mocha"}, "mocha nyc", {"test_script"}),
        ({"test": "node test.js && karma start"}, "", set()),
        ({"test": "node scripts/build.mjs && vitest run"}, "vitest", {"vitest"}),
        ({"test": "node scripts/build.mjs"}, "", set()),
        ({"build": "node test/prepare.js"}, "", set()),
        ({"test:watch": "node test/watch.js"}, "", set()),
    ],
)
def test_a_program_is_a_test_only_where_no_runner_is(scripts: dict[str, str], dependencies: str, expected: set[str]) -> None:
    assert chosen(Project(node=node(scripts, dependencies=dependencies))) == expected
