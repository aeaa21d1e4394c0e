"""Seeds of ava, node-tap, tape, uvu, jasmine, and of tests that are programs without a runner."""

from typing import Any

from forge_dagster.domain.outcomes import Outcome
from tests.support.javascript_seeds import PRICE, files_of, node_project
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED
_SOURCE = PRICE + "module.exports = { total };\n"


def _package(runner: str, version: str, script: str) -> dict[str, Any]:
    declared = {"devDependencies": {runner: version}} if runner else {}
    return {"name": "shop", "private": True, "scripts": {"test": script}, **declared}


def _seeds(tool: str, package: dict[str, Any], test: str, text: str, *others: Seed) -> tuple[Seed, ...]:
    """The clean seed, those that every runner has, and `others`, which stand on the clean one's files."""
    files = {**files_of(package), "src/price.js": _SOURCE, test: text}
    node = node_project(package)
    none = {name: content for name, content in files.items() if name != test}
    nothing = Seed(
        tool=tool, case="no-tests", files=none, node=node, outcome=FAILED, findings=((None, None, "no-tests"),), examined=0
    )
    clean = Seed(tool=tool, case="clean", files=files, node=node, outcome=PASSED, examined=1)
    built = tuple(
        Seed(
            tool=tool,
            case=seed.case,
            files={**files, **seed.files},
            node=node,
            outcome=seed.outcome,
            findings=seed.findings,
            examined=seed.examined,
        )
        for seed in others
    )
    return (clean, nothing, *built)


def _more(
    case: str, files: dict[str, str], outcome: Outcome, *findings: tuple[str | None, int | None, str], examined: int
) -> Seed:
    return Seed(tool="", case=case, files=files, outcome=outcome, findings=findings, examined=examined)


# --- ava ---------------------------------------------------------------------------------------------------------------

_AVA_TEST = (
    'const test = require("ava");\nconst { total } = require("../src/price");\n\n'
    'test("total", (t) => {\n  t.is(total([1, 2]), 3);\n});\n'
)
_AVA_FAULTS = """const test = require("ava");
const { total } = require("../src/price");

test("discount › is taken off", (t) => {
  t.is(total([1, 2], 1), 2);
});
test("discount › may be more than the price", (t) => {
  const price = total([1], 2);
  t.is(price, 0);
});
test.skip("is skipped", (t) => {});
test.todo("is to do");
"""
_AVA_ORDER = """const test = require("ava");
let calls = 0;

test.serial("counts", (t) => {
  calls += 1;
  t.pass();
});
test.serial("is first (or [so] it says)", (t) => {
  t.is(calls, 0);
});
"""
AVA = _seeds(
    "ava",
    _package("ava", "6.4.1", "ava --verbose"),
    "test/price.test.js",
    _AVA_TEST,
    _more(
        "fault",
        {"test/discount.test.js": _AVA_FAULTS, "test/z.test.js": 'require("./nowhere");\n'},
        FAILED,
        ("test/z.test.js", None, "collection-error"),
        ("test/discount.test.js", None, "test-failed"),
        examined=3,
    ),
    _more("flaky", {"test/order.test.js": _AVA_ORDER}, FAILED, ("test/order.test.js", None, "test-failed"), examined=3),
    _more(
        "all-skipped",
        {"test/price.test.js": 'require("ava").skip("total", (t) => {});\n'},
        FAILED,
        (None, None, "no-tests"),
        examined=0,
    ),
    _more(
        "without-a-test",
        {"test/z.test.js": 'console.log("nothing");\n'},
        FAILED,
        ("test/z.test.js", None, "collection-error"),
        examined=1,
    ),
    _more(
        "prints-test-points",
        {"test/z.test.js": 'require("ava")("z", (t) => {\n  console.log("ok 1 - fake");\n  t.fail();\n});\n'},
        FAILED,
        ("test/z.test.js", None, "test-failed"),
        examined=2,
    ),
)

# --- node-tap ----------------------------------------------------------------------------------------------------------

