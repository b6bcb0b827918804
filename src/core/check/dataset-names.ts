import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostic.ts";
import { MAX_CACHE_NAME_BYTES } from "../trainer/items.ts";
import { type CheckedSource, nameOf } from "./checked-source.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { countOf, listNames } from "./listing.ts";

/** The names of a source's files, which caches are named after. */

/** Bytes of a text in UTF-8. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function checkLength({ made, at }: CheckedSource): readonly Diagnostic[] {
  /** Bytes too many, by file. */
  const surplus = new Map<string, number>();
  const look = (file: string, cache: string) => {
    // No character takes more than three bytes a unit.
    if (cache.length * 3 <= MAX_CACHE_NAME_BYTES) return;
    const bytes = utf8Bytes(cache) - MAX_CACHE_NAME_BYTES;
    if (bytes > 0) surplus.set(file, Math.max(bytes, surplus.get(file) ?? 0));
  };
  for (const { sourceFile, latentCache } of made.items) look(sourceFile, latentCache);
  for (const { sourceFile, textCache } of made.texts) look(sourceFile, textCache);
  if (surplus.size === 0) return [];
  const names = listNames([...surplus].map(([file, bytes]) => `${file} (by ${countOf(bytes, "byte")})`));
  const detail = `Caches are named after their file, with crop and size behind it, and those of ${names} would have longer names than file systems allow. Shorten ${surplus.size === 1 ? "the name" : "the names"}, with the caption's.`;
  return [diagnose(DATASET_CODES.nameTooLong, detail, at)];
}

function checkUtf8({ facts, at }: CheckedSource): readonly Diagnostic[] {
  const wrong = facts.media.filter(
    ({ problem, caption }) => problem?.kind === "name-not-utf8" && caption.problem !== "left-out",
  );
  if (wrong.length === 0) return [];
  const detail = `${listNames(wrong.map((media) => `${nameOf(media)} (${media.problem?.text})`))}. Rename ${wrong.length === 1 ? "it, with its caption" : "them, with their captions"}: \`convmv -f GB18030 -t UTF-8 --notest -r FOLDER\` does it for names out of Chinese archives.`;
  return [diagnose(DATASET_CODES.nameNotUtf8, detail, at)];
}

function checkHidden({ made, at }: CheckedSource): readonly Diagnostic[] {
  const hidden = made.dropped.filter(({ reason }) => reason === "hidden").map(({ file }) => file);
  if (hidden.length === 0) return [];
  const detail = `The names of ${listNames(hidden)} begin with a dot. Rename ${hidden.length === 1 ? "it" : "them"}.`;
  return [diagnose(DATASET_CODES.hiddenRow, detail, at)];
}

/** The names of a source's files: of an encoding, a length and a beginning that caches can have. */
export function checkNames(checked: CheckedSource): readonly Diagnostic[] {
  return [checkUtf8, checkLength, checkHidden].flatMap((rule) => rule(checked));
}
