"""Tests that a real JavaScript runner leaves out though their source is untouched ask for a person, honest twins do not."""

import pytest

from forge_dagster.domain.outcomes import Category, Outcome
from tests.support.gate_bench import Files, GateBench
from tests.support.javascript_liars import CLEAN, scripted

pytestmark = pytest.mark.slow

_MORE = {
    "vitest": ("src/more.test.js", 'import { describe, expect, it } from "vitest";\n\n%s'),
    "jest": ("src/more.test.js", "%s"),
    "mocha": ("test/more.spec.js", 'const expect = require("node:assert");\n\n%s'),
    "node_test": (
        "test/more.test.js",
        'import expect from "node:assert";\nimport { describe, it } from "node:test";\n\n%s',
    ),
}
_BODY = 'describe("more", () => {\n  it("is one", () => {\n    %s;\n  });\n  it("is two", () => {\n    %s;\n  });\n});\n'
_CHECKS = {"vitest": "expect(1).toBe(1)", "jest": "expect(1).toBe(1)"}


def base(tool: str) -> dict[str, str]:
    name, text = _MORE[tool]
    check = _CHECKS.get(tool, "expect.equal(1, 1)")
    return {**CLEAN[tool], name: text % (_BODY % (check, check))}


def _second(tool: str) -> dict[str, str]:
    """The test file, with its second test called otherwise and a third one in the place of the first."""
    name = _MORE[tool][0]
    return {name: base(tool)[name].replace("is two", "is also two").replace("is one", "is another one")}


def examined(bench: GateBench, tool: str, change: Files) -> tuple[Outcome, list[tuple[str, str | None]], str]:
    bench.plant(base(tool), change)
    bench.log.clear()
    result = bench.examine("unit")
    assert [run.tool for run in result.tools] == [tool]
    asked = [finding for finding in result.findings if finding.category is Category.INTEGRITY]
    return result.outcome, [(f.rule, f.file) for f in asked], " ".join(f.message for f in asked) or result.reason


