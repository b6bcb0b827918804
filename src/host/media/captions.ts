import { readFile } from "node:fs/promises";
import type { CaptionFacts } from "../../core/facts.ts";
import { errorCode } from "../read-file.ts";
import type { StatCache } from "../stat-cache.ts";
import { decodeUtf8, stripText, universalNewlines } from "./python-text.ts";

type Remembered = { readonly text: string } | { readonly problem: "not-utf8" };

const KIND = "caption-1";

/** The text encoder takes about two kilobytes; a file of more than this is something else under a caption's name. */
const MAX_CAPTION_BYTES = 1 << 20;

/** A caption file's text as the trainer reads it: strict UTF-8, universal newlines, stripped. */
function parseCaption(bytes: Uint8Array): Remembered {
  const text = decodeUtf8(bytes);
  return text === undefined ? { problem: "not-utf8" } : { text: stripText(universalNewlines(text)) };
}

/** Reads a caption file. `shown` is its name for people. */
export async function readCaption(
  path: string,
  { shown, statCache }: { readonly shown: string; readonly statCache: StatCache },
): Promise<CaptionFacts> {
  try {
    const { stats, value } = await statCache.lookup<Remembered>(KIND, path);
    if (value !== undefined) return { file: shown, ...value };
    if (stats.kind !== "file") return { file: shown, problem: "unreadable" };
    if (stats.bytes > MAX_CAPTION_BYTES) return { file: shown, problem: "too-large" };
    const caption = parseCaption(await readFile(path));
    await statCache.remember(KIND, path, stats, caption);
    return { file: shown, ...caption };
  } catch (error) {
    const code = errorCode(error);
    return { file: shown, problem: code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unreadable" };
  }
}
