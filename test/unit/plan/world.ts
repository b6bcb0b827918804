import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import type { CacheFileFacts, DiskFacts, Facts, MediaFacts, ModelFacts } from "../../../src/core/facts.ts";
import { baseName, folderOf } from "../../../src/core/paths.ts";
import { assemblePlan } from "../../../src/core/plan/assemble-plan.ts";
import { isCarriedOut } from "../../../src/core/plan/carried-out.ts";
import type { Choices } from "../../../src/core/plan/choices.ts";
import { type PipelinePlan, planSchema, type StagePlan } from "../../../src/core/plan/plan.ts";
import { type PlanInput, planPipeline } from "../../../src/core/plan/plan-pipeline.ts";
import { readPresets } from "../../../src/core/resolve/presets.ts";
import { resolve } from "../../../src/core/resolve/resolve.ts";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import { foldState, type StateEntry } from "../../../src/core/state/fold.ts";
import type { State } from "../../../src/core/state/state.ts";
import type { DatasetItems } from "../../../src/core/trainer/dataset.ts";
import { latentFrames } from "../../../src/core/trainer/frames.ts";
import type { StageId } from "../../../src/core/vocabulary.ts";

/** A project without a disk: files and machine are facts, and what a run leaves is folded from the entries that it would write. */

export const HOST = "trainer-1";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const presetFolder = fileURLToPath(new URL("../../../templates/presets/", import.meta.url));
const read = readPresets(
  Object.fromEntries(
    readdirSync(presetFolder).map((name) => [
      name,
      { file: name, text: readFileSync(`${presetFolder}${name}`, "utf8") },
    ]),
  ),
);
if (read.value === undefined) throw new Error(read.diagnostics.map(({ message }) => message).join("\n"));
const presets = read.value;

export interface Clip {
  readonly stem: string;
  readonly frames?: number;
  readonly caption?: string;
  /** What its bytes are. */
  readonly content?: string;
  readonly size?: readonly [number, number];
}

function clipFacts({
  stem,
  frames = 30,
  caption = `A fox, ${stem}`,
  content = stem,
  size = [320, 240],
}: Clip): MediaFacts {
  const name = `${stem}.mp4`;
  return {
    kind: "video",
    file: `data/fox/${name}`,
    name,
    stem,
    bytes: 1000,
    sha256: sha256(content),
    width: size[0],
    height: size[1],
    frames,
    fps: 16,
    caption: { file: `data/fox/${stem}.txt`, text: caption },
  };
}

export function modelFacts(content: string): ModelFacts {
  const file = `${content}.safetensors`;
  return {
    file,
    bytes: 100,
    format: "safetensors",
    headerSha256: sha256(`h${content}`),
    blocksSha256: sha256(content),
  };
}

export const CLIPS: readonly Clip[] = ["a", "b", "c", "d"].map((stem) => ({ stem }));

export const PIPELINE = `version: 1
name: fox
task: t2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  enable_bucket: true
  sources:
    - videos: data/fox
      target_frames: [1, 25]
      frame_extraction: head
train:
  max_train_epochs: 4
  learning_rate: 2e-4
output:
  dir: output/fox
trainer:
  backend: rehearsal
`;

export interface World extends Choices {
  readonly yaml?: string;
  /** Of wan22.yaml; none where it is left out. */
  readonly project?: string;
  readonly clips?: readonly Clip[];
  readonly models?: Facts["models"];
  readonly gpus?: Facts["gpus"];
  readonly state?: State | undefined;
  readonly disk?: DiskFacts | undefined;
  readonly host?: string;
  /** What is known of the trainer that is installed. */
  readonly trainer?: Partial<Facts["trainer"]>;
  readonly begun?: readonly StageId[];
  readonly promised?: PlanInput["promised"];
  readonly alive?: readonly StageId[];
}

export interface Planned {
  readonly plan: PipelinePlan;
  readonly items: DatasetItems;
  readonly diagnostics: readonly Diagnostic[];
  readonly stage: (id: StageId) => StagePlan;
  readonly codes: readonly string[];
}

