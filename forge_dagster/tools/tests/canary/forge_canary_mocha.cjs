// mocha's test that must fail, under a name that is drawn for each run. It passes where an assertion that the tests of the
// repository use lets wrong values through. mocha_reporter.cjs has it added to the run; whether it was, or why not, goes to the file
// $FORGE_CANARY_NOTE.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const name = process.env.FORGE_CANARY;
const threw = async (attempt) => {
  try {
    await attempt();
    return false;
  } catch {
    return true;
  }
};
const fromNode = [() => assert.equal(1, 2), () => assert.strictEqual(1, 2), () => assert.deepEqual([1], [2]), () => assert(false)];

// chai, where the repository has it: what its setup files did to it holds here too
const fromChai = async () => {
  const theirs = createRequire(path.join(process.cwd(), "package.json"));
  let chai;
  try {
    chai = theirs("chai");
  } catch {
    try {
      chai = await import(theirs.resolve("chai"));
    } catch {
      return [];
    }
  }
  const { assert: check, expect } = chai.default ?? chai;
  return [() => expect(1).to.equal(2), () => check.equal(1, 2)];
};

const test = async () => {
  const attempts = [...fromNode, ...(await fromChai())];
  const results = await Promise.all(attempts.map(threw));
  if (results.every(Boolean)) throw new Error("the canary: this test is here to fail");
};

const note = (tests, why) => fs.writeFileSync(process.env.FORGE_CANARY_NOTE, JSON.stringify({ tests, why }));

// Behind all others, and when these are chosen already: whatever they were chosen by is not asked about it.
const add = (runner) => {
  const known = [];
  runner.suite.eachTest((test) => known.push(test));
  if (known.length === 0) return note(0, "mocha found no test");
  const Test = known[0].constructor;
  const suite = runner.suite.constructor.create(runner.suite, name);
  suite.retries(0);
  suite.addTest(new Test(name, test));
  const { _grep: grep, _invert: invert } = runner;
  runner._grep = { test: (title) => (title.startsWith(name) ? !invert : grep.test(title)) };
  return note(1, "");
};

const addFile = (runner, options) => {
  const run = runner.run.bind(runner);
  runner.run = (done, given) => {
    if (options.bail || !given?.files?.length) {
      note(0, "mocha runs several files at once and ends with the first failure");
      return run(done, given);
    }
    note(1, "");
    return run(done, { ...given, files: [...given.files, path.join(__dirname, "forge_canary_mocha_file.cjs")] });
  };
};

exports.test = test;
exports.plant = (runner, options) => {
  if (options.parallel && runner.constructor.name !== "Runner") addFile(runner, options);
  else runner.once("start", () => add(runner));
};
