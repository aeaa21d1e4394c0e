// Checks a solution of project references as `tsc --build --force` does, and writes nothing: what the compiler would emit is
// kept in memory, where the projects that refer to it find it. Prints what tsc prints with `--pretty false --listFiles
// --diagnostics`, and ends as tsc does: 0 no errors, 1 or 2 errors.
//
//   node tsc_build.cjs PROGRAM [PROJECT]...      PROGRAM: the repository's own tsc, whose compiler is used
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [program, ...projects] = process.argv.slice(2);

function compiler() {
  const besides = [path.join(process.cwd(), "package.json"), fs.realpathSync(program), path.join(path.dirname(program), "..", "x")];
  for (const from of besides) {
    try {
      const found = createRequire(from)("typescript");
      if (found.createSolutionBuilder) return found;
    } catch {
      // Not to be found from there.
    }
  }
  console.error("no TypeScript compiler with a build mode beside " + program);
  process.exit(3);
}

function inMemory(ts) {
  const written = new Map();
  const folders = new Set();
  const key = (name) => path.resolve(name);
  const real = ts.sys;
  return {
    ...real,
    writeFile(name, content) {
      written.set(key(name), { content, time: new Date() });
      for (let folder = path.dirname(key(name)); !folders.has(folder); folder = path.dirname(folder)) folders.add(folder);
    },
    readFile: (name, encoding) => written.get(key(name))?.content ?? real.readFile(name, encoding),
    fileExists: (name) => written.has(key(name)) || real.fileExists(name),
    directoryExists: (name) => folders.has(key(name)) || real.directoryExists(name),
    getModifiedTime: (name) => written.get(key(name))?.time ?? real.getModifiedTime(name),
    setModifiedTime: () => undefined,
    createDirectory: () => undefined,
    deleteFile: (name) => void written.delete(key(name)),
  };
}

const begun = Date.now();
const ts = compiler();
const format = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (name) => name,
  getNewLine: () => "\n",
};
const seen = new Set();
const say = (diagnostic) => process.stdout.write(ts.formatDiagnostic(diagnostic, format));
const host = ts.createSolutionBuilderHost(inMemory(ts), undefined, say, () => undefined);
host.afterProgramEmitAndDiagnostics = (built) => built.getSourceFiles().forEach((file) => seen.add(file.fileName));
const code = ts.createSolutionBuilder(host, projects.length > 0 ? projects : ["."], { force: true }).build();
for (const name of seen) process.stdout.write(name + "\n");
process.stdout.write(`Files: ${seen.size}\nTotal time: ${(Date.now() - begun) / 1000}s\n`);
process.exitCode = code;
