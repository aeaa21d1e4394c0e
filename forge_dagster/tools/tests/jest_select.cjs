// jest's option --filter: leaves out the test files of $FORGE_TESTS_WITHOUT (a JSON list of absolute paths), whatever the project's
// own configuration ignores besides.
"use strict";

module.exports = async (paths) => {
  const without = new Set(JSON.parse(process.env.FORGE_TESTS_WITHOUT || "[]"));
  const kept = paths.filter((path) => !without.has(path));
  // jest 30 wants paths, jest 29 and older objects that hold them; neither minds the other's
  return { filtered: [...kept, ...kept.map((test) => ({ test }))] };
};
