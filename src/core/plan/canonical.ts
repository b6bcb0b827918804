/** JSON that is the same for the same data, whatever order it was put together in: what digests are taken of. */

/** SHA-256 of a text's UTF-8 bytes in lower-case hex. It comes in as an argument: core has no hash of its own. */
export type Sha256 = (text: string) => string;

/**
 * JSON without spaces, keys sorted by UTF-16 code units, undefined entries left out. Numbers are written as JavaScript's
 * shortest form (0.0002, 1e-7; minus zero as 0), so that equal numbers are equal text; NaN and infinities as null.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((entry) => canonicalJson(entry)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** Hex digits of a digest that only has to tell a few thousand things of one pipeline apart: 64 bits. */
const SHORT_DIGITS = 16;

/** A digest short enough to be kept for every clip. */
export function shortDigest(value: unknown, sha256: Sha256): string {
  return sha256(canonicalJson(value)).slice(0, SHORT_DIGITS);
}
