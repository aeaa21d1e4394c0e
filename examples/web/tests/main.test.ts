import { expect, it } from "vitest";

import { EXAMPLE, show, type Page } from "../src/main.js";

function page(hasBasket: boolean): { page: Page; shown: string[] } {
  const shown: string[] = [];
  const basket = {
    replaceChildren: (...nodes: Node[]) => {
      shown.push(...nodes.map((node) => node.textContent ?? ""));
    },
  };
  return {
    shown,
    page: {
      getElementById: () => (hasBasket ? basket : null),
      createElement: () => ({ textContent: "" }) as HTMLElement,
    },
  };
}

it("shows the receipt on the page", () => {
  const { page: made, shown } = page(true);
  expect(show(made, EXAMPLE)).toBe(true);
  expect(shown).toEqual([
    "1 x anvil 125.00",
    "3 x tongs 66.00",
    "total 191.00",
  ]);
});

it("says when the page has no basket", () => {
  expect(show(page(false).page, EXAMPLE)).toBe(false);
});
