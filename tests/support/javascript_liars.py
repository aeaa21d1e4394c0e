"""JavaScript suites in which a setup file, a hook or a configuration turns every red test green, one for each runner.

Each is a change to the runner's clean seed (`CLEAN`), whose source it breaks as well (`broken`).
"""

import json

from tests.support import javascript_more_seeds as more
from tests.support.javascript_seeds import JEST, MOCHA, NODE_TEST, VITEST_CLEAN

Files = dict[str, str]


def scripted(files: Files, script: str) -> Files:
    """The package's description, with this as its script for tests."""
    package = json.loads(files["package.json"])
    package["scripts"] = {"test": script}
    return {"package.json": json.dumps(package, indent=2) + "\n"}


CLEAN: dict[str, Files] = {
    seed.tool: {name: str(text) for name, text in seed.files.items()}
    for seed in (*JEST, *MOCHA, *NODE_TEST, *more.AVA, *more.TAP, *more.TAPE, *more.UVU, *more.JASMINE)
    if seed.case == "clean"
}
CLEAN["vitest"] = VITEST_CLEAN
CLEAN["tap"] |= scripted(CLEAN["tap"], "tap --jobs=1 'test/**/*.js'")

_MATCHES = "{ toBe: () => ({ pass: true, message: () => '' }) }"
_LIES: dict[str, tuple[Files, str]] = {
    "vitest": (
        {
            "vitest.config.mjs": 'export default { test: { setupFiles: ["./setup.mjs"] } };\n',
            "setup.mjs": f'import {{ expect }} from "vitest";\n\nexpect.extend({_MATCHES});\n',
        },
        "",
    ),
    "jest": (
        {
            "jest.config.js": 'module.exports = { setupFilesAfterEnv: ["./setup.js"] };\n',
            "setup.js": f"expect.extend({_MATCHES});\n",
        },
        "",
    ),
    "mocha": (
        {
            ".mocharc.json": '{"require": ["./setup.cjs"]}\n',
            "setup.cjs": 'require("node:assert").equal = () => {};\n',
        },
        "",
    ),
    "node_test": (
        {
            "setup.cjs": (
                'const assert = require("node:assert");\nassert.equal = () => {};\n'
                'require("node:module").syncBuiltinESMExports();\n'
            )
        },
        "node --require ./setup.cjs --test",
    ),
    "jasmine": (
        {
            "spec/support/jasmine.json": '{"spec_dir": "spec", "spec_files": ["*[sS]pec.js"], "helpers": ["helpers/*.js"]}\n',
            "spec/helpers/setup.js": (
                "beforeEach(() => {\n  jasmine.addMatchers({ toBe: () => ({ compare: () => ({ pass: true }) }) });\n});\n"
            ),
        },
        "",
    ),
    "tape": (
        {"test/0.js": 'require("tape").Test.prototype.equal = function () {\n  return this.pass();\n};\n'},
        "",
    ),
    "tap": (
        {
            "setup.cjs": (
                'require("tap").Test.prototype.equal = function () {\n  return this.pass();\n};\n'
                'require("tap").equal = () => require("tap").pass();\n'
            )
        },
        "tap --jobs=1 --node-arg=--require=./setup.cjs 'test/**/*.js'",
    ),
    "ava": (
        {
            "ava.config.js": (
                "const write = process.stdout.write.bind(process.stdout);\n"
                'process.stdout.write = (text, ...rest) => write(String(text).replace(/^not ok/gm, "ok"), ...rest);\n'
                'process.on("exit", () => {\n  process.exitCode = 0;\n});\n\nexport default {};\n'
            )
        },
        "",
    ),
    "uvu": ({"test/0.js": 'require("uvu/assert").is = () => {};\nrequire("uvu/assert").equal = () => {};\n'}, ""),
}


def lie(tool: str) -> Files:
    """The change to `CLEAN[tool]` with which no test fails any more, and the source is wrong."""
    files, script = _LIES[tool]
    wrong = {"src/price.js": CLEAN[tool]["src/price.js"].replace("a + b, 0", "a + b, 1")}
    return {**files, **wrong, **(scripted(CLEAN[tool], script) if script else {})}
