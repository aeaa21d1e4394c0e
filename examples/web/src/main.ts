import { receipt, type Line } from "./basket.js";

/** Where the page shows the basket: as much of the DOM as is needed. */
export interface Page {
  getElementById(
    id: string,
  ): { replaceChildren(...nodes: Node[]): void } | null;
  createElement(name: "li"): HTMLElement;
}

export const EXAMPLE: readonly Line[] = [
  { item: "anvil", cents: 12_500, quantity: 1 },
  { item: "tongs", cents: 2_200, quantity: 3 },
];

/** Fill the page's basket; false where the page has none. */
export function show(page: Page, lines: readonly Line[]): boolean {
  const basket = page.getElementById("basket");
  if (basket === null) {
    return false;
  }
  basket.replaceChildren(
    ...receipt(lines).map((text) => {
      const item = page.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
  return true;
}

if (typeof document !== "undefined") {
  show(document, EXAMPLE);
}
