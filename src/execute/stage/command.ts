import { join, resolve } from "node:path";
import type { GpuFacts } from "../../core/facts.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import type { Spec } from "../../core/spec/spec.ts";
import { scriptOf } from "../../core/vocabulary.ts";
import { stageMark } from "../../host/records/run-store.ts";
import { devicesToShow } from "./devices.ts";

/** How a stage's process is started (design §7, "Start"). */

export interface StageCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CommandInput {
  readonly stage: StagePlan;
  readonly spec: Pick<Spec, "trainer">;
  /** The project root, absolute. */
  readonly root: string;
  readonly python: string;
  /** The folder `python` of this installation, absolute. */
  readonly pythonDir: string;
  /** `STAGE.context.json`, relative to the root where inside it. */
  readonly contextFile: string;
  readonly run: string;
  /** Those of this machine. */
  readonly gpus: readonly GpuFacts[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where Musubi's scripts are, below its folder. */
const MUSUBI_SCRIPTS = "src/musubi_tuner";

export function stageCommand(input: CommandInput): StageCommand {
  const { stage, spec, root, python, pythonDir, contextFile } = input;
  const [script = "", ...args] = stage.argv;
  const env = stageEnvironment(input);
  if (stage.driver !== "scripts") {
    return { command: python, args: [join(pythonDir, stage.driver, script), ...args, "--context", contextFile], env };
  }
  const file = join(musubiFolder(root, spec), MUSUBI_SCRIPTS, script);
  return { command: python, args: [...launcher(input), file, ...args], env };
}

/** Musubi's folder, absolute. */
export function musubiFolder(root: string, spec: Pick<Spec, "trainer">): string {
  return resolve(root, spec.trainer.path?.path ?? ".");
}

/**
 * One process is started directly: the launcher turns every exit code into 1, leaves its child behind on SIGTERM, and obeys
 * a config file in the user's home. Only several processes need it; they meet at a free port, as two launchers at the same
 * time would both take the usual one.
 */
function launcher({ stage }: CommandInput): readonly string[] {
  const processes = stage.gpus?.length ?? 1;
  if (processes < 2 || scriptOf(stage.id) !== "train") return [];
  return [
    ...["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", String(processes)],
    ...[
      "--num_machines",
      "1",
      "--main_process_port",
      "0",
      "--dynamo_backend",
      "no",
      "--num_cpu_threads_per_process",
      "1",
    ],
    ...mixedPrecision(stage.argv),
  ];
}

function mixedPrecision(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf("--mixed_precision");
  const value = at < 0 ? undefined : argv[at + 1];
  return value === undefined ? [] : ["--mixed_precision", value];
}

/** What a launcher of ours or a CI runner left in the environment must not steer the trainer. */
const REMOVED = /^(?:ACCELERATE_.*|RUNNER_TRACKING_ID)$/;

/** Settings of Python that say where it is and where it may write, not what it does. */
const KEPT: readonly string[] = ["PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"];

function stageEnvironment({
  stage,
  spec,
  root,
  run,
  gpus,
  environment,
}: CommandInput): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !REMOVED.test(name)) env[name] = value;
  }
  if (spec.trainer.backend === "rehearsal") {
    // It needs the standard library alone; somebody's modules and settings could only disturb it.
    for (const name of Object.keys(env)) if (name.startsWith("PYTHON") && !KEPT.includes(name)) delete env[name];
  } else {
    const source = join(musubiFolder(root, spec), "src");
    env.PYTHONPATH = env.PYTHONPATH === undefined || env.PYTHONPATH === "" ? source : `${source}:${env.PYTHONPATH}`;
  }
  const devices = devicesToShow({ stage, backend: spec.trainer.backend, gpus, environment });
  if (devices !== undefined) {
    env.CUDA_VISIBLE_DEVICES = devices.join(",");
    // Ids are nvidia-smi's; CUDA by itself counts the fastest card first.
    env.CUDA_DEVICE_ORDER = "PCI_BUS_ID";
  }
  const mark = stageMark(run, stage.id);
  return { ...env, OMP_NUM_THREADS: "1", PYTHONUNBUFFERED: "1", [mark.name]: mark.value };
}
