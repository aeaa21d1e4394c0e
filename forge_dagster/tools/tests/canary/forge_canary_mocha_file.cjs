// The test of forge_canary_mocha.cjs as a test file, for a run of mocha in several processes.
"use strict";

const { test } = require("./forge_canary_mocha.cjs");

(globalThis.it ?? globalThis.test)(process.env.FORGE_CANARY, test);
