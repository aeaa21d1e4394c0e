// Test file of Forge's, added to a run of node:test under a name that is drawn for it: its test must fail. It passes where an
// assertion that the tests of the repository use lets wrong values through.
"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const throws = require("./throws.cjs");

const attempts = [
  () => assert.equal(1, 2),
  () => assert.strictEqual(1, 2),
  () => assert.deepStrictEqual([1], [2]),
  () => assert.ok(false),
  () => assert(false),
];

const options = process.execArgv.includes("--test-only") ? { only: true } : {};
test(process.env.FORGE_CANARY, options, () => {
  if (attempts.every(throws)) throw new Error("the canary: this test is here to fail");
});
