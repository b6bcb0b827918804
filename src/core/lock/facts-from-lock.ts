import type { Facts, InputFileFacts, MediaFacts, ModelFacts, SourceFacts } from "../facts.ts";
import { baseName, joinPath, pathInside, splitExtension } from "../paths.ts";
import { present } from "../present.ts";
import type { SourceSpec, Spec } from "../spec/spec.ts";
import { MODEL_ROLES, type ModelRole } from "../vocabulary.ts";
import { isSameSource } from "./drift.ts";
import type { Lock, LockedFile, LockedItem, LockedSource } from "./lock.ts";
import { asksTheMachine, sourceKey, writtenPath } from "./lock-of.ts";
import { unlockTrainer } from "./locked-trainer.ts";
import { unlockTensors } from "./tensors.ts";

/** From a lock back to facts, part by part: where the thing itself is absent, what was locked of it stands in its place. */

export interface FilledFacts {
  readonly facts: Facts;
  /** What was taken from the lock, as dotted keys of the pipeline: `models.dit`. */
  readonly taken: readonly string[];
  /** Keys that name what is neither here nor in the lock. */
  readonly unfit: readonly string[];
}

export interface Filling {
  readonly spec: Spec;
  /** The project's root, absolute. */
  readonly root: string;
  readonly lock: Lock;
}

/** Pure: what is here counts, and is compared elsewhere. */
export function fillFacts(facts: Facts, filling: Filling): FilledFacts {
  const sources = fillSources(facts, filling);
  const models = fillModels(facts, filling);
  const files = fillFiles(facts, filling);
  const trainer = fillTrainer(facts, filling);
  const hardware = fillHardware(facts, filling);
  const parts = [sources, models, files, trainer, hardware];
  return {
    facts: { ...facts, ...sources.facts, ...models.facts, ...files.facts, ...trainer.facts, ...hardware.facts },
    taken: parts.flatMap(({ taken }) => taken),
    unfit: parts.flatMap(({ unfit = [] }) => unfit),
  };
}

interface FilledPart {
  readonly facts?: Partial<Facts>;
  readonly taken: readonly string[];
  readonly unfit?: readonly string[];
}

function fillSources({ sources }: Facts, { spec, root, lock }: Filling): FilledPart {
  const rest = [...lock.sources];
  const taken: string[] = [];
  const unfit: string[] = [];
  const filled = spec.dataset.sources.map((source, position): SourceFacts => {
    const facts = sources[position] ?? { media: [] };
    const at = rest.findIndex((locked) => isSameSource(locked, sourceKey(source, spec)));
    const [locked] = at < 0 ? [] : rest.splice(at, 1);
    const key = `dataset.sources.${position}.${source.kind}`;
    if (locked === undefined) {
      if (facts.problem?.kind === "missing") unfit.push(key);
      return facts;
    }
    const found = fillSource(facts, source, locked, root);
    if (found !== facts) taken.push(key);
    return found;
  });
  return { facts: { sources: filled }, taken, unfit };
}

/** A folder that is not here, or holds no clip; rows whose files are not here, and files of which a pointer is. */
function fillSource(facts: SourceFacts, source: SourceSpec, written: LockedSource, root: string): SourceFacts {
  const locked = withLines(written);
  const isEmpty = facts.problem === undefined && facts.media.length === 0 && facts.rows === undefined;
  if (facts.problem?.kind === "missing" || (isEmpty && locked.items.length > 0)) {
    const media = locked.items.map((item) => mediaFrom(item, locked, source, root));
    return {
      media,
      ...(locked.passed_over === undefined ? {} : { passedOver: locked.passed_over }),
      ...(locked.rows === undefined ? {} : { rows: locked.rows }),
    };
  }
  const byName = new Map(locked.items.map((item) => [item.name, item]));
  const media = facts.media.map((one) => {
    const item = one.problem?.kind === "missing" ? byName.get(one.written ?? one.name) : undefined;
    // A pointer to another file than was locked stands for what nobody knows.
    if (item === undefined || (one.sha256 !== undefined && one.sha256 !== item.sha256)) return one;
    const { caption: _, line: __, ...content } = mediaFrom(item, locked, source, root);
    // Its row or its caption file is here; only its content is not.
    return { ...content, caption: one.caption, ...(one.line === undefined ? {} : { line: one.line }) };
  });
  return media.some((one, index) => one !== facts.media[index]) ? { ...facts, media } : facts;
}

/** Rows with the line of each. */
function withLines(source: LockedSource): LockedSource {
  if (source.kind === "videos" || source.kind === "images") return source;
  let line = 0;
  const items = source.items.map((item) => {
    line = item.line ?? line + 1;
    return { ...item, line };
  });
  return { ...source, items };
}