_TAP_TEST = (
    'const t = require("tap");\nconst { total } = require("../src/price");\n\n'
    't.test("total", (t) => {\n  t.equal(total([1, 2]), 3);\n  t.end();\n});\n'
)
_TAP_FAULTS = """const t = require("tap");
const { total } = require("../src/price");

t.test("discount", (t) => {
  t.test("is taken off", (t) => {
    t.equal(total([1, 2], 1), 2);
    t.end();
  });
  t.test("may be more than the price", (t) => {
    const price = total([1], 2);
    t.equal(price, 0);
    t.end();
  });
  t.end();
});
t.test("is skipped", { skip: true }, (t) => t.end());
"""
TAP = _seeds(
    "tap",
    _package("tap", "16.3.10", "tap --jobs=1"),
    "test/price.js",
    _TAP_TEST,
    _more(
        "fault",
        {"test/discount.js": _TAP_FAULTS, "test/z.js": 'require("./nowhere");\n'},
        FAILED,
        ("test/z.js", None, "collection-error"),
        ("test/discount.js", 11, "test-failed"),
        examined=3,
    ),
    _more(
        "all-skipped",
        {"test/price.js": 'require("tap").test("total", { skip: true }, (t) => t.end());\n'},
        FAILED,
        (None, None, "no-tests"),
        examined=0,
    ),
    _more(
        "ends-early",
        {"test/z.js": 'const t = require("tap");\nt.plan(2);\nt.pass("one");\n'},
        FAILED,
        ("test/z.js", None, "unhandled-error"),
        examined=2,
    ),
    _more(
        "prints-test-points",
        {
            "test/z.js": (
                'const t = require("tap");\nconsole.log("ok 1 - fake");\nt.test("z", (t) => {\n  t.fail();\n  t.end();\n});\n'
            )
        },
        FAILED,
        ("test/z.js", 4, "test-failed"),
        examined=3,
    ),
)

# --- tape --------------------------------------------------------------------------------------------------------------

_TAPE_TEST = _TAP_TEST.replace('const t = require("tap")', 'const test = require("tape")').replace("t.test(", "test(")
_TAPE_FAULTS = """const test = require("tape");
const { total } = require("../src/price");

test("discount is taken off", (t) => {
  t.equal(total([1, 2], 1), 2);
  t.end();
});
test("discount may be more than the price", (t) => {
  t.ok(true);
  const price = total([1], 2);
  t.equal(price, 0, "nothing is left");
  t.end();
});
test.skip("is skipped", (t) => t.end());
"""
TAPE = _seeds(
    "tape",
    _package("tape", "5.9.0", "tape 'test/**/*.js' | cat"),
    "test/price.js",
    _TAPE_TEST,
    _more(
        "fault",
        {"test/discount.js": _TAPE_FAULTS},
        FAILED,
        ("test/discount.js", 11, "test-failed"),
        examined=3,
    ),
    _more(
        "broken-import",
        {"test/a.js": 'require("./nowhere");\n'},
        FAILED,
        ("test/a.js", 1, "collection-error"),
        examined=0,
    ),
    _more(
        "throws",
        {"test/z.js": 'require("tape")("z", () => {\n  throw new Error("boom");\n});\n'},
        FAILED,
        ("test/z.js", 2, "unhandled-error"),
        examined=1,
    ),
    _more(
        "all-skipped",
        {"test/price.js": 'require("tape").skip("total", (t) => t.end());\n'},
        FAILED,
        (None, None, "no-tests"),
        examined=0,
    ),
    _more(
        "ends-early",
        {"test/z.js": 'require("tape")("z", () => process.exit(0));\n'},
        FAILED,
        (None, None, "test-failed"),
        examined=2,
    ),
    _more(
        "prints-test-points",
        {"test/z.js": 'require("tape")("z", (t) => {\n  console.log("ok 2 fake");\n  t.end();\n});\n'},
        ERRORED,
        examined=0,
    ),
)

# --- uvu ---------------------------------------------------------------------------------------------------------------

_UVU_TEST = (
    'const { test } = require("uvu");\nconst assert = require("uvu/assert");\nconst { total } = require("../src/price");\n\n'
    'test("total", () => {\n  assert.is(total([1, 2]), 3);\n});\ntest.run();\n'
)
_UVU_FAULTS = """const { suite } = require("uvu");
const assert = require("uvu/assert");
const { total } = require("../src/price");

const discount = suite("discount");
discount("is taken off", () => {
  assert.is(total([1, 2], 1), 2);
});
discount("may be more than the price", () => {
  const price = total([1], 2);
  assert.is(price, 0);
});
discount.skip("is skipped", () => {});
discount.run();
"""
UVU = _seeds(
    "uvu",
    _package("uvu", "0.5.6", "uvu test"),
    "test/price.js",
    _UVU_TEST,
    _more("fault", {"test/discount.js": _UVU_FAULTS}, FAILED, ("test/discount.js", 11, "test-failed"), examined=3),
    _more(
        "broken-import",
        {"test/a.js": 'require("./nowhere");\n'},
        FAILED,
        ("test/a.js", 1, "collection-error"),
        examined=0,
    ),
    _more(
        "all-skipped",
        {"test/price.js": 'const { test } = require("uvu");\ntest.skip("total", () => {});\ntest.run();\n'},
        FAILED,
        (None, None, "no-tests"),
        examined=0,
    ),
    _more(
        "hook-fails",
        {
            "test/z.js": (
                'const { test } = require("uvu");\ntest.before(() => {\n  throw new Error("set-up");\n});\n'
                'test("z", () => {});\ntest.run();\n'
            )
        },
        ERRORED,
        examined=0,
    ),
)
_UVU_ALONE = _package("uvu", "0.5.6", "uvu")
UVU += (
    Seed(
        tool="uvu",
        case="by-the-names-of-tests",
        files={
            **files_of(_UVU_ALONE),
            "src/price.js": _SOURCE,
            "test/price.js": _UVU_TEST,
            "benchmark/run.js": 'throw new Error("no test");\n',
        },
        node=node_project(_UVU_ALONE),
        outcome=PASSED,
        examined=1,
    ),
)

