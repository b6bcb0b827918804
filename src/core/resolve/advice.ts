import { latentFrames } from "../trainer/frames.ts";
import { SCRIPTS, SECTION_OF } from "../vocabulary.ts";
import type { Problem, Remedy } from "./preset-schema.ts";
import type { Presets } from "./presets.ts";
import { findRemedies, parametersOf, remedyLines } from "./remedies.ts";
import type { Resolved } from "./resolved.ts";

/** What is said to somebody whose training has run into a problem: the manual's remedies, and what is left after them. */
export interface Advice {
  /** Lines of YAML with comments, best first; empty where every remedy is taken. */
  readonly lines: readonly string[];
  /** Sentences, where every remedy is taken: which ones, and what is left. */
  readonly usedUp: string | undefined;
}

export const NO_ADVICE: Advice = { lines: [], usedUp: undefined };

export function adviseAgainst(problem: Problem, resolved: Resolved, presets: Presets): Advice {
  const lines = remedyLines(findRemedies(problem, resolved, presets));
  if (lines.length > 0) return { lines, usedUp: undefined };
  const taken = presets.remedies.problems[problem].remedies.flatMap((remedy) => takenText(remedy, resolved));
  const list = taken.length === 0 ? "" : `: ${taken.join("; ")}`;
  const left =
    problem === "out-of-memory" ? ` What is left is a card with more memory, or ${lessAtOnce(resolved)}.` : "";
  return { lines, usedUp: `Every remedy of the manual against it is taken in this pipeline${list}.${left}` };
}

/** `swap blocks to host memory (train.blocks_to_swap 39)`; nothing for one that does not concern this pipeline. */
function takenText({ title, parameters, by_task, keys }: Remedy, resolved: Resolved): readonly string[] {
  const names = Object.keys({ ...parameters, ...by_task?.[resolved.spec.task] });
  const values = SCRIPTS.flatMap((script) =>
    names.flatMap((name) => {
      const value = parametersOf(script, resolved)[name]?.value;
      return value === undefined || value === false ? [] : [`${SECTION_OF[script]}.${name} ${String(value)}`];
    }),
  );
  const shown = keys?.noise === undefined ? values : [...values, `noise ${resolved.noise}`];
  return shown.length === 0 ? [] : [`${title.en.charAt(0).toLowerCase()}${title.en.slice(1)} (${shown.join(", ")})`];
}

/** Sides of a video are multiples of this many pixels (`buckets.ts`). */
const SIDE = 16;
const SMALLER = 0.75;

/** What a step computes at once grows with the pixels of a frame and the latent frames of a clip. */
function lessAtOnce({ dataset }: Resolved): string {
  const largest = dataset.sources.reduce(
    (most, source) => (pixels(source.resolution) > pixels(most) ? source.resolution : most),
    [0, 0] as readonly [number, number],
  );
  const smaller = largest.map((side) => Math.max(SIDE, Math.round((side * SMALLER) / SIDE) * SIDE));
  const fewer = Math.round((1 - pixels(smaller) / pixels(largest)) * 100);
  const frames = [...new Set(dataset.sources.flatMap(({ targetFrames }) => targetFrames))].sort((a, b) => b - a);
  const [most = 1, next] = frames;
  const shorter =
    next === undefined
      ? ""
      : `, and \`target_frames\` without ${most} has ${latentFrames(next)} latent frames a clip instead of ${latentFrames(most)}`;
  return `less to compute at once: \`resolution: [${smaller.join(", ")}]\` in place of [${largest.join(", ")}] has ${fewer} % fewer pixels a frame${shorter}; that encodes the caches anew`;
}

function pixels([width = 0, height = 0]: readonly number[]): number {
  return width * height;
}