export function planInput({
  yaml = PIPELINE,
  project,
  clips = CLIPS,
  models = {},
  gpus = [],
  trainer = {},
  ...world
}: World): PlanInput {
  const [parsed] = parsePipelines({
    pipeline: { file: "fox.yaml", text: yaml },
    project: project === undefined ? undefined : { file: "wan22.yaml", text: project },
    root: "/project",
    environment: {},
  });
  if (parsed.value === undefined) throw new Error(parsed.diagnostics.map(({ message }) => message).join("\n"));
  const facts: Facts = {
    sources: parsed.value.dataset.sources.map(() => ({ media: clips.map(clipFacts) })),
    models,
    gpus,
    trainer: { missingModules: [], ...trainer },
    miniature: false,
  };
  const { resolved, items } = resolve({ spec: parsed.value, presets, facts, gpuPool: world.gpuPool, sha256 });
  const stages = ["cache-latents", "cache-text", ...resolved.trainStages.map(({ id }) => id)] as const;
  const rendered = { stages: stages.map((id) => ({ id, argv: [`${id}.py`, "--task", "t2v-A14B"], files: {} })) };
  return { resolved, rendered, items, facts, presets, sha256, host: HOST, ...world };
}

export function planWorld(world: World): Planned {
  const input = planInput(world);
  const { value, diagnostics } = planPipeline(input);
  if (value === undefined) throw new Error("a plan is always made");
  planSchema.parse(assemblePlan([value], diagnostics));
  return {
    plan: value,
    items: input.items,
    diagnostics,
    codes: diagnostics.map(({ code }) => code),
    stage: (id) => {
      const found = value.stages.find((stage) => stage.id === id);
      if (found === undefined) throw new Error(`the plan has no stage ${id}`);
      return found;
    },
  };
}

export interface RunOptions {
  /** A train stage ends after so many steps, with the states of its schedule saved up to there. */
  readonly untilStep?: number;
  readonly outcome?: "stopped" | "failed" | "lost";
  /** A stop saves a training state at the very step. */
  readonly stopState?: boolean;
  readonly lineage?: string;
  readonly secondsPerStep?: number;
}

/** What carrying out a plan would write down, in the order in which `apply` writes it. */
function entriesOf({ plan }: Planned, options: RunOptions = {}): readonly StateEntry[] {
  const base = { v: 1, t: 1_700_000_000 } as const;
  const entries: StateEntry[] = [
    {
      ...base,
      type: "run",
      run: "run-1",
      pipeline: plan.name,
      file: plan.file,
      lineage: options.lineage ?? "lineage-1",
      host: HOST,
      plan_digest: plan.digest,
    },
  ];
  for (const stage of plan.stages) {
    if (!isCarriedOut(stage)) continue;
    const train = stage.id.startsWith("train");
    entries.push({
      ...base,
      type: "stage",
      stage: stage.id,
      action: stage.action,
      backend: plan.backend === "musubi" ? "musubi" : "rehearsal",
      driver: stage.driver,
      fingerprint: stage.fingerprint,
      inputs: stage.inputs,
      identities: stage.identities,
      segment: 1,
      ...(train
        ? {
            total_epochs: stage.total_epochs,
            steps_per_epoch: stage.steps_per_epoch,
            done_epochs: stage.done_epochs,
            done_steps: stage.done_steps,
            output_dir: stage.output_dir,
            output_name: stage.output_name,
          }
        : {}),
    });
    const { archive = [], renames = [], pending = [], leftover = [] } = stage;
    const archived = archive.map((from) => ({ from, to: `${folderOf(from)}/archive/run-1/${baseName(from)}` }));
    if (archived.length > 0) entries.push({ ...base, type: "archived", stage: stage.id, files: archived });
    for (const rename of renames) entries.push({ ...base, type: "renamed", stage: stage.id, ...rename });
    for (const file of [...pending, ...leftover]) entries.push({ ...base, type: "unlinked", stage: stage.id, file });
    entries.push({ ...base, type: "process", stage: stage.id, pid: 42, boot_id: "boot", start_time: "1" });
    if (!train) {
      const caches = Object.fromEntries(pending.map((file) => [file, stage.cache_digests?.[file] ?? ""]));
      entries.push({ ...base, type: "cached", stage: stage.id, caches });
      entries.push({ ...base, type: "end", stage: stage.id, outcome: "finished", exit_code: 0 });
      continue;
    }
    entries.push(...trainEntries(plan, stage, options));
  }
  return entries;
}

