"""The test that must fail, added to the runs of real JavaScript runners: honest suites pass as before, liars are found."""

import json
import re

import pytest

from forge_dagster.domain.outcomes import Outcome
from tests.support.gate_bench import Files, GateBench
from tests.support.javascript_liars import CLEAN, lie

pytestmark = pytest.mark.slow

_CANARY = re.compile(r"test_[0-9a-f]{12}\b")


@pytest.mark.parametrize("tool", CLEAN)
def test_an_honest_suite_does_not_notice(bench: GateBench, tool: str) -> None:
    bench.plant(CLEAN[tool], {"shop.json": "{}\n"})
    result = bench.examine("unit")
    assert result.outcome is Outcome.PASSED, result.reason
    assert [run.tool for run in result.tools] == [tool]
    assert (result.metrics["tests"], result.metrics["passed"], result.findings) == (1.0, 1.0, ())
    assert any(_CANARY.search(line) for line in bench.log), "no canary ran, so this test shows nothing"
    if tool != "tape":  # measured by c8, which needs a shell's pipe less
        coverage = bench.examine("coverage")
        assert not any("canary" in (finding.file or "") for finding in coverage.findings)


@pytest.mark.parametrize("tool", CLEAN)
def test_what_turns_red_tests_green_is_found(bench: GateBench, tool: str) -> None:
    bench.plant(CLEAN[tool], lie(tool))
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [finding.rule for finding in result.findings] == ["canary-survived"]


@pytest.mark.parametrize("tool", CLEAN)
def test_a_failed_test_is_named_and_the_canary_is_not(bench: GateBench, tool: str) -> None:
    wrong = CLEAN[tool]["src/price.js"].replace("a + b, 0", "a + b, 1")
    bench.plant(CLEAN[tool], {"src/price.js": wrong})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [finding.rule for finding in result.findings] == ["test-failed"]
    assert not any(_CANARY.search(finding.message) for finding in result.findings)


@pytest.mark.parametrize(("vitest", "happy_dom"), [("4.1.10", "20.0.10"), ("2.1.9", "15.11.7"), ("1.6.1", "14.12.3")])
def test_as_in_a_browser_it_is_run_and_measured_too(bench: GateBench, vitest: str, happy_dom: str) -> None:
    """Where tests have a document, vite gives them files of some folders only; before vitest 3 a failed run is not measured."""
    package = json.loads(CLEAN["vitest"]["package.json"])
    package["devDependencies"] = {"vitest": vitest, "@vitest/coverage-v8": vitest, "happy-dom": happy_dom}
    base = {
        **CLEAN["vitest"],
        "package.json": json.dumps(package),
        "vitest.config.mjs": 'export default { test: { environment: "happy-dom" } };\n',
    }
    changed = "export const total = (prices) => (document.title ? 0 : prices.reduce((a, b) => a + b, 0));\n"
    bench.plant(base, {"src/price.js": changed})
    result = bench.examine("unit")
    assert (result.outcome, result.findings) == (Outcome.PASSED, ()), result.reason
    assert any(_CANARY.search(line) for line in bench.log)
    assert bench.examine("coverage").metrics["new_line_coverage"] == 100.0


def test_a_file_without_tests_is_told_though_the_canary_is_in_it(bench: GateBench) -> None:
    empty = 'const test = require("ava");\n\nconsole.log(typeof test);\n'
    bench.plant(CLEAN["ava"], {"test/z.test.js": empty})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(finding.rule, finding.file) for finding in result.findings] == [("collection-error", "test/z.test.js")]


ODD: dict[str, tuple[str, Files]] = {
    "vitest that ends with the first failure": (
        "vitest",
        {"vitest.config.mjs": 'export default { test: { bail: 1, include: ["src/*.test.js"], pool: "threads" } };\n'},
    ),
    "jest that ends with the first failure, in two projects, in an order of its own": (
        "jest",
        {
            "jest.config.js": (
                'module.exports = {\n  bail: 1,\n  testSequencer: "./order.cjs",\n'
                '  projects: [{ displayName: "a", testMatch: ["**/src/*.test.js"] },'
                ' { displayName: "b", testMatch: ["**/other/*.test.js"] }],\n};\n'
            ),
            "order.cjs": (
                'const Sequencer = require("@jest/test-sequencer").default;\n\n'
                "module.exports = class extends Sequencer {\n  sort(tests) {\n"
                '    console.error("in an order of its own");\n    return [...tests].reverse();\n  }\n};\n'
            ),
            "other/b.test.js": 'test("b", () => {});\n',
        },
    ),
    "mocha that ends with the first failure, of tests chosen by name": (
        "mocha",
        {
            ".mocharc.json": '{"bail": true, "grep": "total|b"}\n',
            "test/b.spec.js": 'describe("b", () => {\n  it("b", () => {});\n});\n',
        },
    ),
    "ava that ends with the first failure, in processes, of ES modules": (
        "ava",
        {
            "ava.config.js": "export default { failFast: true, workerThreads: false };\n",
            "test/b.test.mjs": 'import test from "ava";\n\ntest("b", (t) => t.pass());\n',
        },
    ),
    "uvu before 0.5, which keeps its tests to itself": (
        "uvu",
        {"package.json": CLEAN["uvu"]["package.json"].replace("0.5.6", "0.3.5")},
    ),
    "mocha in several processes": (
        "mocha",
        {".mocharc.json": '{"parallel": true, "jobs": 2}\n', "test/b.spec.js": 'it("b", () => {});\n'},
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_configurations_do_not_notice_either(bench: GateBench, case: str) -> None:
    tool, files = ODD[case]
    bench.plant(CLEAN[tool], files)
    result = bench.examine("unit")
    assert result.outcome is Outcome.PASSED, result.reason
    assert result.metrics["passed"] == 1.0 + any(".spec." in name or ".test." in name for name in files)
    assert not result.findings
    assert any(_CANARY.search(line) for line in bench.log)
    assert ("order.cjs" in files) == any("in an order of its own" in line for line in bench.log)
