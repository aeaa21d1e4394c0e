// A reporter of vitest that reports nothing: it adds Forge's test file to what vitest is about to run, once per project. Given by
// name, such a file would have to lie where the repository's configuration looks for tests. How many were added, or why none could
// be, goes to the file $FORGE_CANARY_NOTE.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const FILE = path.join(FOLDER, "forge_canary_vitest.mjs");
const MOST = 10;
const note = process.env.FORGE_CANARY_NOTE;

const projectOf = (spec) => spec.project ?? spec[0];
const poolOf = (spec) => spec.pool ?? spec[2]?.pool ?? "";
const runsInNode = (spec) =>
  !["browser", "typescript"].includes(poolOf(spec)) && projectOf(spec).config?.browser?.enabled !== true;
const like = (spec) => {
  const known = [spec.project, spec[0]].filter(Boolean);
  const maker = (name) => known.find((project) => typeof project[name] === "function");
  if (maker("createSpecification")) return maker("createSpecification").createSpecification(FILE);
  if (maker("createSpec")) return maker("createSpec").createSpec(FILE, poolOf(spec));
  return [spec[0], FILE, ...spec.slice(2)];
};
// where tests run as in a browser (jsdom, happy-dom), vite gives them only files of the folders that it may serve
const served = (project) => {
  for (const server of [project.vite, project.server]) server?.config?.server?.fs?.allow?.push(FOLDER);
};

export default class ForgeCanary {
  onInit(vitest) {
    if (!note || typeof vitest.runFiles !== "function") return;
    const run = vitest.runFiles.bind(vitest);
    vitest.runFiles = (specs, ...rest) => {
      const projects = new Map();
      for (const spec of specs) if (runsInNode(spec)) projects.set(projectOf(spec), spec);
      for (const project of [vitest, ...projects.keys()]) served(project);
      const added = [...projects.values()].slice(0, MOST).map(like);
      fs.writeFileSync(note, JSON.stringify({ tests: added.length, why: "no test runs in node" }));
      return run([...specs, ...added], ...rest);
    };
    // what a test file of the repository gets for `import "vitest"`
    const program = fs.realpathSync(process.argv[1]);
    process.env.FORGE_CANARY_VITEST = pathToFileURL(path.join(path.dirname(program), "dist", "index.js")).href;
  }
}
