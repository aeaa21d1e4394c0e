"""Tests that are plain programs, run by the real node once more and made to fail: one that ends well all the same is found."""

from pathlib import Path

import pytest

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import GateResult
from forge_dagster.workspace.processes import ProcessRun
from tests.support.gate_bench import Files, GateBench
from tests.support.javascript_seeds import PRICE
from tests.support.node_alone import NodeAlone


@pytest.fixture
def node(tmp_path: Path, run: ProcessRun) -> GateBench:
    return GateBench(tmp_path.resolve(), run, NodeAlone())


def package(script: str, kind: str = "commonjs") -> str:
    return f'{{"name": "shop", "private": true, "type": "{kind}", "scripts": {{"test": "{script}"}}}}\n'


def examined(node: GateBench, files: Files) -> GateResult:
    node.plant({".gitignore": "node_modules/\n", "package.json": package("node test.js"), **files})
    result = node.examine("unit")
    assert [run.tool for run in result.tools] == ["test_script"], result.reason
    return result


PRICED = {"src/price.js": PRICE + "module.exports = { total };\n"}
ASSERT = 'const assert = require("node:assert");\n'
CHECK = 'const { total } = require("./src/price");\nassert.equal(total([1, 2]), 3);\n'
HARNESS = (
    "let failed = 0;\nconst test = (name, body) => {\n  try {\n    body();\n  } catch (error) {\n    failed += 1;\n"
    "    console.error(name, error);\n  }\n};\n"
)
HONEST: dict[str, Files] = {
    "assertions": {**PRICED, "test.js": ASSERT + CHECK},
    "assertions of a module": {
        "package.json": package("node test.js", "module"),
        "test.js": 'import { strict as assert } from "node:assert";\n\nassert.equal(1, 1);\nassert(true);\n',
    },
    "the module that is called": {"test.js": ASSERT + "assert(true);\nassert.strict(true);\n"},
    "a harness of its own": {
        **PRICED,
        "test.js": ASSERT + HARNESS + f'test("total", () => {{\n{CHECK}}});\nprocess.exit(failed ? 1 : 0);\n',
    },
    "a harness without assertions": {
        "test.js": HARNESS
        + 'test("total", () => {\n  if (1 + 1 !== 2) throw new Error("no");\n});\nprocess.exitCode = failed;\n'
    },
    "nothing but an end": {"test.js": 'if (1 + 1 !== 2) process.exit(1);\nconsole.log("ok");\nprocess.exit();\n'},
    "promises": {
        "test.js": ASSERT
        + "const main = async () => {\n  await assert.rejects(async () => {\n    throw new Error();\n  });\n};\n"
        "main().catch((error) => {\n  console.error(error);\n  process.exit(1);\n});\n"
    },
    "code that asserts, and is expected to": {
        "src/checked.js": ASSERT + "module.exports = (value) => assert.ok(value);\n",
        "test.js": (
            'const checked = require("./src/checked");\nlet refused = false;\ntry {\n  checked(0);\n} catch {\n'
            "  refused = true;\n}\nif (!refused) process.exit(1);\n"
        ),
    },
    "tests in other files": {
        "package.json": package("node test/all.js"),
        "test/all.js": 'require("./cases/one");\n',
        "test/cases/one.js": ASSERT + "assert.deepEqual([1], [1]);\n",
    },
    "a count at the end": {
        "test.js": ASSERT
        + 'let ran = 0;\nprocess.on("exit", () => {\n  if (ran !== 1) process.exitCode = 1;\n});\n'
        + "setTimeout(() => {\n  assert.ok(true);\n  ran += 1;\n}, 1);\n"
    },
}
LIARS: dict[str, Files] = {
    "an exit code of its own": {
        **PRICED,
        "test.js": ASSERT + 'process.on("exit", () => {\n  process.exitCode = 0;\n});\n' + CHECK,
    },
    "a second exit": {"test.js": 'process.on("exit", () => process.exit(0));\nif (1 + 1 !== 2) process.exit(1);\n'},
    "an exit behind the others": {"test.js": 'process.on("exit", () => process.reallyExit(0));\nprocess.exit(0);\n'},
    "errors that end well": {**PRICED, "test.js": ASSERT + 'process.on("uncaughtException", () => process.exit(0));\n' + CHECK},
    "errors that end nothing": {"test.js": 'process.on("uncaughtException", () => {});\nif (1 > 2) throw new Error("no");\n'},
    "assertions that let everything pass": {
        **PRICED,
        "test.js": ASSERT + "assert.equal = () => {};\n" + CHECK,
    },
    "an error that is caught": {**PRICED, "test.js": ASSERT + f"try {{\n{CHECK}}} catch {{}}\n"},
    "a promise whose error is caught": {
        **PRICED,
        "test.js": ASSERT + f"(async () => {{\n{CHECK}}})().catch(() => {{}}).finally(() => process.exit(0));\n",
    },
    "the second of two": {
        "package.json": package("node test.js && node test/more.js"),
        "test.js": ASSERT + "assert.ok(true);\n",
        "test/more.js": 'process.on("exit", () => process.reallyExit(0));\n',
    },
}


@pytest.mark.parametrize("case", HONEST)
def test_an_honest_program_does_not_notice(node: GateBench, case: str) -> None:
    result = examined(node, HONEST[case])
    assert (result.outcome, result.findings) == (Outcome.PASSED, ()), result.reason
    assert result.metrics["passed"] == 1.0
    assert sum("script_witness" in line for line in node.log) == 2, "no program was made to fail, so this test shows nothing"


@pytest.mark.parametrize("case", LIARS)
def test_a_program_that_cannot_fail_is_found(node: GateBench, case: str) -> None:
    result = examined(node, LIARS[case])
    assert result.outcome is Outcome.FAILED, result.reason
    assert [finding.rule for finding in result.findings] == ["canary-survived"]


def test_a_program_that_fails_is_told_as_before(node: GateBench) -> None:
    result = examined(node, {**PRICED, "test.js": ASSERT + CHECK.replace("3", "4")})
    assert (result.outcome, [finding.rule for finding in result.findings]) == (Outcome.FAILED, ["test-failed"])


def test_a_program_that_leaves_behind_nodes_back_asks_for_a_person(node: GateBench) -> None:
    result = examined(node, {"test.js": "setTimeout(() => process.reallyExit(0), 1);\n"})
    assert result.outcome is Outcome.ERRORED  # its own run tells of no end either
    result = examined(node, {"test.js": 'process.emit("exit", 0);\nprocess.reallyExit(0);\n'})
    assert result.outcome is Outcome.PASSED, result.reason
    assert [finding.rule for finding in result.findings] == ["canary-not-run"]
