import type { Facts, InputFileFacts, MediaFacts, ModelFacts, SourceFacts } from "../facts.ts";
import { withWrittenPaths } from "../plan/written-paths.ts";
import { present } from "../present.ts";
import { captionExtension } from "../spec/caption-extension.ts";
import type { HardwareRequest, SourceSpec, Spec } from "../spec/spec.ts";
import { MODEL_ROLES, type Tier } from "../vocabulary.ts";
import type { Lock, LockedFile, LockedItem, LockedModel, LockedSource } from "./lock.ts";
import { LOCK_FORMAT, LOCK_VERSION } from "./lock-file.ts";
import { lockTrainer } from "./locked-trainer.ts";
import { lockTensors } from "./tensors.ts";

/** From what was observed to a lock: all of it that a plan depends on, and nothing of the machine it was observed on. */

export interface LockInput {
  readonly spec: Spec;
  readonly facts: Facts;
  /** The LoRA files that training starts from, by their path as resolved. */
  readonly weights: Readonly<Record<string, ModelFacts>>;
  /** What the machine's cards come to. */
  readonly tier: Tier;
  /** The version of this wan22. */
  readonly tool: string;
}

/** What a plan of these facts can be made from again. Pure: the same facts give the same lock, in the same order. */
export function lockOf({ spec, facts, weights, tier, tool }: LockInput): Lock {
  const { gpus, ramGiB } = facts;
  const models = MODEL_ROLES.flatMap((role) => {
    const [path, model] = [spec.models[role], facts.models[role]];
    if (path === undefined || model === undefined || model.problem !== undefined) return [];
    return [[role, { path: writtenPath(path.path, spec), ...lockModel(model) }] as const];
  });
  return {
    format: LOCK_FORMAT,
    version: LOCK_VERSION,
    tool,
    pipeline: spec.name,
    ...(asksTheMachine(spec.hardware)
      ? {
          hardware: {
            tier,
            ...(ramGiB === undefined ? {} : { ram_gib: ramGiB }),
            gpus: gpus.map(({ index, name, vramGiB }) => ({ index, name, vram_gib: vramGiB })),
          },
        }
      : {}),
    ...(facts.trainer.arguments === undefined ? {} : { trainer: lockTrainer(facts.trainer) }),
    models: Object.fromEntries(models),
    files: lockFiles(spec, facts.inputFiles ?? {}, weights),
    sources: spec.dataset.sources.map((source, position) => lockSource(source, facts.sources[position], spec)),
  };
}

/** Whether a pipeline takes what cards there are. */
export function asksTheMachine(hardware: HardwareRequest): boolean {
  return (
    hardware.kind === "auto" ||
    (hardware.kind === "described" && hardware.gpu === undefined && hardware.vramGiB === undefined)
  );
}

/** A path as the files have it: with its variables, and seen from the project where it lies outside. */
export function writtenPath(path: string, spec: Pick<Spec, "expanded">): string {
  return withWrittenPaths(path, spec.expanded);
}

/** What a source is known by: its kind, its path, and where its captions are. */
export function sourceKey(source: SourceSpec, spec: Spec): Pick<LockedSource, "kind" | "path" | "caption_extension"> {
  const path = writtenPath(source.input.path, spec);
  return source.kind === "videos" || source.kind === "images"
    ? { kind: source.kind, path, caption_extension: captionExtension(source, spec.dataset.settings) }
    : { kind: source.kind, path };
}

function lockSource(source: SourceSpec, facts: SourceFacts | undefined, spec: Spec): LockedSource {
  const { media = [], passedOver, rows } = facts ?? {};
  return {
    ...sourceKey(source, spec),
    ...(passedOver === undefined ? {} : { passed_over: [...passedOver] }),
    ...(rows === undefined ? {} : { rows: rows.map(({ line, text }) => ({ line, text })) }),
    items: media.map((one, index) => lockItem(one, media[index - 1]?.line ?? 0)),
  };
}

/** A row that follows the one before does not say its line: one that is put in moves no other. */
function lockItem(media: MediaFacts, lineBefore: number): LockedItem {
  const { headerFrames, damage, problem, caption } = media;
  return {
    name: media.written ?? media.name,
    bytes: media.bytes,
    ...present({
      sha256: media.sha256,
      width: media.width,
      height: media.height,
      frames: media.frames,
      fps: media.fps,
      header_frames: headerFrames,
      rotation: media.rotation,
      damage:
        damage === undefined ? undefined : { text: damage.text, ...present({ intact_frames: damage.intactFrames }) },
      problem: problem === undefined ? undefined : { kind: problem.kind, text: problem.text },
      line: media.line === lineBefore + 1 ? undefined : media.line,
      caption: caption.text,
      caption_problem: caption.problem,
    }),
  };
}

type Identity = Omit<LockedModel, "path">;

function lockModel({ bytes, format, headerSha256, blocksSha256, tensors }: ModelFacts): Identity {
  return {
    bytes,
    format,
    ...present({ header_sha256: headerSha256 }),
    blocks_sha256: blocksSha256,
    ...present({ tensors: tensors === undefined ? undefined : lockTensors(tensors) }),
  };
}

/** Texts are not in it: they lie in Git, beside the pipeline. */
function lockFiles(
  spec: Spec,
  inputFiles: Readonly<Record<string, InputFileFacts>>,
  weights: LockInput["weights"],
): Lock["files"] {
  const files = Object.entries(inputFiles).flatMap(([path, { problem, text, tensors }]): [string, LockedFile][] => {
    if (problem !== undefined || text !== undefined) return [];
    const weight = weights[path];
    const identity = weight === undefined || weight.problem !== undefined ? {} : lockModel(weight);
    return [
      [writtenPath(path, spec), { ...identity, ...(tensors === undefined ? {} : { tensors: lockTensors(tensors) }) }],
    ];
  });
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}
