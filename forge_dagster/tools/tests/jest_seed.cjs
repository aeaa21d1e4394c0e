// A setup file of jest, which gives every test file fast-check anew: the seed of $FORGE_FAST_CHECK_SEED, unless the project sets one.
"use strict";

try {
  const fastCheck = require(require.resolve("fast-check", { paths: [process.cwd()] }));
  const settings = fastCheck.readConfigureGlobal();
  const seed = Number.parseInt(process.env.FORGE_FAST_CHECK_SEED ?? "", 10);
  if (Number.isInteger(seed) && settings.seed === undefined) fastCheck.configureGlobal({ ...settings, seed });
} catch {
  // no fast-check here, or one of another shape: then the seed stands in the failure's message
}