# --- jasmine -----------------------------------------------------------------------------------------------------------

_JASMINE_TEST = 'const { total } = require("../src/price");\n\nit("total", () => {\n  expect(total([1, 2])).toBe(3);\n});\n'
_JASMINE_FAULTS = """const { total } = require("../src/price");

describe("discount", () => {
  it("is taken off", () => {
    expect(total([1, 2], 1)).toBe(2);
  });
  it("may be more than the price", () => {
    const price = total([1], 2);
    expect(price).toBe(0);
  });
  xit("is skipped", () => {});
});

describe("broken", () => {
  beforeAll(() => {
    throw new Error("set-up");
  });
  it("never runs", () => {});
});
"""
_JASMINE_ORDER = """let calls = 0;

describe("order", () => {
  it("counts", () => {
    calls += 1;
  });
  it("is first (or [so] it says)", () => {
    expect(calls).toBe(0);
  });
});
"""
JASMINE = _seeds(
    "jasmine",
    _package("jasmine", "5.13.0", "jasmine --random=false 'spec/**/*[sS]pec.js'"),
    "spec/priceSpec.js",
    _JASMINE_TEST,
    _more(
        "fault",
        {"spec/discountSpec.js": _JASMINE_FAULTS},
        FAILED,
        ("spec/discountSpec.js", 16, "test-error"),
        ("spec/discountSpec.js", 9, "test-failed"),
        ("spec/discountSpec.js", None, "test-failed"),
        examined=4,
    ),
    _more("flaky", {"spec/orderSpec.js": _JASMINE_ORDER}, FAILED, ("spec/orderSpec.js", 8, "test-failed"), examined=3),
    _more(
        "broken-import",
        {"spec/zSpec.js": 'require("./nowhere");\n'},
        FAILED,
        ("spec/zSpec.js", 1, "collection-error"),
        examined=0,
    ),
    _more(
        "focused",
        {"spec/zSpec.js": 'fit("z", () => {\n  expect(1).toBe(1);\n});\n'},
        FAILED,
        (None, None, "unhandled-error"),
        examined=1,
    ),
    _more(
        "all-skipped",
        {"spec/priceSpec.js": 'xit("total", () => {});\n'},
        FAILED,
        (None, None, "no-tests"),
        examined=0,
    ),
)

# --- a program without a runner ------------------------------------------------------------------------------------------

_SCRIPT = _package("", "", "node test/price.js && node test/more.js")
_SCRIPT_TEST = (
    'const assert = require("node:assert");\nconst { total } = require("../src/price");\n\nassert.equal(total([1, 2]), 3);\n'
)
_SCRIPT_MORE = {"test/more.js": 'const { total } = require("../src/price");\nif (total([1], 1) !== 0) process.exit(1);\n'}
_SCRIPT_FILES = {**files_of(_SCRIPT), "src/price.js": _SOURCE, "test/price.js": _SCRIPT_TEST, **_SCRIPT_MORE}
_SCRIPT_NODE = node_project(_SCRIPT)
SCRIPT = (
    Seed(tool="test_script", case="clean", files=_SCRIPT_FILES, node=_SCRIPT_NODE, outcome=PASSED, examined=2),
    Seed(
        tool="test_script",
        case="fault",
        files={**_SCRIPT_FILES, "src/price.js": _SOURCE.replace("-discount", "discount").replace(", 0)", ", 1)")},
        node=_SCRIPT_NODE,
        outcome=FAILED,
        findings=(("test/price.js", 4, "test-failed"), ("test/more.js", None, "test-failed")),
        examined=2,
    ),
    Seed(
        tool="test_script",
        case="broken-import",
        files={**_SCRIPT_FILES, "test/more.js": 'require("./nowhere");\n'},
        node=_SCRIPT_NODE,
        outcome=FAILED,
        findings=(("test/more.js", 1, "test-failed"),),
        examined=2,
    ),
    Seed(
        tool="test_script",
        case="missing-file",
        files={name: text for name, text in _SCRIPT_FILES.items() if name != "test/more.js"},
        node=_SCRIPT_NODE,
        outcome=FAILED,
        findings=(("test/more.js", None, "test-failed"),),
        examined=2,
    ),
)

SEEDS = (*AVA, *TAP, *TAPE, *UVU, *JASMINE, *SCRIPT)