function mediaFrom(
  item: LockedItem,
  { kind, caption_extension: extension = "" }: LockedSource,
  source: SourceSpec,
  root: string,
): MediaFacts {
  const isRow = kind === "video_jsonl" || kind === "image_jsonl";
  const folder = joinPath(root, source.input.path);
  const name = isRow ? baseName(item.name) : item.name;
  const { stem } = splitExtension(name);
  const captionFile = pathInside(root, joinPath(folder, `${stem}${extension}`));
  const { damage, problem } = item;
  return {
    kind: kind === "videos" || kind === "video_jsonl" ? "video" : "image",
    file: pathInside(root, joinPath(isRow ? root : folder, item.name)),
    name,
    stem,
    bytes: item.bytes,
    ...present({
      sha256: item.sha256,
      width: item.width,
      height: item.height,
      frames: item.frames,
      fps: item.fps,
      headerFrames: item.header_frames,
      rotation: item.rotation,
      problem,
      damage:
        damage === undefined ? undefined : { text: damage.text, ...present({ intactFrames: damage.intact_frames }) },
      line: item.line,
      written: isRow ? item.name : undefined,
    }),
    caption: {
      ...(isRow ? {} : { file: captionFile }),
      ...present({ text: item.caption, problem: item.caption_problem }),
    },
  };
}

function fillModels({ models }: Facts, { spec, lock }: Filling): FilledPart {
  const filled: Partial<Record<ModelRole, ModelFacts>> = { ...models };
  const taken: string[] = [];
  const unfit: string[] = [];
  for (const role of MODEL_ROLES) {
    const [named, seen, locked] = [spec.models[role], models[role], lock.models[role]];
    // One with an unset variable was not looked for.
    if (named === undefined || locked === undefined) continue;
    if (seen !== undefined && seen.problem?.kind !== "missing") continue;
    if (locked.path !== writtenPath(named.path, spec)) {
      unfit.push(`models.${role}`);
      continue;
    }
    filled[role] = modelFrom(locked, named.path);
    taken.push(`models.${role}`);
  }
  return { facts: { models: filled }, taken, unfit };
}

function modelFrom(
  { bytes = 0, format = "other", header_sha256, blocks_sha256 = "", tensors }: LockedFile,
  file: string,
): ModelFacts {
  return {
    file,
    bytes,
    format,
    ...present({
      tensors: tensors === undefined ? undefined : unlockTensors(tensors),
      headerSha256: header_sha256,
    }),
    blocksSha256: blocks_sha256,
  };
}

function fillFiles({ inputFiles = {} }: Facts, { spec, lock }: Filling): FilledPart {
  const filled: Record<string, InputFileFacts> = { ...inputFiles };
  const taken: string[] = [];
  for (const [path, { problem }] of Object.entries(inputFiles)) {
    const locked = lockedFile(path, spec, lock);
    if (problem?.kind !== "missing" || locked === undefined) continue;
    const tensors = locked.tensors === undefined ? undefined : unlockTensors(locked.tensors);
    filled[path] = tensors === undefined ? {} : { tensors };
    taken.push(...keysNaming(path, spec));
  }
  return { facts: { inputFiles: filled }, taken };
}

function lockedFile(path: string, spec: Spec, { files }: Lock): LockedFile | undefined {
  const written = writtenPath(path, spec);
  return Object.hasOwn(files, written) ? files[written] : undefined;
}

/** The keys by which a pipeline names a file; its path where none does, as of an image in a prompt. */
function keysNaming(path: string, { overrides }: Spec): readonly string[] {
  const keys = overrides.flatMap(({ section, name, value }) => {
    if (value === path) return [`${section}.${name}`];
    if (typeof value !== "object") return [];
    return value.flatMap((one, index) => (one === path ? [`${section}.${name}.${index}`] : []));
  });
  return keys.length === 0 ? [path] : [...new Set(keys)];
}

/** The same for the identities of LoRA files, which are looked at once values are resolved. */
export function fillWeights(
  weights: Readonly<Record<string, ModelFacts>>,
  { spec, lock }: Filling,
): Readonly<Record<string, ModelFacts>> {
  return Object.fromEntries(
    Object.entries(weights).map(([path, facts]) => {
      const locked = facts.problem?.kind === "missing" ? lockedFile(path, spec, lock) : undefined;
      return [path, locked?.blocks_sha256 === undefined ? facts : modelFrom(locked, path)];
    }),
  );
}

function fillTrainer({ trainer }: Facts, { spec, lock }: Filling): FilledPart {
  const isHere = spec.trainer.backend !== "musubi" || trainer.arguments !== undefined;
  if (isHere || lock.trainer === undefined) return { taken: [] };
  return { facts: { trainer: unlockTrainer(lock.trainer) }, taken: ["trainer"] };
}

function fillHardware({ gpus }: Facts, { spec, lock: { hardware } }: Filling): FilledPart {
  if (!asksTheMachine(spec.hardware) || gpus.length > 0 || hardware === undefined || hardware.gpus.length === 0) {
    return { taken: [] };
  }
  return {
    facts: {
      gpus: hardware.gpus.map(({ index, name, vram_gib }) => ({ index, name, vramGiB: vram_gib })),
      ...present({ ramGiB: hardware.ram_gib }),
    },
    taken: ["hardware"],
  };
}

/** Whether an unset variable in a key's path matters: what was taken from the lock is not looked for. */
export function isTaken(path: string | undefined, taken: readonly string[]): boolean {
  return path !== undefined && taken.some((key) => path === key || path.startsWith(`${key}.`));
}
