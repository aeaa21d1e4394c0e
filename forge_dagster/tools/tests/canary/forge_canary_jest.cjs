// Test file of Forge's, added to a run of jest under a name that is drawn for it: its test must fail. It passes
// where an assertion that the tests of the repository use lets wrong values through.
"use strict";

const { expect, test } = require("@jest/globals");

const attempts = [
  () => expect(1).toBe(2),
  () => expect({ a: 1 }).toEqual({ a: 2 }),
  () => expect(false).toBeTruthy(),
];
const throws = (attempt) => {
  try {
    attempt();
    return false;
  } catch {
    return true;
  }
};

test(process.env.FORGE_CANARY, () => {
  if (attempts.every(throws)) throw new Error("the canary: this test is here to fail");
});
