// mocha's option --reporter: what became of each test, as JSON lines in the file that the reporter's option `output` names, and for
// people on stdout. Every version of mocha since 6 can load it, which cannot be said of the file option of its own JSON reporter.
"use strict";

const fs = require("node:fs");

const LONGEST = 20000;
const text = (error) => {
  if (!error) return "";
  const message = String(error.message ?? error);
  const stack = typeof error.stack === "string" ? error.stack : "";
  const whole = stack.includes(message) ? stack : `${message}\n${stack}`;
  return whole.slice(0, LONGEST);
};

module.exports = class ForgeReporter {
  constructor(runner, options) {
    if (process.env.FORGE_CANARY) require("./canary/forge_canary_mocha.cjs").plant(runner, options);
    const output = fs.openSync(options.reporterOptions.output, "w");
    const write = (entry) => fs.writeSync(output, `${JSON.stringify(entry)}\n`);
    const told = (state) => (test, error) => {
      const path = test.titlePath ? test.titlePath() : [test.fullTitle ? test.fullTitle() : test.title];
      const kind = test.type === "hook" ? "hook" : "test";
      write({ type: kind, state, path, name: test.fullTitle ? test.fullTitle() : path.join(" "), file: test.file, text: text(error) });
      console.log(`${state}: ${path.join(" > ")}`);
      if (error) console.log(text(error));
    };
    runner.on("pass", told("passed"));
    runner.on("fail", told("failed"));
    runner.on("pending", told("skipped"));
    runner.on("end", () => write({ type: "end", dry: Boolean(options.dryRun) }));
  }
};
