"""Changes after which a runner leaves tests out whose sources they leave alone, so that the next change may break what those
tested: the suite is green, and the comparison of sources has nothing to compare.

The gate without its defence knows of no base.
"""

from pathlib import Path

from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.ports import Environments
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.attacks.attack import Attack
from tests.support.gate_bench import GateBench
from tests.support.javascript_liars import CLEAN, Files, scripted
from tests.support.node_alone import NodeAlone

_VANISHED: dict[str, tuple[str, Files, Files]] = {
    "a test vanishes by a name pattern (node:test)": (
        "node_test",
        {"test/other.test.js": 'import { test } from "node:test";\n\ntest("other", () => {});\n'},
        scripted(CLEAN["node_test"], "node --test --test-name-pattern=other"),
    ),
    "a test vanishes in a setup file (node:test)": (
        "node_test",
        {"test/other.test.js": 'import { test } from "node:test";\n\ntest("other", () => {});\n'},
        {
            **scripted(CLEAN["node_test"], "node --require ./setup.cjs --test"),
            "setup.cjs": (
                'const tests = require("node:test");\nconst { test } = tests;\n'
                'tests.test = (name, ...rest) => (name === "total" ? test("anything", () => {}) : test(name, ...rest));\n'
                'require("node:module").syncBuiltinESMExports();\n'
            ),
        },
    ),
    "a file of tests is ignored (jest)": (
        "jest",
        {"src/other.test.js": 'test("other", () => {});\n'},
        {"jest.config.js": 'module.exports = { testPathIgnorePatterns: ["price"] };\n'},
    ),
    "a file of tests is excluded (vitest)": (
        "vitest",
        {"src/other.test.js": 'import { test } from "vitest";\n\ntest("other", () => {});\n'},
        {"vitest.config.mjs": 'export default { test: { exclude: ["node_modules", "**/price.*"] } };\n'},
    ),
    "tests are left out by a pattern (mocha)": (
        "mocha",
        {"test/other.spec.js": 'it("other", () => {});\n'},
        {".mocharc.json": '{"grep": "other"}\n'},
    ),
}


def _passes_unseen(folder: Path, tool: str, base: Files, change: Files | None) -> bool:
    run = ProcessRun(home=None, run_id="attack")
    there: Environments = LocalEnvironments(folder / "home", run, domain="change")
    if tool == "node_test":
        there = NodeAlone()
    bench = GateBench(folder.resolve(), run, there)
    try:
        bench.plant(base, change)
        result = bench.examine("unit")
    finally:
        run.stop()
    asked = [finding for finding in result.findings if finding.category is Category.INTEGRITY]
    return result.outcome is Outcome.PASSED and not asked


def _attack(name: str, tool: str, other: Files, change: Files) -> Attack:
    base = {**CLEAN[tool], **other}
    return Attack(
        name=f"runner/{name}",
        published="seen of coding agents; the JavaScript forms of tampered pytest suites",
        undefended=lambda folder: _passes_unseen(folder, tool, {**base, **change}, None),
        defended=lambda folder: _passes_unseen(folder, tool, base, change),
        slow=tool != "node_test",
    )


ATTACKS = tuple(_attack(name, *case) for name, case in _VANISHED.items())
