/** A line of the basket: prices are whole cents. */
export interface Line {
  readonly item: string;
  readonly cents: number;
  readonly quantity: number;
}

/** The sum in cents. Throws RangeError for a quantity that is not a whole number of at least 1. */
export function total(lines: readonly Line[]): number {
  let sum = 0;
  for (const line of lines) {
    if (!Number.isInteger(line.quantity) || line.quantity < 1) {
      throw new RangeError(`quantity of ${line.item} must be at least 1`);
    }
    sum += line.cents * line.quantity;
  }
  return sum;
}

/** Cents as people read them: 12500 is "125.00". */
export function money(cents: number): string {
  const sign = cents < 0 ? "-" : "";
  const whole = Math.trunc(Math.abs(cents) / 100);
  const rest = Math.abs(cents) % 100;
  return `${sign}${whole}.${String(rest).padStart(2, "0")}`;
}

/** One line of text per line of the basket, then the sum. */
export function receipt(lines: readonly Line[]): string[] {
  const rows = lines.map(
    (line) =>
      `${line.quantity} x ${line.item} ${money(line.cents * line.quantity)}`,
  );
  return [...rows, `total ${money(total(lines))}`];
}
