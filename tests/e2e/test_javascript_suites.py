"""The gates of tests with real jest, mocha and node:test: seeded faults are found, their clean twins pass."""

import pytest

from forge_dagster.domain.outcomes import Attribution, Outcome, Severity
from forge_dagster.domain.results import GateResult
from tests.support.gate_bench import Files, GateBench
from tests.support.javascript_seeds import JEST, MOCHA, NODE_TEST

pytestmark = pytest.mark.slow

_CLEAN = {
    seed.tool: {name: str(text) for name, text in seed.files.items()}
    for seed in (*JEST, *MOCHA, *NODE_TEST)
    if seed.case == "clean"
}
_UNTESTED = "export function refund(price) {\n  return -price;\n}\n"


def errors(result: GateResult) -> list[tuple[str, str]]:
    return [(finding.rule, finding.place) for finding in result.findings if finding.severity is Severity.ERROR]


def written(tool: str, name: str, text: str) -> Files:
    """The text as this runner's packages want it: only node:test's seed is made of ES modules."""
    return {name: text if tool == "node_test" else text.replace("export ", "") + "module.exports = { refund };\n"}


@pytest.mark.parametrize("tool", _CLEAN)
def test_a_change_is_measured_line_by_line(bench: GateBench, tool: str) -> None:
    base = _CLEAN[tool]
    bench.plant(base, written(tool, "src/refund.js", _UNTESTED))
    unit = bench.examine("unit")
    assert (unit.outcome, [run.tool for run in unit.tools]) == (Outcome.PASSED, [tool]), unit.reason
    assert unit.metrics["passed"] == 1.0
    coverage = bench.examine("coverage")
    assert coverage.outcome is Outcome.FAILED, coverage.reason
    assert "src/refund.js" in {finding.file for finding in coverage.findings}
    # the same file as part of the base, and a change that the tests execute
    price = base["src/price.js"]
    bench.plant(base, {"src/price.js": price.replace("discount > 0", "discount > 1")})
    assert bench.examine("unit").outcome is Outcome.PASSED
    covered = bench.examine("coverage")
    assert covered.metrics["new_line_coverage"] == 100.0, covered.reason
    assert 0 < covered.metrics["overall_line_coverage"] < 100


@pytest.mark.parametrize("tool", _CLEAN)
def test_a_fault_of_the_change_is_named(bench: GateBench, tool: str) -> None:
    base = _CLEAN[tool]
    price = base["src/price.js"]
    bench.plant(base, {"src/price.js": price.replace("a + b, 0", "a + b, 1")})
    result = bench.examine("unit")
    assert result.outcome is Outcome.FAILED, result.reason
    assert [rule for rule, _ in errors(result)] == ["test-failed"]
    assert "total" in result.findings[0].message
    assert result.findings[0].attribution is not Attribution.FLAKY


@pytest.mark.parametrize("tool", _CLEAN)
def test_integration_tests_are_left_to_their_gate(bench: GateBench, tool: str) -> None:
    base = _CLEAN[tool]
    test = {"jest": "src/price.test.js", "mocha": "test/price.spec.js", "node_test": "test/price.test.js"}[tool]
    name = f"test/integration/{test.rsplit('/', 1)[-1]}"
    text = base[test]
    failing = text.replace('"./price"', '"../../src/price"').replace("../src/", "../../src/").replace("3)", "4)")
    bench.plant(base, {name: failing.replace("../../../src", "../../src")})
    result = bench.examine("unit")
    assert (result.outcome, result.metrics["tests"]) == (Outcome.PASSED, 1.0), result.reason


@pytest.mark.parametrize(
    ("configuration", "outcome"),
    [
        ({".mocharc.json": '{"require": ["./nowhere.cjs"]}\n'}, Outcome.ERRORED),
        ({".mocharc.json": '{"dry-run": true}\n'}, Outcome.FAILED),
        ({".mocharc.json": '{"spec": ["test/**/*.spec.js"], "timeout": 5000}\n'}, Outcome.PASSED),
    ],
)
def test_mochas_own_configuration(bench: GateBench, configuration: Files, outcome: Outcome) -> None:
    bench.plant(_CLEAN["mocha"], configuration)
    assert bench.examine("unit").outcome is outcome


def test_properties_are_tried_with_the_recorded_seed(bench: GateBench) -> None:
    seeds = {seed.case: seed for seed in MOCHA}
    files = seeds["counterexample"].files
    bench.plant(
        _CLEAN["mocha"], {"test/property.spec.js": str(files["test/property.spec.js"])}, policy="[gates.property]\nseed = 42\n"
    )
    result = bench.examine("property")
    assert result.outcome is Outcome.FAILED, result.reason
    assert result.metrics["tests"] == 1.0
    (finding,) = result.findings
    assert "{ seed: 42, path:" in finding.message
    assert "Counterexample: [[" in finding.message


def test_obsolete_snapshots_fail_their_own_gate(bench: GateBench) -> None:
    snapshot = next(seed for seed in JEST if seed.case == "obsolete-snapshot")
    new = {name: str(text) for name, text in snapshot.files.items() if "receipt" in name}
    bench.plant(_CLEAN["jest"], new)
    unit = bench.examine("unit")
    assert unit.outcome is Outcome.PASSED, unit.reason
    result = bench.examine("snapshot")
    assert (result.outcome, errors(result)) == (Outcome.FAILED, [("snapshot-obsolete", "src/receipt.test.js")])


def test_a_suite_that_hangs_is_errored(bench: GateBench) -> None:
    hanging = {"test/z.test.js": 'import { test } from "node:test";\ntest("z", async () => {\n  for (;;) {}\n});\n'}
    bench.plant(_CLEAN["node_test"], hanging, policy='[gates.unit]\ntimeout = "8s"\n')
    result = bench.examine("unit")
    assert (result.outcome, "8" in result.reason) == (Outcome.ERRORED, True), result.reason
