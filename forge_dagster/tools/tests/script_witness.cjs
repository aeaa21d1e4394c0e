// node's option --require: tells in the file $FORGE_SCRIPT_REPORT, as JSON lines, that the program ran to its end, how it ended, and
// what error ended it. Neither what the program starts nor its worker threads tell anything. With $FORGE_CANARY, the program is to
// fail (canary/forge_canary_script.cjs).
"use strict";

const fs = require("node:fs");
const { isMainThread } = require("node:worker_threads");

const report = process.env.FORGE_SCRIPT_REPORT;
delete process.env.FORGE_SCRIPT_REPORT;

if (isMainThread && process.env.FORGE_CANARY) require("./canary/forge_canary_script.cjs");
if (isMainThread && report) {
  let last = "";
  process.on("uncaughtExceptionMonitor", (error) => {
    const message = String(error?.message ?? error);
    const stack = typeof error?.stack === "string" ? error.stack : "";
    last = (stack.includes(message) ? stack : `${message}\n${stack}`).slice(0, 20000);
  });
  process.on("exit", (code) => {
    const file = process.argv[1];
    const text = code === 0 ? "" : last || `it ended with exit code ${code}`;
    const entry = { type: "test", state: code === 0 ? "passed" : "failed", path: ["the whole program"], file, text };
    fs.writeFileSync(report, `${JSON.stringify(entry)}\n${JSON.stringify({ type: "end" })}\n`);
  });
}
