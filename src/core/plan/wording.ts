import type { InputValue } from "./fingerprint.ts";

/** How values and counts are written in reasons. */

/** A number as people write it in a pipeline: `2e-4`, `0.875`, `1280`. */
function numberText(value: number): string {
  const magnitude = Math.abs(value);
  return magnitude !== 0 && magnitude < 1e-3 ? value.toExponential() : String(value);
}

/** A value as people write it in a pipeline; a resolution as `1280x720`. */
export function valueText(value: InputValue, name = ""): string {
  if (typeof value === "number") return numberText(value);
  if (!Array.isArray(value)) return String(value);
  if (value.length === 2 && name.endsWith("resolution")) return value.join("x");
  return `[${value.map((entry) => (typeof entry === "number" ? numberText(entry) : entry)).join(", ")}]`;
}

/** With a capital at its beginning. */
export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** `1 clip`, `3 clips`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const NAMES_SHOWN = 3;

/** The first names of a list, and how many more there are. */
export function namesText(names: readonly string[], shown: number = NAMES_SHOWN): string {
  const more = names.length - shown;
  return more > 0 ? `${names.slice(0, shown).join(", ")} and ${more} more` : names.join(", ");
}

/** What to do about a trainer that trains something else than what the file says now. */
export function takeBack(file: string): string {
  return `Take that back, and \`wan22 apply ${file}\` follows it again: let it finish, or stop it there with Ctrl-C. Then make the change.`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listWords(names: readonly string[], conjunction: "and" | "or" = "and"): string {
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} ${conjunction} ${last}`;
}
