// Preloaded by `node --import` where property-based tests are to be repeatable: gives the project's own fast-check the seed of
// $FORGE_FAST_CHECK_SEED, unless the project sets one itself. fast-check keeps its settings per copy, and CommonJS and ES modules
// load different copies, so both are told.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const seed = Number.parseInt(process.env.FORGE_FAST_CHECK_SEED ?? "", 10);

const tell = (fastCheck) => {
  const library = fastCheck?.configureGlobal ? fastCheck : fastCheck?.default;
  const settings = library?.readConfigureGlobal?.();
  if (library && settings?.seed === undefined) library.configureGlobal({ ...settings, seed });
};

const packageOf = (file) => {
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const place = path.join(folder, "package.json");
    const content = existsSync(place) ? JSON.parse(readFileSync(place, "utf8")) : {};
    if (content.name === "fast-check") return { folder, content };
  }
  return undefined;
};

if (Number.isInteger(seed)) {
  try {
    const require = createRequire(path.join(process.cwd(), "package.json"));
    const entry = require.resolve("fast-check");
    tell(require(entry));
    const found = packageOf(entry);
    const exported = found?.content.exports?.["."]?.import;
    const module = typeof exported === "string" ? exported : exported?.default ?? found?.content.module;
    if (module) tell(await import(pathToFileURL(path.join(found.folder, module)).href));
  } catch {
    // no fast-check here, or one of another shape: then the seed stands in the failure's message
  }
}
