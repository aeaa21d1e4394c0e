// Test file of Forge's, given to tape behind all others: its test must fail, under a name that is drawn for each run. It is not added
// where no other file has loaded the repository's own tape: another one would write a report of its own into the same output.
// Whether it was goes to the file $FORGE_CANARY_NOTE.
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const note = (tests, why) => fs.writeFileSync(process.env.FORGE_CANARY_NOTE, JSON.stringify({ tests, why }));
const theirs = createRequire(path.join(process.cwd(), "package.json"));
const loaded = Object.keys(require.cache).filter((file) => /[\\/]tape[\\/]index\.js$/.test(file));
const file = theirs.resolve("tape");

if (loaded.length === 1 && loaded[0] === file) {
  theirs("tape")(process.env.FORGE_CANARY, (t) => {
    t.equal(1, 2);
    t.end();
  });
  note(1, "");
} else {
  note(0, "the tests do not use the tape that is installed for the repository");
}
