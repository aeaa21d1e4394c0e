import { describe, expect, it } from "vitest";

import { money, receipt, total } from "../src/basket.js";

describe("total", () => {
  it("adds up cents", () => {
    expect(
      total([
        { item: "anvil", cents: 12_500, quantity: 1 },
        { item: "tongs", cents: 2_200, quantity: 3 },
      ]),
    ).toBe(19_100);
  });

  it("is nothing for an empty basket", () => {
    expect(total([])).toBe(0);
  });

  it.each([0, -1, 1.5])("refuses a quantity of %d", (quantity) => {
    expect(() => total([{ item: "anvil", cents: 1, quantity }])).toThrow(
      RangeError,
    );
  });
});

describe("money", () => {
  it.each([
    [0, "0.00"],
    [5, "0.05"],
    [12_500, "125.00"],
    [-199, "-1.99"],
  ])("writes %d as %s", (cents, text) => {
    expect(money(cents)).toBe(text);
  });
});

describe("receipt", () => {
  it("has a line each and the sum", () => {
    expect(receipt([{ item: "tongs", cents: 2_200, quantity: 2 }])).toEqual([
      "2 x tongs 44.00",
      "total 44.00",
    ]);
  });
});
