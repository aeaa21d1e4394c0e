// node's option --require, for the process of uvu: adds a test that must fail, under a name that is drawn for each run, when all test
// files are loaded and none has begun. Whatever else loads this does nothing with it. That the test was added, and whether it passed,
// goes to the file $FORGE_CANARY_NOTE.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const { createRequire } = Module;
const path = require("node:path");
const throws = require("./throws.cjs");

const plant = () => {
  const theirs = createRequire(path.join(process.cwd(), "package.json"));
  const assert = theirs("uvu/assert");
  const suite = theirs("uvu").suite(process.env.FORGE_CANARY);
  const attempts = [() => assert.is(1, 2), () => assert.equal([1], [2]), () => assert.ok(false)];
  // uvu names no test that passed
  const note = (survived) => fs.writeFileSync(process.env.FORGE_CANARY_NOTE, JSON.stringify({ tests: 1, why: "", survived }));
  suite(process.env.FORGE_CANARY, () => {
    if (attempts.every(throws)) throw new Error("the canary: this test is here to fail");
    note(true);
  });
  suite.run();
  note(false);
};

const planting = function* () {
  if (this.length > 0) plant();
  for (let index = 0; index < this.length; index += 1) yield this[index];
};

// uvu keeps its tests in a list, and goes through it once: this global one from 0.5 on, before that one of its own
if (/[\\/](\.bin[\\/]uvu|uvu[\\/]bin\.js)$/.test(process.argv[1] ?? "")) {
  globalThis.UVU_QUEUE = Object.defineProperty([], Symbol.iterator, { value: planting });
  const load = Module._load;
  Module._load = function (...given) {
    const loaded = load.apply(this, given);
    if (Array.isArray(loaded?.QUEUE) && typeof loaded.exec === "function" && loaded.QUEUE[Symbol.iterator] !== planting) {
      Object.defineProperty(loaded.QUEUE, Symbol.iterator, { value: planting });
    }
    return loaded;
  };
}
