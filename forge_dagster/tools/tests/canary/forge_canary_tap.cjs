// Test file of Forge's, given to tap besides the repository's: its test must fail, under a name that is drawn for each run.
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");

createRequire(path.join(process.cwd(), "package.json"))("tap").test(process.env.FORGE_CANARY, (t) => {
  t.equal(1, 2);
  t.end();
});
