"""What is product code, by name and by text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.project import NodeProject, Project, PythonProject
from forge_dagster.domain.sources import code_lines, is_test, source_rule

PROJECT = Project(python=PythonProject(manager="uv"), node=NodeProject(directory="web", manager="npm"))


@pytest.mark.parametrize(
    "path",
    [
        "src/shop/price.py",
        "price.py",
        "shop/scripts/run.py",
        "shop/testing/x.py",
        "shop/ab_tests/x.py",
        "contests/x.py",
        "web/src/a.ts",
        "web/a.tsx",
        "lib/build.py",
        "web/index.mjs",
        "web/src/latest.js",
        "web/contest.js",
        "web/src/bench.js",
    ],
)
def test_product_code(path: str) -> None:
    assert source_rule(PROJECT)(path)


@pytest.mark.parametrize(
    "path",
    [
        "tests/helpers.py", "src/shop/tests/x.py", "src/test_price.py", "price_test.py", "conftest.py", "setup.py",
        "noxfile.py", "docs/conf.py", "scripts/release.py", "web/src/a.test.ts", "web/src/__tests__/a.ts",
        "web/vitest.config.ts", "web/types.d.ts", "web/docs/a.js",
        "README.md", "web/.eslintrc.cjs", "benchmarks/a.py", "testing/a.py",
        "typing_tests/a.py", "web/typing-examples/a.ts", "web/test.js", "web/tests.ts", "web/src/test.mjs", "web/a-test.js",
        "web/a_test.cjs", "web/test-a.js", "web/benchmark.js", "web/gulpfile.js", "bench.py",
    ],
)  # fmt: skip
def test_not_product_code(path: str) -> None:
    assert not source_rule(PROJECT)(path)


def test_tests_are_recognised_by_name() -> None:
    assert is_test("a/b.spec.tsx")
    assert is_test("tests.py")
    assert not is_test("src/contest.py")
    assert not is_test("src/latest/x.py")


def test_code_lines_of_python() -> None:
    text = (
        '"""Doc."""\n\nimport a\n\n\n@a.b\ndef f(\n    x,\n):\n    """Doc."""\n    # comment\n    return (\n        x\n    )\n'
    )
    assert code_lines("a.py", text) == {3, 7, 12}


def test_code_lines_of_python_that_does_not_parse() -> None:
    assert code_lines("a.py", "def f(:\n\n# no\n  x\n") == {1, 4}


def test_code_lines_of_typescript() -> None:
    text = (
        "// comment\nimport type { A } from './a';\nexport interface B {\n  c: string;\n}\n/* block\n comment */\n"
        "export type D = { e: number };\nexport function f(x: number) {\n  return x;\n}\n\nconst y = 1; // why\n"
    )
    assert code_lines("a.ts", text) == {9, 10, 13}


@given(st.sampled_from(["a.py", "a.ts"]), st.text(max_size=200) | st.text(alphabet="{}/*'\"#\n ab=()", max_size=80))
def test_code_lines_never_raise(path: str, text: str) -> None:
    assert all(1 <= line <= text.count("\n") + len(text) + 1 for line in code_lines(path, text))
