// A helper file of jasmine: what became of each spec, as JSON lines in the file $FORGE_JASMINE_REPORT. jasmine before 5 does not
// tell the file of a spec; then its failure's stack does.
"use strict";

const fs = require("node:fs");

const LONGEST = 20000;
const output = fs.openSync(process.env.FORGE_JASMINE_REPORT, "w");
const write = (entry) => fs.writeSync(output, `${JSON.stringify(entry)}\n`);
const states = { passed: "passed", failed: "failed" };
const text = (failures) => {
  const [first] = failures ?? [];
  if (!first) return "";
  const message = String(first.message ?? "");
  const stack = String(first.stack ?? "");
  return (stack.includes(message) ? stack : `${message}\n${stack}`).slice(0, LONGEST);
};
const frame = (stack) => /^\s+at .*?\(?(\/[^\n()]+?):\d+:\d+\)?$/m.exec(stack ?? "")?.[1];
const told = (type) => (result) => {
  const failures = result.failedExpectations ?? [];
  const file = result.filename ?? frame(failures[0]?.stack);
  if (type === "test" && result.status === "excluded") return;
  if (type === "suite" && failures.length === 0) return;
  const state = states[result.status] ?? (failures.length > 0 ? "failed" : "skipped");
  write({ type, state, path: [result.fullName], name: result.fullName, file, text: text(failures) });
};

jasmine.getEnv().addReporter({
  specDone: told("test"),
  suiteDone: told("suite"),
  jasmineDone(result) {
    for (const failure of result.failedExpectations ?? []) {
      const kind = failure.globalErrorType === "load" ? "file" : "hook";
      const file = failure.filename ?? frame(failure.stack);
      write({ type: kind, state: "failed", path: ["outside of specs"], file, text: text([failure]) });
    }
    write({ type: "end" });
  },
});
