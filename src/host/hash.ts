import { createHash } from "node:crypto";

/** SHA-256 in hex, of a text's UTF-8. Core, which does not hash, gets it as an argument. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
