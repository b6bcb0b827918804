import type { Diagnostic, RelatedPlace } from "../diagnostic.ts";
import { diagnose } from "../diagnostic.ts";
import type { MediaFacts } from "../facts.ts";
import { lacksBuckets } from "../trainer/buckets.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { type CheckedSource, nameOf } from "./checked-source.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { countOf, listNames } from "./listing.ts";

/** What is wrong with a source as a whole, and with single files of it. */

const RELATED_ROWS = 10;

/** A place in a JSONL file. */
function rowPlace({ source }: CheckedSource, line: number, message: string): RelatedPlace {
  return { file: source.input.path, range: { line, column: 1, end_line: line, end_column: 1 }, message };
}

const noun = ({ source }: CheckedSource) =>
  source.kind === "videos" || source.kind === "video_jsonl" ? "clip" : "image";

function checkEmpty(checked: CheckedSource): readonly Diagnostic[] {
  const { source, facts, at } = checked;
  if (facts.media.length > 0 || facts.rows !== undefined) return [];
  const isFolder = source.kind === "videos" || source.kind === "images";
  const extensions =
    source.kind === "videos"
      ? ".mp4 .webm .avi .mkv .mov .flv .wmv .m4v .mpg .mpeg"
      : ".png .jpg .jpeg .webp .bmp .avif";
  const detail = isFolder
    ? `${source.input.written} holds no ${noun(checked)} whose name ends in one of ${extensions}. Only the folder itself is searched, not its subfolders.`
    : `${source.input.written} has no row.`;
  return [diagnose(DATASET_CODES.sourceEmpty, detail, at)];
}

function checkPassedOver({ source, facts, at }: CheckedSource): readonly Diagnostic[] {
  const names = facts.passedOver ?? [];
  if (names.length === 0) return [];
  const detail = `In ${source.input.written} the trainer doesn't take ${listNames(names)}. Rename \`.Mp4\` and the like to lower case, convert other formats to MP4 or PNG, or move them elsewhere.`;
  return [diagnose(DATASET_CODES.passedOver, detail, at)];
}

function checkRows(checked: CheckedSource): readonly Diagnostic[] {
  const rows = checked.facts.rows ?? [];
  if (rows.length === 0) return [];
  const detail = `In ${checked.source.input.written} ${countOf(rows.length, "line")} can't be used: ${listNames(rows.map(({ line, text }) => `line ${line} (${text})`))}.`;
  const related = rows.slice(0, RELATED_ROWS).map(({ line, text }) => rowPlace(checked, line, text));
  return [diagnose(DATASET_CODES.jsonlRow, detail, { ...checked.at, related })];
}

/** The source itself: there, of the right kind, and with something in it. */
export function checkSource(checked: CheckedSource): readonly Diagnostic[] {
  const { source, facts, at } = checked;
  if (facts.problem !== undefined) {
    // Reading the file has said so already.
    if (source.input.unset.length > 0) return [];
    const kind = facts.problem.kind === "missing" ? DATASET_CODES.sourceMissing : DATASET_CODES.sourceUnusable;
    const { written, path } = source.input;
    const place = path === written ? "" : `, which is ${path}`;
    return [diagnose(kind, `\`${source.kind}: ${written}\`${place}: ${facts.problem.text}.`, at)];
  }
  return [...checkEmpty(checked), ...checkPassedOver(checked), ...checkRows(checked)];
}

/** The first of many, and how many more there are. */
function firstOf(texts: readonly string[]): string {
  const more = texts.length - RELATED_ROWS;
  return `${texts.slice(0, RELATED_ROWS).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/** An image without a caption is left out before it is opened. */
const isOpened = ({ kind, caption }: MediaFacts) => kind === "video" || caption.problem !== "left-out";

function checkProblems({ facts, made, at }: CheckedSource): readonly Diagnostic[] {
  const needsFfprobe = new Map<string, string[]>();
  const unreadable: string[] = [];
  let isBroken = false;
  const damaged = new Set(made.dropped.filter(({ reason }) => reason === "damaged").map(({ file }) => file));
  for (const media of facts.media.filter(isOpened)) {
    const { problem, damage } = media;
    if (problem?.kind === "needs-ffprobe") {
      needsFfprobe.set(problem.text, [...(needsFfprobe.get(problem.text) ?? []), nameOf(media)]);
    } else if (problem !== undefined && problem.kind !== "name-not-utf8") {
      unreadable.push(`${nameOf(media)}: ${problem.text}`);
      isBroken ||= problem.kind === "broken";
    } else if (damage !== undefined && damaged.has(media.file)) {
      const before = damage.intactFrames ?? 0;
      const reach =
        before === 0 ? "" : ` (${countOf(before, "frame")} before that can be read for certain, and more are wanted)`;
      unreadable.push(`${nameOf(media)}: ${damage.text}${reach}`);
      isBroken = true;
    }
  }
  const found: Diagnostic[] = [];
  if (unreadable.length > 0) {
    const [files, them] = unreadable.length === 1 ? ["the file", "it"] : ["the files", "them"];
    const detail = `${firstOf(unreadable)}. The trainer would stop there in the middle of caching${isBroken ? ", or train on broken pictures" : ""}; replace ${files}, or move ${them} out of the source.`;
    found.push(diagnose(DATASET_CODES.fileUnreadable, detail, at));
  }
  for (const [text, names] of needsFfprobe) {
    const detail = `${listNames(names)}: the container or codec takes ffprobe to count the frames, and ${text}. Install ffmpeg (\`apt-get install ffmpeg\`), or convert to MP4.`;
    found.push(diagnose(DATASET_CODES.needsFfprobe, detail, at));
  }
  return found;
}

