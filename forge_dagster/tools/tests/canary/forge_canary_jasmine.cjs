// A helper file of jasmine: three specs that must fail, under a name that is drawn for each run, by an error and by expectations as the
// repository's own specs have them.
"use strict";

const fs = require("node:fs");

const name = process.env.FORGE_CANARY;

// else jasmine would end with these, which may come first
jasmine.getEnv().configure({ failFast: false, stopOnSpecFailure: false });

describe(name, () => {
  it("an error", () => {
    throw new Error("the canary: this test is here to fail");
  });
  it("an expectation", () => {
    expect(1).toBe(2);
  });
  it("another expectation", () => {
    expect({ a: 1 }).toEqual({ a: 2 });
  });
});

fs.writeFileSync(process.env.FORGE_CANARY_NOTE, JSON.stringify({ tests: 3, why: "" }));
