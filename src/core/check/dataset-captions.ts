import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostic.ts";
import type { MediaFacts } from "../facts.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { CAPTION_TOKENS, measureCaption } from "./caption-length.ts";
import { type CheckedSource, nameOf } from "./checked-source.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { countOf, listNames } from "./listing.ts";

/** A caption below this says too little. */
const FEWEST_WORDS = 3;

/** The caption as people find it: its file, or its row. */
function captionOf(media: MediaFacts): string {
  return media.caption.file ?? nameOf(media);
}

/** What an extension does that has more than one dot, or none. */
function explainExtension({ captionExtension, kind }: CheckedSource["source"]): string {
  if (/^\.[^.]+$/.test(captionExtension) || (kind === "videos" && captionExtension.includes("."))) return "";
  return captionExtension.includes(".")
    ? ` The trainer finds no caption of an image under a \`caption_extension\` such as \`${captionExtension}\`: it takes one dot and what follows.`
    : ` \`caption_extension\` is \`${captionExtension}\`, without a dot, and is put behind the name as it is; \`.${captionExtension}\` is probably meant.`;
}

/** T10: the trainer would open these, and fail. */
function checkMissing({ source, facts, at }: CheckedSource): readonly Diagnostic[] {
  const missing = facts.media.filter(({ caption }) => caption.problem === "missing");
  const [first] = missing;
  if (first === undefined) return [];
  const names = listNames(missing.map(({ file }) => file));
  const write = `Write ${first.caption.file ?? "it"}${missing.length > 1 ? ", and so on," : ""} with a description of the ${first.kind === "video" ? "clip" : "image"}.`;
  const extension = explainExtension(source);
  // An image whose caption the folder doesn't list is left out.
  const link = first.kind === "image" && extension === "" ? ` ${first.caption.file} is a link that leads nowhere.` : "";
  const detail = `No caption file for ${names}. The trainer would stop there in the middle of caching.${link} ${write}${extension}`;
  return [diagnose(TRAINER_CODES.captionMissing, detail, at)];
}

/** T10 for images that the trainer finds no caption of: it leaves them out, which nobody would notice. */
function checkLeftOut({ source, facts, at }: CheckedSource): readonly Diagnostic[] {
  const left = facts.media.filter(({ caption }) => caption.problem === "left-out");
  const [first] = left;
  if (first === undefined) return [];
  const detail = `The trainer leaves out ${countOf(left.length, "image")} without a caption, and says nothing: ${listNames(left.map(({ file }) => file))}. Write ${first.caption.file ?? "a caption"}${left.length > 1 ? ", and so on" : ""}, or move ${left.length > 1 ? "them" : "it"} elsewhere.${explainExtension(source)}`;
  return [diagnose(TRAINER_CODES.captionMissing, detail, { ...at, severity: "warning" })];
}

function checkReadable({ facts, at }: CheckedSource): readonly Diagnostic[] {
  const notUtf8 = facts.media
    .filter(({ caption, line }) => caption.problem === "not-utf8" && line === undefined)
    .map(captionOf);
  const halved = facts.media.filter(({ caption, line }) => caption.problem === "not-utf8" && line !== undefined);
  const unreadable = facts.media.filter(({ caption }) => caption.problem === "unreadable").map(captionOf);
  const found: Diagnostic[] = [];
  if (notUtf8.length > 0) {
    const detail = `Not UTF-8: ${listNames(notUtf8)}. The trainer would stop there; save ${notUtf8.length === 1 ? "the file" : "the files"} as UTF-8, for instance with \`iconv -f GB18030 -t UTF-8\`.`;
    found.push(diagnose(DATASET_CODES.captionUnreadable, detail, at));
  }
  if (halved.length > 0) {
    const detail = `Half a surrogate pair, as in \`"\\ud83e"\`, is no character, and the trainer would stop there: ${listNames(halved.map(captionOf))}. Write the character itself, or leave it out.`;
    found.push(diagnose(DATASET_CODES.captionUnreadable, detail, at));
  }
  if (unreadable.length > 0) {
    const detail = `Not a file that you may read: ${listNames(unreadable)}.`;
    found.push(diagnose(DATASET_CODES.captionUnreadable, detail, at));
  }
  const tooLarge = facts.media.filter(({ caption }) => caption.problem === "too-large").map(captionOf);
  if (tooLarge.length > 0) {
    const detail = `More than a megabyte, so no caption but another file under its name: ${listNames(tooLarge)}. Write a sentence or two about the clip there.`;
    found.push(diagnose(DATASET_CODES.captionUnreadable, detail, at));
  }
  return found;
}

function checkText({ facts, at }: CheckedSource): readonly Diagnostic[] {
  const empty: string[] = [];
  const short: string[] = [];
  const long: string[] = [];
  const marked: string[] = [];
  for (const media of facts.media) {
    const { text } = media.caption;
    if (text === undefined) continue;
    if (text.startsWith("\ufeff")) marked.push(captionOf(media));
    const bare = text.replaceAll("\ufeff", "").trim();
    const { words, tokens } = measureCaption(bare);
    if (bare === "") empty.push(captionOf(media));
    else if (words < FEWEST_WORDS) short.push(`${captionOf(media)} (“${bare}”)`);
    else if (tokens > CAPTION_TOKENS) long.push(`${captionOf(media)} (about ${tokens} tokens)`);
  }
  const found: Diagnostic[] = [];
  if (empty.length > 0) {
    const detail = `Nothing is written in ${listNames(empty)}. What is trained without words acts on every prompt; describe what is to be seen.`;
    found.push(diagnose(DATASET_CODES.captionEmpty, detail, at));
  }
  if (short.length > 0) {
    const detail = `${listNames(short)}. Describe what is to be seen and how it moves, in a sentence or two.`;
    found.push(diagnose(DATASET_CODES.captionShort, detail, at));
  }
  if (long.length > 0) {
    const detail = `The text encoder takes ${CAPTION_TOKENS} tokens and cuts off the rest: ${listNames(long)}. Put the most important things first, or shorten.`;
    found.push(diagnose(DATASET_CODES.captionLong, detail, at));
  }
  if (marked.length > 0) {
    const detail = `The trainer keeps the mark as a part of the first word: ${listNames(marked)}. Save as UTF-8 without BOM.`;
    found.push(diagnose(DATASET_CODES.captionMark, detail, at));
  }
  return found;
}

/** The captions of a source: there, readable, and of a length to learn from. */
export function checkCaptions(checked: CheckedSource): readonly Diagnostic[] {
  return [checkMissing, checkLeftOut, checkReadable, checkText].flatMap((rule) => rule(checked));
}