/** Damage that the trainer doesn't mind, and whoever looks at the results would. */
function checkDamage({ facts, made, at }: CheckedSource): readonly Diagnostic[] {
  const dropped = new Set(made.dropped.map(({ file }) => file));
  const damaged = facts.media.flatMap((media) => {
    const { damage, frames } = media;
    if (damage === undefined || dropped.has(media.file) || !isOpened(media)) return [];
    const taken = media.kind === "image" ? "" : ` (${countOf(frames ?? 0, "frame")} can be decoded)`;
    return [
      `${nameOf(media)}: ${damage.text}${damage.intactFrames === undefined ? taken : " (behind the frames that are read)"}`,
    ];
  });
  if (damaged.length === 0) return [];
  const them = damaged.length === 1 ? "it" : "them";
  const detail = `${firstOf(damaged)}. The trainer takes ${them} all the same; replace ${them} by a whole copy, or make sure that what is there is what you want.`;
  return [diagnose(DATASET_CODES.damaged, detail, at)];
}

/** T20, and rows that only repeat one another. Images that are left out for want of a caption have no caches to collide. */
function checkStems(checked: CheckedSource): readonly Diagnostic[] {
  const byStem = new Map<string, MediaFacts>();
  const clashes: string[] = [];
  const repeats: string[] = [];
  const related: RelatedPlace[] = [];
  for (const media of checked.facts.media) {
    if (media.kind === "image" && media.caption.problem === "left-out") continue;
    const first = byStem.get(media.stem);
    if (first === undefined) {
      byStem.set(media.stem, media);
      continue;
    }
    if (first.file === media.file && first.caption.text === media.caption.text) {
      repeats.push(`line ${media.line} repeats line ${first.line}`);
      continue;
    }
    clashes.push(`${nameOf(first)} and ${nameOf(media)}`);
    if (media.line !== undefined && related.length < RELATED_ROWS) {
      related.push(rowPlace(checked, media.line, `has the base name \`${media.stem}\` of line ${first.line}`));
    }
  }
  const found: Diagnostic[] = [];
  if (clashes.length > 0) {
    const shown = clashes.slice(0, RELATED_ROWS);
    const more = clashes.length - shown.length;
    const detail = `Captions and caches are named after a file's name without folder and extension, so one would overwrite the other: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}. Rename one of each pair, with its caption.`;
    found.push(diagnose(TRAINER_CODES.sameStem, detail, { ...checked.at, related }));
  }
  if (repeats.length > 0) {
    const detail = `In ${checked.source.input.written} ${listNames(repeats)}. The rows count once; take the others out, or set \`num_repeats\`.`;
    found.push(diagnose(DATASET_CODES.rowRepeated, detail, checked.at));
  }
  return found;
}

function checkHeaders({ facts, at }: CheckedSource): readonly Diagnostic[] {
  const wrong = facts.media
    .filter(({ headerFrames }) => headerFrames !== undefined)
    .map((media) => `${nameOf(media)} (${media.frames} of ${media.headerFrames})`);
  if (wrong.length === 0) return [];
  const detail = `Frames that can be decoded, of those in the header: ${listNames(wrong)}. The plan counts those that can be decoded, as the trainer does; a clip that is shorter than its header says was probably cut short.`;
  return [diagnose(DATASET_CODES.frameCount, detail, at)];
}

function checkRotation(checked: CheckedSource): readonly Diagnostic[] {
  const turned = checked.facts.media
    .filter(({ rotation }) => rotation !== undefined)
    .map((media) => `${nameOf(media)} (${media.rotation}°)`);
  if (turned.length === 0) return [];
  const detail = `Players turn ${listNames(turned)} upright by the metadata; the trainer doesn't, and learns ${turned.length === 1 ? `the ${noun(checked)}` : `the ${noun(checked)}s`} turned. Encode again to store the picture upright: \`ffmpeg -i IN OUT\` turns it by itself.`;
  return [diagnose(DATASET_CODES.rotated, detail, checked.at)];
}

function checkTooSmall({ source, made, at }: CheckedSource): readonly Diagnostic[] {
  const small = made.dropped.filter(({ reason }) => reason === "too-small").map(({ file }) => file);
  // Where there is no bucket at all, it is the resolution's fault, and said of that.
  if (small.length === 0 || lacksBuckets(source)) return [];
  const detail = `No bucket can be made for ${listNames(small)}: a side is below 16 pixels, or the shape is too extreme for the resolution. Take ${small.length === 1 ? "it" : "them"} out.`;
  return [diagnose(DATASET_CODES.tooSmall, detail, at)];
}

function checkTask({ source, facts, task, at }: CheckedSource): readonly Diagnostic[] {
  if (task !== "i2v-A14B" || source.kind === "videos" || source.kind === "video_jsonl") return [];
  if (facts.media.length === 0) return [];
  const detail = `${source.input.written} holds images, which an image-to-video model is given and asked for at once.`;
  return [diagnose(DATASET_CODES.imagesForI2v, detail, at)];
}

/** The files of a source: whole, distinct, upright. */
export function checkFiles(checked: CheckedSource): readonly Diagnostic[] {
  return [checkProblems, checkDamage, checkStems, checkHeaders, checkRotation, checkTooSmall, checkTask].flatMap(
    (rule) => rule(checked),
  );
}