_VANISH = (
    "const real = %s;\nconst mine = (name, ...rest) => (String(name).includes('two') ? undefined : real(name, ...rest));\n"
    "%s = Object.assign(mine, real);\n"
)
ATTACKS: dict[str, tuple[str, Files]] = {
    "vitest, its configuration's exclude": (
        "vitest",
        {"vitest.config.mjs": 'export default { test: { exclude: ["node_modules", "**/more.*"] } };\n'},
    ),
    "vitest, which knows what it is asked": (
        "vitest",
        {
            "vitest.config.mjs": (
                'const exclude = process.argv.includes("run") ? ["**/more.*"] : [];\n'
                'export default { test: { exclude: ["node_modules", ...exclude] } };\n'
            )
        },
    ),
    "mocha, its configuration's grep": ("mocha", {".mocharc.json": '{"grep": "one|total"}\n'}),
    "mocha, a setup file": (
        "mocha",
        {
            ".mocharc.json": '{"require": ["./setup.cjs"]}\n',
            "setup.cjs": (
                'const { Suite } = require("mocha");\nconst add = Suite.prototype.addTest;\n'
                "Suite.prototype.addTest = function (test) {\n"
                '  return test.title === "is two" ? this : add.call(this, test);\n};\n'
            ),
        },
    ),
    "jest, its configuration's testPathIgnorePatterns": (
        "jest",
        {"jest.config.js": 'module.exports = { testPathIgnorePatterns: ["more"] };\n'},
    ),
    "jest, a setup file": (
        "jest",
        {
            "jest.config.js": 'module.exports = { setupFilesAfterEnv: ["./setup.js"] };\n',
            "setup.js": _VANISH % ("globalThis.it", "globalThis.it"),
        },
    ),
    "jest, a setup file that skips": (
        "jest",
        {
            "jest.config.js": 'module.exports = { setupFilesAfterEnv: ["./setup.js"] };\n',
            "setup.js": "globalThis.it = globalThis.it.skip;\n",
        },
    ),
    "node:test, its script": (
        "node_test",
        scripted(CLEAN["node_test"], "node --test --test-name-pattern=one --test-name-pattern=total"),
    ),
    "node:test, a setup file": (
        "node_test",
        {
            **scripted(CLEAN["node_test"], "node --require ./setup.cjs --test"),
            "setup.cjs": (
                'const tests = require("node:test");\n'
                + _VANISH % ("tests.it", "tests.it")
                + 'require("node:module").syncBuiltinESMExports();\n'
            ),
        },
    ),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_tests_that_vanish_ask_for_a_person(bench: GateBench, case: str) -> None:
    tool, change = ATTACKS[case]
    outcome, asked, message = examined(bench, tool, change)
    assert (outcome, asked) == (Outcome.PASSED, [("test-not-collected", _MORE[tool][0])]), message
    assert "is two" in message or "more is one" in message


def test_a_setup_file_that_was_there_before_is_what_tests_run_under(bench: GateBench) -> None:
    tool, change = ATTACKS["node:test, a setup file"]
    before = {**base(tool), **change, "setup.cjs": "// nothing yet\n"}
    bench.plant(before, {"setup.cjs": change["setup.cjs"]})
    result = bench.examine("unit")
    asked = [(f.rule, f.file) for f in result.findings if f.category is Category.INTEGRITY]
    assert (result.outcome, asked) == (Outcome.PASSED, [("test-not-collected", _MORE[tool][0])]), result.reason


@pytest.mark.parametrize("tool", _MORE)
def test_honest_changes_of_tests_and_of_their_configuration_ask_for_nobody(bench: GateBench, tool: str) -> None:
    name, _ = _MORE[tool]
    configured: dict[str, Files] = {
        "vitest": {"vitest.config.mjs": "export default { test: { testTimeout: 20000 } };\n"},
        "jest": {"jest.config.js": "module.exports = { testTimeout: 20000 };\n"},
        "mocha": {".mocharc.json": '{"timeout": 20000}\n'},
        "node_test": scripted(CLEAN["node_test"], "node --test --test-timeout=20000"),
    }
    moved = name.replace("more", "other")
    changes: tuple[Files, ...] = (
        {**configured[tool], **_second(tool)},  # tests renamed
        {name: None, moved: base(tool)[name]},  # a file renamed
        {name: None},  # a file deleted, which the comparison of sources tells
    )
    for change in changes:
        assert examined(bench, tool, change)[:2] == (Outcome.PASSED, [])


def test_only_a_change_of_tests_has_the_base_run_and_once(bench: GateBench) -> None:
    def runs() -> int:
        return sum("jest$" in line and "--testNamePattern" not in line for line in bench.log)

    assert examined(bench, "jest", {"shop.json": "{}\n"})[:2] == (Outcome.PASSED, [])
    assert runs() == 1
    assert examined(bench, "jest", _second("jest"))[:2] == (Outcome.PASSED, [])
    assert runs() == 2
    bench.log.clear()
    assert bench.examine("unit").outcome is Outcome.PASSED
    assert runs() == 1, "the base's answer was not kept"


def test_tests_that_skip_themselves_are_none_that_a_change_left_out(bench: GateBench) -> None:
    later = 'const { it } = require("mocha");\n\nit("waits", function () {\n  this.skip();\n});\nit("runs", () => {});\n'
    bench.plant({**base("mocha"), "test/later.spec.js": later}, {".mocharc.json": '{"timeout": 20000}\n'})
    result = bench.examine("unit")
    assert (result.outcome, result.metrics["skipped"]) == (Outcome.PASSED, 1.0), result.reason
    assert not [finding for finding in result.findings if finding.category is Category.INTEGRITY]


_TAPE = 'const test = require("%s");\n\ntest("more", (t) => {\n  t.ok(true);\n  t.end();\n});\n'
OTHERS: dict[str, tuple[str, str, str]] = {
    "ava": (
        "test/more.test.js",
        'const test = require("ava");\n\ntest("more", (t) => {\n  t.pass();\n});\n',
        "ava test/price.test.js",
    ),
    "tap": ("test/more.js", _TAPE.replace('"%s")', '"tap").test'), "tap --jobs=1 test/price.js"),
    "tape": ("test/more.js", _TAPE % "tape", "tape test/price.js | cat"),
    "jasmine": (
        "spec/moreSpec.js",
        'it("more", () => {\n  expect(1).toBe(1);\n});\n',
        "jasmine --random=false spec/priceSpec.js",
    ),
}
"""Runner -> a further test file, its text, and a script that leaves it out."""


@pytest.mark.parametrize("tool", OTHERS)
def test_the_other_runners_tell_by_a_run_of_the_base(bench: GateBench, tool: str) -> None:
    file, text, script = OTHERS[tool]
    before = {**CLEAN[tool], file: text}
    for change, told in (
        (scripted(CLEAN[tool], script), [("test-not-collected", file)]),
        ({file: text.replace('"more"', '"still more"')}, []),
    ):
        bench.plant(before, change)
        result = bench.examine("unit")
        asked = [(f.rule, f.file) for f in result.findings if f.category is Category.INTEGRITY]
        assert (result.outcome, asked) == (Outcome.PASSED, told), result.reason
