// Stryker's configuration, told by $FORGE_STRYKER as JSON: {"own": path of the repository's own configuration or "", "options":
// what Forge says instead, "defaults": what Forge says where the repository has no configuration}.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const { own, options, defaults } = JSON.parse(process.env.FORGE_STRYKER);

const load = async (file) => {
  if (file.endsWith(".json")) return JSON.parse(readFileSync(file, "utf8"));
  const module = await import(pathToFileURL(file).href);
  return module.default ?? module;
};

const file = own ? path.resolve(own) : "";
export default { ...(file && existsSync(file) ? await load(file) : defaults), ...options };
