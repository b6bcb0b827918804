/**
 * The real trainer for tests: where it is, its scripts as processes, its code as an oracle, and miniature models for it.
 * Tests that use it run where `MUSUBI_TUNER_PATH` and `MUSUBI_PYTHON` are set, and say that they were skipped elsewhere.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { readMusubiSource } from "../../src/host/trainer/musubi-source.ts";

const RIG = fileURLToPath(new URL(".", import.meta.url));

export interface Musubi {
  /** A Musubi Tuner checkout. */
  readonly path: string;
  /** A Python that has what it needs, see `miniature/requirements.txt`. */
  readonly python: string;
}

/** The trainer that the environment names; undefined where it names none. Throws when it names something that is not there. */
function findMusubi(): Musubi | undefined {
  const { MUSUBI_TUNER_PATH: path, MUSUBI_PYTHON: python } = process.env;
  if (path === undefined || path === "" || python === undefined || python === "") return undefined;
  if (!existsSync(join(path, "src/musubi_tuner/wan_train_network.py"))) {
    throw new Error(`MUSUBI_TUNER_PATH is ${path}, which has no src/musubi_tuner/wan_train_network.py`);
  }
  // Its processes run in folders of their own. A name without a slash is a command to be found on the PATH.
  return { path: resolve(path), python: python.includes("/") ? resolve(python) : python };
}

/** A `describe` that runs with the real trainer, and otherwise says aloud that it was skipped and what would run it. */
export function describeWithMusubi(name: string, tests: (musubi: Musubi) => void): void {
  const musubi = findMusubi();
  if (musubi !== undefined) {
    describe(name, () => tests(musubi));
    return;
  }
  console.warn(
    `skipped: ${name}. It compares with the real trainer and runs after: export MUSUBI_TUNER_PATH=<a Musubi Tuner 0.3.4 checkout> MUSUBI_PYTHON=<its Python, with test/rig/miniature/requirements.txt installed>`,
  );
  describe.skip(name, () => undefined);
}

/** Whether this version's training script takes an argument, by its name with dashes. Older ones lack some. */
export function takesArgument({ path }: Musubi, name: string): boolean {
  const known = readMusubiSource(path).arguments?.train;
  if (known === undefined) throw new Error(`the arguments of ${path} can't be read`);
  return known.has(name);
}

/** What a process of the trainer needs on a CPU: its sources, and the miniature that makes it small. */
export function miniatureEnvironment({ path }: Musubi): Readonly<Record<string, string>> {
  return {
    PYTHONPATH: [join(RIG, "miniature"), join(path, "src")].join(delimiter),
    WAN22_MINIATURE: "1",
    OMP_NUM_THREADS: "1",
  };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
}

function runPython(musubi: Musubi, argv: readonly string[], { cwd, input }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(musubi.python, argv, {
      cwd,
      env: { ...process.env, ...miniatureEnvironment(musubi) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, stdout: Buffer.concat(stdout).toString("utf8"), stderr: Buffer.concat(stderr).toString("utf8") }),
    );
    child.stdin.end(input ?? "");
  });
}

function expectSuccess(what: string, { code, stderr }: Ran): void {
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stderr.slice(-4000)}`);
}

/** Whether the trainer's Python can import a package. */
export async function hasPackage(musubi: Musubi, name: string): Promise<boolean> {
  return (await runPython(musubi, ["-c", `import ${name}`])).code === 0;
}

/** Whether the trainer's Python sees a GPU. */
export async function hasGpu(musubi: Musubi): Promise<boolean> {
  return (await runPython(musubi, ["-c", "import torch; torch.zeros(1).cuda()"])).code === 0;
}

/** The trainer's scripts, by the stage that runs them. */
export const SCRIPT_FILES = {
  "cache-latents": "wan_cache_latents.py",
  "cache-text": "wan_cache_text_encoder_outputs.py",
  train: "wan_train_network.py",
} as const;

/** Runs a script of the trainer as its user would; about ten seconds, most of them imports. Rejects unless it ends well. */
export async function runScript(
  musubi: Musubi,
  script: keyof typeof SCRIPT_FILES,
  argv: readonly string[],
  options: { readonly cwd: string },
): Promise<Ran> {
  const file = join(musubi.path, "src/musubi_tuner", SCRIPT_FILES[script]);
  const ran = await runPython(musubi, [file, ...argv], options);
  expectSuccess(SCRIPT_FILES[script], ran);
  return ran;
}

/** Writes miniature model files into a folder: `wan2.2_{t2v,i2v}_{low,high}_noise_14B_{precision}.safetensors`, VAE and T5. */
export async function writeMiniatureModels(
  musubi: Musubi,
  folder: string,
  precision: "fp32" | "fp16" | "bf16" = "fp32",
): Promise<void> {
  const ran = await runPython(musubi, [join(RIG, "miniature/write_models.py"), folder, precision]);
  expectSuccess("write_models.py", ran);
}

/** A question to the trainer's own code; `oracle.py` says what each is answered with. */
export type OracleRequest =
  | { readonly kind: "items"; readonly dataset_config: string }
  | { readonly kind: "argv"; readonly script: keyof typeof SCRIPT_FILES; readonly argv: readonly string[] }
  | { readonly kind: "toml"; readonly text: string }
  | {
      readonly kind: "lora";
      readonly sizes: Readonly<Record<string, number | string>>;
      readonly dim: number;
      readonly network_args?: readonly string[];
    }
  | { readonly kind: "sampler"; readonly steps: number; readonly shift: number }
  | { readonly kind: "train"; readonly argv: readonly string[] };

interface OracleValues {
  readonly items: {
    readonly datasets: readonly {
      readonly latents: readonly {
        readonly name: string;
        readonly width: number;
        readonly height: number;
        readonly frames: number;
        readonly caption: string;
      }[];
      readonly texts: readonly { readonly name: string; readonly caption: string }[];
      readonly buckets: readonly {
        readonly width: number;
        readonly height: number;
        readonly frames: number;
        readonly names: readonly string[];
        readonly batches: number;
      }[];
      readonly batches: number;
      readonly repeated: number;
    }[];
    readonly batches: number;
    readonly repeated: number;
  };
  readonly argv: Readonly<Record<string, unknown>>;
  readonly toml: Readonly<Record<string, unknown>>;
  readonly lora: Readonly<Record<string, readonly number[]>>;
  readonly sampler: number;
  readonly train: { readonly counts: Readonly<Record<string, number>>; readonly saves: readonly string[] };
}

export type OracleAnswer<Kind extends OracleRequest["kind"]> =
  | { readonly value: OracleValues[Kind]; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: string };

/**
 * Asks the trainer's own parsers, schema, dataset code or training script, all requests in one process, and answers in
 * their order. Relative paths in requests are seen from `cwd`. What the trainer refuses is an `error`, not a rejection.
 */
export async function askOracle<Kind extends OracleRequest["kind"]>(
  musubi: Musubi,
  requests: readonly Extract<OracleRequest, { readonly kind: Kind }>[],
  options: { readonly cwd?: string } = {},
): Promise<readonly OracleAnswer<Kind>[]> {
  const ran = await runPython(musubi, [join(RIG, "oracle.py")], { ...options, input: JSON.stringify({ requests }) });
  expectSuccess("oracle.py", ran);
  return JSON.parse(ran.stdout).answers;
}
