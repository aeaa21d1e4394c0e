"""Seeds of the JavaScript test runners: jest, mocha, node:test, and what vitest says of snapshots and of flaky tests."""

import json
from typing import Any

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

PRICE = """function total(prices, discount = 0) {
  if (discount > 0) {
    return prices.reduce((a, b) => a + b, -discount);
  }
  return prices.reduce((a, b) => a + b, 0);
}
"""
_ORDER = """let calls = 0;

describe("order", () => {
  it("counts", () => {
    calls += 1;
  });
  it("is first (or [so] it says)", () => {
    %s;
  });
});
"""
"""A test that passes only when it is run alone."""


def node_project(package: dict[str, Any]) -> NodeProject:
    """What Forge knows of a project with this package.json."""
    declared = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    return NodeProject(manager="npm", package=package, dependencies=frozenset(declared))


def files_of(package: dict[str, Any], **files: str) -> dict[str, str]:
    return {
        ".gitignore": "node_modules/\n",
        "package.json": json.dumps(package, indent=2) + "\n",
        **{name.replace("__", "/").replace("_", "."): text for name, text in files.items()},
    }


# --- jest --------------------------------------------------------------------------------------------------------------

JEST_PACKAGE = {"name": "shop", "private": True, "scripts": {"test": "jest --silent"}, "devDependencies": {"jest": "30.5.2"}}
_JEST = {
    **files_of(JEST_PACKAGE),
    "src/price.js": PRICE + "module.exports = { total };\n",
    "src/price.test.js": (
        'const { total } = require("./price");\n\ntest("total", () => {\n  expect(total([1, 2])).toBe(3);\n});\n'
    ),
}
_JEST_FAULTS = """const { total } = require("./price");

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
_SNAPSHOT = """// Jest Snapshot v1, https://jestjs.io/docs/snapshot-testing

exports[`receipt 1`] = `"3 EUR"`;

exports[`receipt of old 1`] = `"2 EUR"`;
"""
_JEST_NODE = node_project(JEST_PACKAGE)

JEST = (
    Seed(tool="jest", case="clean", files=_JEST, node=_JEST_NODE, outcome=PASSED, examined=1),
    Seed(
        tool="jest",
        case="fault",
        files={**_JEST, "src/discount.test.js": _JEST_FAULTS, "src/broken.test.js": 'require("./nowhere");\n'},
        node=_JEST_NODE,
        outcome=FAILED,
        findings=(("src/broken.test.js", 1, "collection-error"), ("src/discount.test.js", 9, "test-failed")),
        examined=3,
    ),
    Seed(
        tool="jest",
        case="flaky",
        files={**_JEST, "src/order.test.js": _ORDER % "expect(calls).toBe(0)"},
        node=_JEST_NODE,
        outcome=FAILED,
        findings=(("src/order.test.js", 8, "test-failed"),),
        examined=3,
    ),
    Seed(
        tool="jest",
        case="obsolete-snapshot",
        files={
            **_JEST,
            "src/receipt.test.js": 'test("receipt", () => {\n  expect("3 EUR").toMatchSnapshot();\n});\n',
            "src/__snapshots__/receipt.test.js.snap": _SNAPSHOT,
        },
        node=_JEST_NODE,
        outcome=PASSED,
        examined=2,
    ),
    Seed(
        tool="jest",
        case="unwritten-snapshot",
        files={**_JEST, "src/receipt.test.js": 'test("receipt", () => {\n  expect("3 EUR").toMatchSnapshot();\n});\n'},
        node=_JEST_NODE,
        outcome=FAILED,
        findings=(("src/receipt.test.js", 2, "test-failed"),),
        examined=2,
    ),
    Seed(
        tool="jest",
        case="no-tests",
        files={name: text for name, text in _JEST.items() if name != "src/price.test.js"},
        node=_JEST_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="jest",
        case="all-skipped",
        files={**_JEST, "src/price.test.js": 'test.skip("total", () => {});\n'},
        node=_JEST_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="jest",
        case="broken-configuration",
        files={**_JEST, "jest.config.js": 'throw new Error("no");\n'},
        node=_JEST_NODE,
        outcome=ERRORED,
        examined=0,
    ),
)

# --- mocha -------------------------------------------------------------------------------------------------------------

MOCHA_PACKAGE = {
    "name": "shop",
    "private": True,
    "scripts": {"test": "mocha --check-leaks 'test/**/*.spec.js' --reporter dot"},
    "devDependencies": {"fast-check": "4.10.2", "mocha": "11.8.0"},
}
_MOCHA = {
    **files_of(MOCHA_PACKAGE),
    "src/price.js": PRICE + "module.exports = { total };\n",
    "test/price.spec.js": (
        'const assert = require("node:assert");\nconst { total } = require("../src/price");\n\n'
        'it("total", () => {\n  assert.equal(total([1, 2]), 3);\n});\n'
    ),
}
_MOCHA_FAULTS = """const assert = require("node:assert");
const { total } = require("../src/price");

