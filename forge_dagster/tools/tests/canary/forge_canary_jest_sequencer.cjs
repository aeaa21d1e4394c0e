// jest's option --testSequencer: it orders the tests as jest, or the project's own sequencer, does, and adds Forge's test file
// behind them, once per project. Given by name, such a file would have to lie where the repository's configuration looks for tests.
// How many were added, or why none could be, goes to the file $FORGE_CANARY_NOTE.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const FILE = path.join(__dirname, "forge_canary_jest.cjs");
const MOST = 10;
const JEST_RUNNER = /[\\/]jest-runner[\\/]/;
const core = Object.keys(require.cache).find((file) => /[\\/]@jest[\\/]core[\\/]/.test(file));
const theirs = createRequire(core ?? process.argv[1]);
const plain = (loaded) => loaded?.default ?? loaded;
const jests = plain(theirs("@jest/test-sequencer"));

// the project's own sequencer, whose place this one has taken
const own = async (root) => {
  const { readInitialOptions } = theirs("jest-config");
  const { config } = await readInitialOptions(process.env.FORGE_JEST_CONFIG || undefined, {
    packageRootOrConfig: root,
    skipMultipleConfigError: true,
  });
  if (!config.testSequencer) return jests;
  const folder = config.rootDir ?? root;
  const named = config.testSequencer.replace("<rootDir>", folder);
  const file = require.resolve(named, { paths: [folder, root] });
  try {
    return plain(require(file));
  } catch (error) {
    if (error.code !== "ERR_REQUIRE_ESM") throw error;
    return plain(await import(file));
  }
};

module.exports = class ForgeSequencer extends jests {
  constructor(options) {
    super(options);
    this.given = options;
  }

  async sort(tests) {
    const Theirs = await own(process.cwd()).catch(() => jests);
    this.inner = Theirs === jests ? undefined : new Theirs(this.given);
    const sorted = await (this.inner ? this.inner.sort(tests) : super.sort(tests));
    const contexts = new Set([...sorted].map(({ context }) => context).filter(({ config }) => JEST_RUNNER.test(config.runner)));
    const added = [...contexts].slice(0, MOST).map((context) => ({ context, path: FILE }));
    const why = "the tests have a runner of their own below jest";
    fs.writeFileSync(process.env.FORGE_CANARY_NOTE, JSON.stringify({ tests: added.length, why }));
    return [...sorted, ...added];
  }

  cacheResults(tests, results) {
    const kept = [...tests].filter((test) => test.path !== FILE);
    return this.inner?.cacheResults ? this.inner.cacheResults(kept, results) : super.cacheResults(kept, results);
  }
};
