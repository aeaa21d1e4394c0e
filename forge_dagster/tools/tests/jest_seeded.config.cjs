// The project's own jest configuration ($FORGE_JEST_CONFIG, else where jest finds it), and jest_seed.cjs after its setup files:
// the option --setupFiles would take the place of the project's.
"use strict";

const path = require("node:path");
const { createRequire } = require("node:module");

const from = (require, name) => createRequire(require.resolve(`${name}/package.json`));
const project = createRequire(path.join(process.cwd(), "package.json"));
const { readInitialOptions } = from(from(project, "jest"), "jest-cli")("jest-config");

const seeded = (config) => ({ ...config, setupFiles: [...(config.setupFiles ?? []), path.join(__dirname, "jest_seed.cjs")] });

module.exports = async () => {
  const own = process.env.FORGE_JEST_CONFIG || undefined;
  const options = { packageRootOrConfig: process.cwd(), skipMultipleConfigError: true };
  const { config } = await readInitialOptions(own, options);
  const projects = config.projects?.map((one) => (typeof one === "string" ? one : seeded(one)));
  return seeded({ ...config, rootDir: config.rootDir ?? process.cwd(), ...(projects ? { projects } : {}) });
};
