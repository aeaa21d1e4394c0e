// Test file of Forge's, added to a run of vitest under a name that is drawn for it: its test must fail. It passes
// where an assertion that the tests of the repository use lets wrong values through.
const { expect, test } = await import(/* @vite-ignore */ process.env.FORGE_CANARY_VITEST);

const attempts = [
  () => expect(1).toBe(2),
  () => expect({ a: 1 }).toEqual({ a: 2 }),
  () => expect(false).toBeTruthy(),
];
const throws = (attempt) => {
  try {
    attempt();
    return false;
  } catch {
    return true;
  }
};

test(process.env.FORGE_CANARY, () => {
  if (attempts.every(throws)) throw new Error("the canary: this test is here to fail");
});
