/** A whole number with a comma between thousands, in the same way on every machine: 65,536. */
export function groupDigits(number: number): string {
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ",");
}