describe("discount", () => {
  it("is taken off", () => {
    assert.equal(total([1, 2], 1), 2);
  });
  it("may be more than the price", () => {
    const price = total([1], 2);
    assert.equal(price, 0);
  });
  it.skip("is skipped", () => {});
});

describe("broken", () => {
  before(() => {
    throw new Error("set-up");
  });
  it("never runs", () => {});
});
"""
_PROPERTY = """const fc = require("fast-check");
const { total } = require("../src/price");

it("never exceeds a thousand", () => {
  fc.assert(fc.property(fc.array(fc.nat()), (prices) => total(prices) < 1000));
});
"""
_MOCHA_NODE = node_project(MOCHA_PACKAGE)

MOCHA = (
    Seed(tool="mocha", case="clean", files=_MOCHA, node=_MOCHA_NODE, outcome=PASSED, examined=1),
    Seed(
        tool="mocha",
        case="fault",
        files={**_MOCHA, "test/faults.spec.js": _MOCHA_FAULTS},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=(("test/faults.spec.js", 17, "test-error"), ("test/faults.spec.js", 10, "test-failed")),
        examined=3,
    ),
    Seed(
        tool="mocha",
        case="flaky",
        files={**_MOCHA, "test/order.spec.js": _ORDER % 'require("node:assert").equal(calls, 0)'},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=(("test/order.spec.js", 8, "test-failed"),),
        examined=3,
    ),
    Seed(
        tool="mocha",
        case="counterexample",
        files={**_MOCHA, "test/property.spec.js": _PROPERTY},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=(("test/property.spec.js", 5, "test-failed"),),
        examined=2,
    ),
    Seed(
        tool="mocha",
        case="broken-import",
        files={**_MOCHA, "test/broken.spec.js": 'require("./nowhere");\n'},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=(("test/broken.spec.js", 1, "collection-error"),),
        examined=0,
    ),
    Seed(
        tool="mocha",
        case="no-tests",
        files={name: text for name, text in _MOCHA.items() if name != "test/price.spec.js"},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="mocha",
        case="all-skipped",
        files={**_MOCHA, "test/price.spec.js": 'it.skip("total", () => {});\n'},
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="mocha",
        case="ends-early",
        files={**_MOCHA, "test/z.spec.js": 'it("ends", () => {\n  process.exit(0);\n});\n'},
        node=_MOCHA_NODE,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="mocha",
        case="dry-run",
        files={**_MOCHA, ".mocharc.json": '{"dryRun": true}\n'},
        node=_MOCHA_NODE,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="mocha",
        case="unhandled-error",
        files={
            **_MOCHA,
            "test/late.spec.js": 'after(() => {\n  setTimeout(() => {\n    throw new Error("late");\n  }, 1);\n});\n',
        },
        node=_MOCHA_NODE,
        outcome=FAILED,
        findings=((None, None, "unhandled-error"),),
        examined=1,
    ),
)

# --- node:test ---------------------------------------------------------------------------------------------------------

NODE_PACKAGE = {"name": "shop", "private": True, "type": "module", "scripts": {"test": "node --test"}}
_NODE = {
    **files_of(NODE_PACKAGE),
    "src/price.js": "export " + PRICE,
    "test/price.test.js": (
        'import assert from "node:assert";\nimport { test } from "node:test";\nimport { total } from "../src/price.js";\n\n'
        'test("total", () => {\n  assert.equal(total([1, 2]), 3);\n});\n'
    ),
}
_NODE_FAULTS = """import assert from "node:assert";
import { describe, it, test } from "node:test";
import { total } from "../src/price.js";

