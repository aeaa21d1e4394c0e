"""Seeds of the test runners and of the build tools."""

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

_PYTEST = {
    ".gitignore": "__pycache__/\n.venv/\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n\n[tool.coverage.run]\nsource = ["shop"]\n',
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/price.py": (
        '"""Prices."""\n\n\ndef total(prices, discount=0):\n'
        "    if discount:\n        return sum(prices) - discount\n    return sum(prices)\n"
    ),
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
_PYTHON = PythonProject(
    manager="pip",
    pyproject={
        "tool": {"pytest": {"ini_options": {"pythonpath": ["src"]}}, "coverage": {"run": {"source": ["shop"]}}},
    },
)
_FAULTS = """import unittest

import pytest

from shop.price import total


class TestDiscount:
    @pytest.mark.parametrize("discount", [0, 1])
    def test_discount(self, discount):
        assert total([1, 2], discount) == 3, "two\\nlines"


class Old(unittest.TestCase):
    def test_old(self):
        self.assertEqual(total([]), 1)


@pytest.fixture
def broken():
    raise ValueError("set-up")


def test_with_broken_fixture(broken):
    pass


@pytest.mark.skip
def test_skipped():
    pass
"""

PYTEST = (
    Seed(tool="pytest", case="clean", files=_PYTEST, python=_PYTHON, outcome=PASSED, examined=1),
    Seed(
        tool="pytest",
        case="fault",
        files={**_PYTEST, "tests/test_faults.py": _FAULTS},
        python=_PYTHON,
        outcome=FAILED,
        findings=(
            ("tests/test_faults.py", 11, "test-failed"),
            ("tests/test_faults.py", 16, "test-failed"),
            ("tests/test_faults.py", 21, "test-error"),
        ),
        examined=5,
    ),
    Seed(
        tool="pytest",
        case="all-skipped",
        files={**_PYTEST, "tests/test_price.py": "import pytest\n\n\n@pytest.mark.skip\ndef test_total():\n    pass\n"},
        python=_PYTHON,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="pytest",
        case="no-tests",
        files={**_PYTEST, "tests/test_price.py": "# none left\n"},
        python=_PYTHON,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="pytest",
        case="broken-conftest",
        files={**_PYTEST, "tests/conftest.py": "import shop\n\nshop.nothing()\n"},
        python=_PYTHON,
        outcome=FAILED,
        findings=(("tests/conftest.py", 3, "conftest"),),
        examined=0,
    ),
    Seed(
        tool="pytest",
        case="ends-early",
        files={**_PYTEST, "tests/test_z.py": "import os\n\n\ndef test_z():\n    os._exit(0)\n"},
        python=_PYTHON,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="pytest",
        case="only-collects",
        files={
            **_PYTEST,
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\naddopts = "--collect-only"\n',
        },
        python=_PYTHON,
        outcome=ERRORED,
        examined=0,
    ),
)

_VITEST = {
    ".gitignore": "node_modules/\n",
    "package.json": (
        '{\n  "name": "shop",\n  "private": true,\n  "type": "module",\n'
        '  "devDependencies": {"vitest": "4.1.10", "@vitest/coverage-v8": "4.1.10"}\n}\n'
    ),
    "src/price.ts": (
        "export function total(prices: number[], discount = 0): number {\n  if (discount > 0) {\n"
        "    return prices.reduce((a, b) => a + b, -discount);\n  }\n  return prices.reduce((a, b) => a + b, 0);\n}\n"
    ),
    "src/price.test.ts": (
        'import { expect, test } from "vitest";\nimport { total } from "./price";\n\n'
        'test("total", () => {\n  expect(total([1, 2])).toBe(3);\n});\n'
    ),
}
_NODE = NodeProject(
    manager="npm",
    package={"name": "shop", "devDependencies": {"vitest": "4.1.10", "@vitest/coverage-v8": "4.1.10"}},
    dependencies=frozenset({"vitest", "@vitest/coverage-v8"}),
)
_VITEST_FAULTS = """import { describe, expect, it } from "vitest";
import { total } from "./price";

describe("discount", () => {
  it("is taken off", () => {
    expect(total([1, 2], 1)).toBe(2);
  });
  it("may be more than the price", () => {
    const price = total([1], 2);
    expect(price).toBe(0);
  });
  it.skip("is skipped", () => {});
  it.todo("is to do");
});
"""

