import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** SHA-256 in hex, of a text's UTF-8. Core, which does not hash, gets it as an argument. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** SHA-256 of a file in hex, from a byte on, read as a stream. Throws system errors. */
export async function hashFile(file: string, { start = 0 }: { readonly start?: number } = {}): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { start }), hash);
  return hash.digest("hex");
}
