/** Runs the rehearsal's scripts as real processes, with contexts written by hand: no planner, no runner. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEventLine, type TrainerEvent } from "../../src/core/event.ts";
import type { ItemLine, TrainerContext } from "../../src/core/trainer/context.ts";
import { REHEARSAL_MODULES } from "../../src/core/trainer/rehearsal.ts";

const SCRIPTS = resolve(dirname(fileURLToPath(import.meta.url)), "../../python/rehearsal");
export const OUTPUT_NAME = "fox";

const PYTHON = "python3";

export interface RehearsalProject {
  readonly folder: string;
  readonly items: number;
  readonly remove: () => Promise<void>;
}

/** A project with clips that are only bytes: the rehearsal looks at nothing else. */
export async function makeProject({ items }: { readonly items: number }): Promise<RehearsalProject> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-rehearsal-"));
  const latents: ItemLine[] = [];
  for (let index = 0; index < items; index += 1) {
    const source = `clip${index}.mp4`;
    await writeFile(join(folder, source), `frames of clip ${index}`);
    latents.push({
      cache_file: `cache/clip${index}_00000-009_0128x0096_wan.safetensors`,
      source_file: source,
      first_frame: 0,
      frames: 9,
      width: 128,
      height: 96,
      caption: `clip number ${index}, 狐狸 🦊`,
      text_cache_file: `cache/clip${index}_wan_te.safetensors`,
    });
  }
  const texts = latents.map((line) => ({ ...line, cache_file: line.text_cache_file ?? "" }));
  const asLines = (lines: readonly ItemLine[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeFile(join(folder, "cache-latents.items.ndjson"), asLines(latents));
  await writeFile(join(folder, "cache-text.items.ndjson"), asLines(texts));
  return { folder, items, remove: () => rm(folder, { recursive: true, force: true }) };
}

export interface StageRun {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
  readonly events: readonly TrainerEvent[];
}

export interface RunningStage {
  readonly process: ChildProcess;
  /** Resolves once an event of this kind was written, or the process has ended. */
  readonly until: (test: (event: TrainerEvent) => boolean) => Promise<void>;
  readonly requestStop: () => Promise<void>;
  readonly ended: Promise<StageRun>;
}

export interface CachingOptions {
  readonly stage: "cache-latents" | "cache-text";
  readonly args?: readonly string[];
}

/** Starts one of the caching scripts. */
export function startCaching(
  project: RehearsalProject,
  { stage, args = ["--skip_existing"] }: CachingOptions,
): Promise<RunningStage> {
  const script = stage === "cache-text" ? "wan_cache_text_encoder_outputs.py" : "wan_cache_latents.py";
  return startStage(project, { stage, script, args, context: { items: `${stage}.items.ndjson` } });
}

export interface TrainingOptions {
  readonly epochs: number;
  readonly accumulation?: number;
  readonly args?: readonly string[];
  readonly fingerprint?: string;
  readonly segment?: number;
  /** From its `wan22.json`. */
  readonly resume?: { readonly dir: string; readonly epochs: number; readonly steps: number; readonly batches: number };
  /** Overrides what the context would say. */
  readonly context?: Partial<TrainerContext>;
}

export function startTraining(project: RehearsalProject, options: TrainingOptions): Promise<RunningStage> {
  const { epochs, accumulation = 1, resume, args = [] } = options;
  const steps = Math.ceil(project.items / accumulation);
  return startStage(project, {
    stage: "train",
    script: "wan_train_network.py",
    args: [
      ...[
        "--output_dir",
        "out",
        "--output_name",
        OUTPUT_NAME,
        "--seed",
        "42",
        "--network_dim",
        "4",
        "--network_alpha",
        "4",
      ],
      ...["--learning_rate", "2e-4", "--gradient_accumulation_steps", String(accumulation)],
      ...args,
      ...(resume === undefined ? [] : ["--resume", resume.dir]),
    ],
    context: {
      items: "cache-latents.items.ndjson",
      segment: options.segment ?? 1,
      fingerprint: options.fingerprint ?? "f".repeat(64),
      total_epochs: epochs,
      steps_per_epoch: steps,
      total_steps: epochs * steps,
      batches_per_epoch: project.items,
      done_epochs: resume?.epochs ?? 0,
      done_steps: resume?.steps ?? 0,
      done_batches: resume?.batches ?? 0,
      ...(resume === undefined ? {} : { resume: resume.dir }),
      ...options.context,
    },
  });
}

interface StageStart {
  readonly stage: TrainerContext["stage"];
  readonly script: string;
  readonly args: readonly string[];
  readonly context: Partial<TrainerContext>;
}

let started = 0;

async function startStage(
  { folder }: RehearsalProject,
  { stage, script, args, context }: StageStart,
): Promise<RunningStage> {
  started += 1;
  const name = `${stage}-${started}`;
  const eventsFile = join(folder, `${name}.events.ndjson`);
  const stopFile = join(folder, `${name}.stop`);
  const whole: TrainerContext = {
    version: 1,
    backend: "rehearsal",
    trainer_path: "",
    pipeline: "fox",
    run: "a-run",
    stage,
    segment: 1,
    fingerprint: "f".repeat(64),
    events: eventsFile,
    stop_file: stopFile,
    items: "",
    modules: REHEARSAL_MODULES.map((module) => ({
      name: module.name,
      in_features: module.inFeatures,
      out_features: module.outFeatures,
    })),
    ...context,
  };
  await writeFile(join(folder, `${name}.context.json`), JSON.stringify(whole));
  const child = spawn(PYTHON, [join(SCRIPTS, script), ...args, "--context", `${name}.context.json`], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (log += text));
  const readEvents = async () => {
    const text = await readFile(eventsFile, "utf8").catch(() => "");
    return text.split("\n").flatMap((line) => parseEventLine(line) ?? []);
  };
  let hasEnded = false;
  const ended = new Promise<StageRun>((done) => {
    child.on("close", async (exitCode, signal) => {
      hasEnded = true;
      done({ exitCode, signal, log, events: await readEvents() });
    });
  });
  return {
    process: child,
    ended,
    requestStop: () => writeFile(stopFile, ""),
    until: async (test) => {
      while (!hasEnded && !(await readEvents()).some(test)) await new Promise((next) => setImmediate(next));
    },
  };
}

/** Both caching stages, to their end. */
export async function cacheAll(project: RehearsalProject): Promise<void> {
  for (const stage of ["cache-latents", "cache-text"] as const) {
    const { exitCode, log } = await (await startCaching(project, { stage })).ended;
    if (exitCode !== 0) throw new Error(`${stage} ended with ${exitCode}:\n${log}`);
  }
}

/** SHA-256 of every checkpoint, and of every file of every training state but its marker, by path in the output folder. */
export async function hashOutputs({ folder }: RehearsalProject): Promise<Readonly<Record<string, string>>> {
  const output = join(folder, "out");
  const hashes: Record<string, string> = {};
  for (const entry of await readdir(output, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "wan22.json") continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    hashes[path.slice(output.length + 1)] = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }
  return Object.fromEntries(Object.entries(hashes).sort());
}

/** The best training state to go on from, as the planner would choose it: complete, and with the most steps. */
export async function newestState({ folder }: RehearsalProject): Promise<TrainingOptions["resume"] & {}> {
  const found: (TrainingOptions["resume"] & {})[] = [];
  for (const name of await readdir(join(folder, "out"))) {
    const marker = await readFile(join(folder, "out", name, "wan22.json"), "utf8").catch(() => undefined);
    if (marker === undefined) continue;
    const content = JSON.parse(marker);
    const sizes = await Promise.all(
      Object.entries(content.files).map(
        async ([file, bytes]) => (await stat(join(folder, "out", name, file))).size === bytes,
      ),
    );
    if (!sizes.every((fits) => fits)) continue;
    const { done_epochs: epochs, done_steps: steps, done_batches: batches } = content;
    found.push({ dir: `out/${name}`, epochs, steps, batches });
  }
  const best = found.sort((a, b) => b.steps - a.steps || b.epochs - a.epochs)[0];
  if (best === undefined) throw new Error("there is no complete training state");
  return best;
}

/** A project with the same caches, so that both train on the same. */
export async function copyProject(project: RehearsalProject): Promise<RehearsalProject> {
  const copy = await makeProject({ items: project.items });
  await mkdir(join(copy.folder, "cache"), { recursive: true });
  for (const name of await readdir(join(project.folder, "cache"))) {
    await writeFile(join(copy.folder, "cache", name), await readFile(join(project.folder, "cache", name)));
  }
  return copy;
}