describe("discount", () => {
  it("is taken off", () => {
    assert.equal(total([1, 2], 1), 2);
  });
  it("may be more than the price", () => {
    const price = total([1], 2);
    assert.equal(price, 0);
  });
  it.skip("is skipped", () => {});
  it.todo("is to do");
});

test("outer", async (t) => {
  await t.test("inner", () => {
    throw new Error("inner fails");
  });
});
"""
_NODE_NODE = node_project(NODE_PACKAGE)

NODE_TEST = (
    Seed(tool="node_test", case="clean", files=_NODE, node=_NODE_NODE, outcome=PASSED, examined=1),
    Seed(
        tool="node_test",
        case="fault",
        files={**_NODE, "test/discount.test.js": _NODE_FAULTS, "test/z.test.js": 'import "./nowhere.js";\n'},
        node=_NODE_NODE,
        outcome=FAILED,
        findings=(
            ("test/z.test.js", None, "collection-error"),
            ("test/discount.test.js", 11, "test-failed"),
            ("test/discount.test.js", 19, "test-failed"),
        ),
        examined=4,
    ),
    Seed(
        tool="node_test",
        case="flaky",
        files={
            **_NODE,
            "test/order.test.js": 'import assert from "node:assert";\nimport { describe, it } from "node:test";\n'
            + _ORDER % "assert.equal(calls, 0)",
        },
        node=_NODE_NODE,
        outcome=FAILED,
        findings=(("test/order.test.js", 10, "test-failed"),),
        examined=3,
    ),
    Seed(
        tool="node_test",
        case="no-tests",
        files={**_NODE, "test/price.test.js": "// none left\n"},
        node=_NODE_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="node_test",
        case="ends-early",
        files={**_NODE, "test/price.test.js": "process.exit(0);\n" + _NODE["test/price.test.js"]},
        node=_NODE_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="node_test",
        case="all-skipped",
        files={**_NODE, "test/price.test.js": 'import { test } from "node:test";\n\ntest.skip("total", () => {});\n'},
        node=_NODE_NODE,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="node_test",
        case="unhandled-error",
        files={
            **_NODE,
            "test/late.test.js": (
                'import { test } from "node:test";\n\n'
                'test("late", () => {\n  setTimeout(() => {\n    throw new Error("late");\n  }, 10);\n});\n'
            ),
        },
        node=_NODE_NODE,
        outcome=FAILED,
        findings=(("test/late.test.js", 3, "unhandled-error"),),
        examined=2,
    ),
)

# --- vitest ------------------------------------------------------------------------------------------------------------

_VITEST_PACKAGE = {
    "name": "shop",
    "private": True,
    "type": "module",
    "devDependencies": {"vitest": "4.1.10", "@vitest/coverage-v8": "4.1.10"},
}
_VITEST = {
    **files_of(_VITEST_PACKAGE),
    "src/price.js": "export " + PRICE,
    "src/price.test.js": (
        'import { expect, test } from "vitest";\nimport { total } from "./price";\n\n'
        'test("total", () => {\n  expect(total([1, 2])).toBe(3);\n});\n'
    ),
}
VITEST_CLEAN = _VITEST
_VITEST_SNAPSHOT = _SNAPSHOT.replace(
    "// Jest Snapshot v1, https://jestjs.io/docs/snapshot-testing",
    "// Vitest Snapshot v1, https://vitest.dev/guide/snapshot.html",
)
_VITEST_NODE = node_project(_VITEST_PACKAGE)

VITEST = (
    Seed(
        tool="vitest",
        case="flaky",
        files={
            **_VITEST,
            "src/order.test.js": 'import { describe, expect, it } from "vitest";\n' + _ORDER % "expect(calls).toBe(0)",
        },
        node=_VITEST_NODE,
        outcome=FAILED,
        findings=(("src/order.test.js", 9, "test-failed"),),
        examined=3,
    ),
    Seed(
        tool="vitest",
        case="obsolete-snapshot",
        files={
            **_VITEST,
            "src/receipt.test.js": (
                'import { expect, test } from "vitest";\n\ntest("receipt", () => {\n  expect("3 EUR").toMatchSnapshot();\n});\n'
            ),
            "src/__snapshots__/receipt.test.js.snap": _VITEST_SNAPSHOT,
        },
        node=_VITEST_NODE,
        outcome=PASSED,
        examined=2,
    ),
)

SEEDS = (*JEST, *MOCHA, *NODE_TEST, *VITEST)
