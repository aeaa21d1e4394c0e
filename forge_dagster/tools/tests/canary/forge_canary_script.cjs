// Loaded before a test that is a program, in a further run of it: makes it fail. Every assertion of node's own that the tests call
// throws; where they call none, the program is made to end badly when it would end well: by an error that nothing catches, or
// with 1 where it asks for 0. What became of that goes to the file $FORGE_CANARY_NOTE.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const throws = require("./throws.cjs");

const note = process.env.FORGE_CANARY_NOTE;
delete process.env.FORGE_CANARY;
delete process.env.FORGE_CANARY_NOTE;

const ATTEMPTS = [
  () => assert.equal(1, 2),
  () => assert.strictEqual(1, 2),
  () => assert.deepStrictEqual([1], [2]),
  () => assert.ok(false),
];

let fallen = false;
const tell = (told) => fs.writeFileSync(note, JSON.stringify(told));
const fall = () => {
  if (fallen) return;
  fallen = true;
  // what the program put in the place of an assertion has to find faults as well
  tell(ATTEMPTS.every(throws) ? { tests: 1 } : { tests: 1, survived: true });
};
tell({ tests: 0, why: "the program ended behind node's back" });

const real = (place) => {
  try {
    return fs.realpathSync(place);
  } catch {
    return path.resolve(place);
  }
};
const main = real(process.argv[1] ?? "");
const here = real(process.cwd());
const folder = path.dirname(main);
const OF_TESTS = /(^|[\\/])(tests?|specs?|__tests__)[\\/]/;
// code that is tested may assert, too, and a test may expect that it does
const isTest = (file) =>
  file === main ||
  file.startsWith(`${main}.`) ||
  file.startsWith(`${main}${path.sep}`) ||
  (folder !== here && file.startsWith(folder + path.sep)) ||
  OF_TESTS.test(path.relative(here, file));
const caller = () => {
  const frames = String(new Error("where").stack).split("\n").slice(1);
  for (const frame of frames) {
    const found = /(?:file:\/\/)?(\/[^\n]*?):\d+:\d+\)?$/.exec(frame);
    if (found && found[1] !== __filename) return found[1];
  }
  return "";
};
const called = () => {
  const file = caller();
  return !file.includes(`${path.sep}node_modules${path.sep}`) && isTest(file);
};

const failing = (name, own) =>
  function (...given) {
    if (!called()) return own.apply(this, given);
    fall();
    const message = "the canary: this assertion is here to fail";
    const error = new assert.AssertionError({ message, actual: 1, expected: 2, operator: name });
    if (/rejects?$/i.test(name)) return Promise.reject(error);
    throw error;
  };
for (const one of [assert, assert.strict]) {
  for (const name of Object.keys(one)) {
    if (typeof one[name] === "function" && /^[a-z]/.test(name) && name !== "strict") one[name] = failing(name, one[name]);
  }
}
Module.syncBuiltinESMExports();

// `assert(value)` is a call of the module itself, which only who requires it can be given another of
const { strict } = assert;
const callable = new Map([assert, strict].map((own) => [own, new Proxy(own, { apply: failing("ok", own) })]));
for (const own of callable.keys()) own.strict = callable.get(strict);
const load = Module._load;
Module._load = function (...given) {
  const loaded = load.apply(this, given);
  return callable.get(loaded) ?? loaded;
};

process.on("beforeExit", () => {
  if (fallen) return;
  fall();
  throw new Error("the canary: this error is here to fail");
});
const { exit } = process;
process.exit = function (...given) {
  const code = given[0] ?? process.exitCode ?? 0;
  if (fallen || Number(code) !== 0) return exit.apply(process, given);
  fall();
  return exit.call(process, 1);
};
