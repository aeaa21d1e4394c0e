// A reporter of node:test: what became of each test, as JSON lines. Unlike its JUnit reporter it tells the file of every test, what
// a file wrote to stderr before it failed as a whole, and whether the run came to its end.
import path from "node:path";

const LONGEST = 20000;
const cut = (value) => String(value ?? "").slice(0, LONGEST);
const isSet = (mark) => mark !== undefined && mark !== false;
const text = (error) => {
  const cause = error?.cause ?? error;
  const stack = typeof cause?.stack === "string" ? cause.stack : "";
  const message = String(cause?.message ?? cause ?? "");
  return cut(stack.includes(message) ? stack : `${message}\n${stack}`);
};

export default async function* forgeReporter(source) {
  const open = new Map();
  const errors = new Map();
  let note = "";
  for await (const { type, data } of source) {
    const names = open.get(data?.file) ?? [];
    if (type === "test:stderr") {
      errors.set(data.file, `${errors.get(data.file) ?? ""}${data.message}`.slice(-LONGEST));
    } else if (type === "test:start") {
      open.set(data.file, [...names.slice(0, data.nesting), data.name]);
    } else if (type === "test:pass" || type === "test:fail") {
      const whole = data.nesting === 0 && data.file !== undefined && path.resolve(data.name) === path.resolve(data.file);
      yield `${JSON.stringify({
        type: whole ? "file" : data.details?.type === "suite" ? "suite" : "test",
        state: isSet(data.skip) || isSet(data.todo) ? "skipped" : type === "test:pass" ? "passed" : "failed",
        path: [...names.slice(0, data.nesting), data.name],
        file: data.file,
        line: data.line,
        why: data.details?.error?.failureType,
        text: whole ? errors.get(data.file) || note || text(data.details?.error) : text(data.details?.error),
      })}\n`;
      if (whole) note = "";
    } else if (type === "test:diagnostic" && data.message.startsWith("Error: ")) {
      note = cut(data.message);
    }
  }
  yield '{"type":"end"}\n';
}