VITEST = (
    Seed(tool="vitest", case="clean", files=_VITEST, node=_NODE, outcome=PASSED, examined=1),
    Seed(
        tool="vitest",
        case="fault",
        files={**_VITEST, "src/discount.test.ts": _VITEST_FAULTS, "src/broken.test.ts": 'import "./nowhere";\n'},
        node=_NODE,
        outcome=FAILED,
        findings=(("src/broken.test.ts", None, "collection-error"), ("src/discount.test.ts", 10, "test-failed")),
        examined=3,
    ),
    Seed(
        tool="vitest",
        case="no-tests",
        files={name: text for name, text in _VITEST.items() if name != "src/price.test.ts"},
        node=_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="vitest",
        case="all-skipped",
        files={**_VITEST, "src/price.test.ts": 'import { test } from "vitest";\n\ntest.skip("total", () => {});\n'},
        node=_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="vitest",
        case="unhandled-error",
        files={
            **_VITEST,
            "src/late.test.ts": (
                'import { test } from "vitest";\n\ntest("late", () => {\n  void Promise.reject(new Error("late"));\n});\n'
            ),
        },
        node=_NODE,
        outcome=FAILED,
        findings=((None, None, "unhandled-error"),),
        examined=2,
    ),
)

_BUILD_SYSTEM = {"requires": ["hatchling"], "build-backend": "hatchling.build"}
_PACKAGE = {
    ".gitignore": "__pycache__/\ndist/\n",
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1.0"\n\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    ),
    "src/shop/__init__.py": '"""A shop."""\n',
}
_DECLARED = PythonProject(
    manager="pip", pyproject={"project": {"name": "shop", "version": "1.0"}, "build-system": _BUILD_SYSTEM}
)

PYTHON_BUILD = (
    Seed(tool="python_build", case="clean", files=_PACKAGE, python=_DECLARED, outcome=PASSED, examined=1),
    Seed(
        tool="python_build",
        case="fault",
        files={**_PACKAGE, "pyproject.toml": _PACKAGE["pyproject.toml"].replace('version = "1.0"\n', "")},
        python=_DECLARED,
        outcome=FAILED,
        findings=(("pyproject.toml", 1, "build-failed"),),
        examined=0,
    ),
)

_SITE = {
    ".gitignore": "node_modules/\ndist/\n",
    "package.json": '{\n  "name": "shop",\n  "version": "1.0.0",\n  "scripts": {"build": "node build.mjs"}\n}\n',
    "build.mjs": (
        'import { mkdirSync, writeFileSync } from "node:fs";\n'
        'mkdirSync("dist");\nwriteFileSync("dist/index.html", "<p>shop</p>");\n'
    ),
}
_BUILT = NodeProject(manager="npm", package={"name": "shop", "version": "1.0.0", "scripts": {"build": "node build.mjs"}})

NPM_BUILD = (
    Seed(tool="npm_build", case="clean", files=_SITE, node=_BUILT, outcome=PASSED, examined=2),
    Seed(
        tool="npm_build",
        case="fault",
        files={
            **_SITE,
            "build.mjs": 'console.log("src/price.ts(3,5): error TS2322: no number");\nprocess.exit(2);\n',
            "src/price.ts": "export const price: number = 1;\n",
        },
        node=_BUILT,
        outcome=FAILED,
        findings=(("src/price.ts", 3, "TS2322"),),
        examined=0,
    ),
    Seed(
        tool="npm_build",
        case="missing-script-file",
        files={name: text for name, text in _SITE.items() if name != "build.mjs"},
        node=_BUILT,
        outcome=FAILED,
        findings=((None, None, "build-failed"),),
        examined=0,
    ),
    Seed(
        tool="npm_build",
        case="missing-program",
        files={**_SITE, "package.json": _SITE["package.json"].replace("node build.mjs", "no-such-bundler")},
        node=_BUILT,
        outcome=ERRORED,
        examined=0,
    ),
)

SEEDS = (*PYTEST, *VITEST, *PYTHON_BUILD, *NPM_BUILD)