function trainEntries(plan: PipelinePlan, stage: StagePlan, options: RunOptions): StateEntry[] {
  const base = { v: 1, t: 1_700_000_100 } as const;
  const { id } = stage;
  const total = stage.total_steps ?? 0;
  const perEpoch = stage.steps_per_epoch ?? 1;
  const until = Math.min(options.untilStep ?? total, total);
  const entries: StateEntry[] = [];
  for (let step = (stage.done_steps ?? 0) + 1; step <= until; step += 1) {
    const seconds = options.secondsPerStep === undefined ? {} : { seconds: options.secondsPerStep };
    entries.push({
      ...base,
      type: "step",
      stage: id,
      step,
      epoch: Math.ceil(step / perEpoch),
      loss: 1 / step,
      ...seconds,
    });
    if (step % perEpoch === 0) entries.push({ ...base, type: "epoch", stage: id, epoch: step / perEpoch });
  }
  const made = plan.checkpoints.filter(
    ({ stage: of, action, step }) => of === id && ["create", "replace", "prune"].includes(action) && step <= until,
  );
  for (const { kind, file, epoch, step, bytes } of made) {
    if (kind === "checkpoint") entries.push({ ...base, type: "checkpoint", stage: id, file, epoch, step, bytes });
    else entries.push({ ...base, type: "state", stage: id, dir: file, done_epochs: epoch, done_steps: step });
  }
  for (const { action, file, step } of plan.checkpoints) {
    if (action === "prune" && (until === total || step < until - 2 * perEpoch)) {
      entries.push({ ...base, type: "removed", stage: id, file });
    }
  }
  const stopped = options.untilStep !== undefined;
  if (stopped && options.stopState === true) {
    const dir = `${stage.output_dir}/${stage.output_name}-step${String(until).padStart(8, "0")}-state`;
    const done_epochs = Math.floor(until / perEpoch);
    entries.push({ ...base, type: "state", stage: id, dir, done_epochs, done_steps: until });
  }
  const outcome = stopped ? (options.outcome ?? "stopped") : "finished";
  entries.push({ ...base, type: "end", stage: id, outcome, exit_code: outcome === "finished" ? 0 : 85 });
  return entries;
}

/** The state after a plan was carried out on top of another. */
export function runPlan(planned: Planned, options: RunOptions = {}, before?: State): State {
  const state = foldState(before, entriesOf(planned, options));
  if (state === undefined) throw new Error("a run makes a state");
  return state;
}

/** The disk as the state's runs would have left it: whole caches, checkpoints, complete training states. */
export function diskAfter(state: State, planned: Planned): DiskFacts {
  const files = (["cache-latents", "cache-text"] as const).flatMap((id) => Object.keys(state.stages[id]?.caches ?? {}));
  const caches = observedCaches(files, planned);
  return {
    caches,
    outputFolders: ["output/fox"],
    outputs: Object.fromEntries(state.checkpoints.map(({ file, bytes }) => [file, { bytes, tensorBytes: bytes }])),
    states: state.training_states.map(({ stage, dir, done_epochs, done_steps }) => ({
      dir,
      complete: true,
      stage,
      fingerprint: state.stages[stage]?.fingerprint ?? "",
      doneEpochs: done_epochs,
      doneSteps: done_steps,
    })),
  };
}

/** Caches by folder, as the rehearsal writes them for the items that are wanted now. */
export function observedCaches(files: Iterable<string>, { items }: Planned): DiskFacts["caches"] {
  const texts = new Map(items.sources.flatMap((source) => source.texts.map((text) => [text.textCache, text] as const)));
  const latents = new Map(
    items.sources.flatMap((source) => source.items.map((item) => [item.latentCache, item] as const)),
  );
  const caches: Record<string, CacheFileFacts[]> = {};
  for (const file of files) {
    const name = baseName(file);
    const [text, item] = [texts.get(name), latents.get(name)];
    const metadata: Record<string, string> = { wan22_rehearsal: "true" };
    if (text !== undefined) metadata.caption1 = text.caption;
    if (item !== undefined) metadata.frame_count = String(item.frames);
    const tensors = item === undefined ? [] : [`latents_${latentFrames(item.frames)}x2x2_float16`];
    caches[folderOf(file)] ??= [];
    caches[folderOf(file)]?.push({ name, bytes: 500, whole: true, metadata, tensors });
  }
  return caches;
}

/** A pipeline that was applied to its end, with the world that it left. */
export function applied(
  world: World = {},
  options: RunOptions = {},
): { state: State; disk: DiskFacts; planned: Planned } {
  const planned = planWorld(world);
  const state = runPlan(planned, options);
  return { state, disk: diskAfter(state, planned), planned };
}

/** Reasons as one reads them. */
export function reasonsOf(stage: StagePlan): readonly string[] {
  return stage.reasons.map(({ text }) => text);
}
