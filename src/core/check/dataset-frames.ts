import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostic.ts";
import type { MediaFacts } from "../facts.ts";
import { roundTargetFrames, TARGET_FPS } from "../trainer/frames.ts";
import { type CheckedSource, nameOf } from "./checked-source.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { countOf, listNames } from "./listing.ts";

/** How far from 16 a rate may be before motion looks wrong, and how far two rates of one source may be apart. */
const FAR = 0.1;
const APART = 0.01;

/** A rate as a TOML float, which `source_fps` must be (T9). */
function rateText(fps: number): string {
  return Number.isInteger(fps) ? fps.toFixed(1) : String(fps);
}

interface RateGroup {
  readonly fps: number;
  readonly names: string[];
}

/** Clips by rate, most common first; rates within a hundredth of each other are one. */
function groupByRate(media: readonly MediaFacts[]): readonly RateGroup[] {
  const timed = media
    .flatMap((clip) => (clip.fps === undefined ? [] : [{ fps: clip.fps, name: nameOf(clip) }]))
    .sort((a, b) => a.fps - b.fps);
  const groups: RateGroup[] = [];
  for (const { fps, name } of timed) {
    const last = groups.at(-1);
    if (last !== undefined && fps - last.fps <= last.fps * APART) last.names.push(name);
    else groups.push({ fps, names: [name] });
  }
  return groups.sort((a, b) => b.names.length - a.names.length);
}

function describeGroups(groups: readonly RateGroup[]): string {
  return groups
    .slice(0, 10)
    .map(({ fps, names }) => `${fps} frames a second: ${listNames(names)}`)
    .join("; ");
}

function checkUnsetRate(groups: readonly RateGroup[], { source, at }: CheckedSource): readonly Diagnostic[] {
  const [most] = groups;
  if (most === undefined || groups.every(({ fps }) => Math.abs(fps - TARGET_FPS) <= TARGET_FPS * FAR)) return [];
  const taken = `Without \`source_fps\` every frame counts as one of ${TARGET_FPS} a second, so`;
  if (groups.length > 1) {
    const detail = `The clips of ${source.input.written} have different rates (${describeGroups(groups)}). ${taken} they are learned at different speeds. Give each rate a folder and a source of its own, with \`source_fps: ${rateText(most.fps)}\` for the first, and so on.`;
    return [diagnose(DATASET_CODES.frameRate, detail, at)];
  }
  const speed = Math.round((TARGET_FPS / most.fps) * 100);
  const slower =
    most.fps < TARGET_FPS
      ? ` The trainer can't add frames: at this rate a clip gives fewer than it has places for.`
      : "";
  const detail = `${countOf(most.names.length, "clip")} of ${source.input.written} ${most.names.length === 1 ? "has" : "have"} ${most.fps} frames a second. ${taken} what moves is learned at ${speed} % of its speed. Add \`source_fps: ${rateText(most.fps)}\` or \`source_fps: auto\` to this source.${slower}`;
  return [diagnose(DATASET_CODES.frameRate, detail, at)];
}

function checkRates(checked: CheckedSource): readonly Diagnostic[] {
  const groups = groupByRate(checked.facts.media);
  const { sourceFps } = checked.source;
  if (sourceFps === undefined) return checkUnsetRate(groups, checked);
  const others = groups.filter(({ fps }) => Math.abs(fps - sourceFps) > sourceFps * 2 * APART);
  if (others.length === 0) return [];
  const detail = `\`source_fps\` is ${rateText(sourceFps)}, but there are clips of ${describeGroups(others)}. They would be learned too fast or too slow; ${others.length === groups.length ? `set \`source_fps: ${rateText(others[0]?.fps ?? sourceFps)}\`` : "give them a folder and a source of their own"}.`;
  return [diagnose(DATASET_CODES.mixedFrameRates, detail, checked.at)];
}

/** Clips that drop out beside others that don't; that nothing at all is left is T11. */
function checkLength({ source, facts, made, at }: CheckedSource): readonly Diagnostic[] {
  const short = made.dropped.filter(({ reason }) => reason === "too-short");
  const [first] = short;
  if (first === undefined) return [];
  const decoded = new Map(facts.media.map(({ file, frames }) => [file, frames]));
  const names = short.map(({ file, framesUsed }) => {
    const all = decoded.get(file);
    return all === undefined || all === framesUsed ? `${file} (${framesUsed})` : `${file} (${framesUsed} of ${all})`;
  });
  const rate = source.sourceFps === undefined ? "" : ` at ${TARGET_FPS} frames a second`;
  const detail = `The smallest target is ${countOf(first.smallestTarget, "frame")}, and the trainer leaves out, without a word, ${countOf(short.length, "clip")} with fewer${rate}: ${listNames(names)}. Add a smaller number to \`target_frames\`, or move them elsewhere.`;
  return [diagnose(DATASET_CODES.tooShort, detail, at)];
}

/** Targets that clips beside others don't reach; clips that reach none are `checkLength`'s. */
function checkTargets({ source, made, at }: CheckedSource): readonly Diagnostic[] {
  const targets = roundTargetFrames(source.targetFrames);
  if (source.frameExtraction === "full" || targets.length < 2 || made.items.length === 0) return [];
  if (source.kind === "images" || source.kind === "image_jsonl") return [];
  const clips = new Set(made.items.map(({ sourceFile }) => sourceFile)).size;
  const short = made.dropped.filter(({ reason }) => reason === "too-short").length;
  const filled = new Map(targets.map((target) => [target, new Set<string>()]));
  for (const { frames, sourceFile } of made.items) filled.get(frames)?.add(sourceFile);
  const counts = targets.map((target) => ({ target, files: filled.get(target)?.size ?? 0 }));
  if (counts.every(({ files }) => files === clips)) return [];
  const [most, ...others] = counts
    .toReversed()
    .map(({ target, files }) => ({ target, text: `${files} of ${clips + short}` }));
  const texts = [
    `${most?.target}: ${most?.text} clips are long enough`,
    ...others.map(({ target, text }) => `${target}: ${text}`),
  ];
  const isUnfilled = counts.some(({ files }) => files === 0);
  const rate = source.sourceFps === undefined ? "" : `, at ${TARGET_FPS} frames a second`;
  const mend = isUnfilled ? " Use longer clips, or take out what none of them fills." : "";
  const detail = `\`target_frames\` of ${source.input.written}${rate}: ${texts.join("; ")}. The trainer leaves out the others of each without a word.${mend}`;
  return [diagnose(DATASET_CODES.targetUnfilled, detail, { ...at, ...(isUnfilled ? {} : { severity: "note" }) })];
}

/** The clips of a source: long enough, and at the speed that the trainer takes them for. */
export function checkFrames(checked: CheckedSource): readonly Diagnostic[] {
  return [checkLength, checkTargets, checkRates].flatMap((rule) => rule(checked));
}
