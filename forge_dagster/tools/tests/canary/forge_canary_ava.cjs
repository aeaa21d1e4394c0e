// node's option --require, for ava and its workers: adds a test that must fail, under a name that is drawn for each run, to each test
// file, as its first one, when the file loads the repository's ava. That this was done goes to the file $FORGE_CANARY_NOTE.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");

const { FORGE_CANARY: name, FORGE_CANARY_NOTE: place } = process.env;
const note = (tests, why, flag) => {
  try {
    fs.writeFileSync(place, JSON.stringify({ tests, why }), { flag });
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
};

// what the tests import as "ava", also those that are ES modules (ava 3 to 6: lib/worker/main.js, main.cjs)
const ENTRY = /[\\/]ava[\\/]lib[\\/]worker[\\/]main\.c?js$/;
const load = Module._load;
let planted = false;

Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (!planted && /\bmain(\.c?js)?$/.test(request) && ENTRY.test(Module._resolveFilename(request, parent, isMain))) {
    planted = true;
    note(1, "", "w");
    loaded(name, (t) => {
      t.is(1, 2);
    });
  }
  return loaded;
};

note(0, "no test file was seen to load the ava that is installed for the repository", "wx");
