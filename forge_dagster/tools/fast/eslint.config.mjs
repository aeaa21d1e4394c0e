// Forge's default for a repository that chose no linter: what eslint and typescript-eslint themselves recommend, nothing of taste.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.FORGE_ESLINT_HOME}/package.json`);
const js = require("@eslint/js");
const ts = require("typescript-eslint");

export default [
  { ignores: ["**/dist/**", "**/build/**", "**/coverage/**", "**/*.min.*"] },
  js.configs.recommended,
  ...ts.configs.recommended,
  // Which globals exist is not known without the repository's own configuration, and TypeScript checks it better.
  { rules: { "no-undef": "off", "@typescript-eslint/no-require-imports": "off" } },
];
