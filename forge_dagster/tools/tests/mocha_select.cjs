// mocha's option --require: of the files that mocha found, only those of $FORGE_TESTS_ONLY are loaded, and none of
// $FORGE_TESTS_WITHOUT (JSON lists of absolute paths). Arguments would only add to what the project's configuration names.
"use strict";

const path = require("node:path");
const { createRequire } = require("node:module");

const list = (name) => JSON.parse(process.env[name] || "[]");
const only = new Set(list("FORGE_TESTS_ONLY"));
const without = new Set(list("FORGE_TESTS_WITHOUT"));
const wanted = (file) => {
  const place = path.resolve(file);
  return (only.size === 0 || only.has(place)) && !without.has(place);
};

const Mocha = createRequire(process.argv[1])("mocha");
const files = Symbol("files");
Object.defineProperty(Mocha.prototype, "files", {
  configurable: true,
  get() {
    return this[files];
  },
  set(found) {
    this[files] = found.filter(wanted);
  },
});
