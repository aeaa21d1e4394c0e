// node's option --require, for the process that runs `node --test`: adds Forge's test file to those that are given, or to what Node
// looks for by itself where none is (nodejs.org, "Running tests from the command line"). What that process starts does not load it.
// That the file was added goes to the file $FORGE_CANARY_NOTE.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const note = process.env.FORGE_CANARY_NOTE;
delete process.env.FORGE_CANARY_NOTE;

const looked = () => {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 21) return ["."];
  const endings = process.features.typescript ? "{js,ts}" : "js";
  return [`**/{test,test/**/*,test-*,*[._-]test}.?(c|m)${endings}`];
};

if (note && process.execArgv.includes("--test")) {
  if (process.argv.length < 2) process.argv.push(...looked());
  process.argv.push(path.join(__dirname, "forge_canary_node_test.cjs"));
  process.execArgv = process.execArgv.filter((word) => !word.endsWith(path.basename(__filename)));
  fs.writeFileSync(note, JSON.stringify({ tests: 1, why: "" }));
}
