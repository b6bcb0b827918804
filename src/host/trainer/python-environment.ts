import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { PythonEnvironment, Requirement } from "../../core/doctor/examination.ts";

/** What a Python says of itself and its packages; it is started, and imports PyTorch, which takes seconds. */

const TIMEOUT_MS = 120_000;

const environmentSchema = z.object({
  python: z.string(),
  packages: z.record(z.string(), z.string()),
  torch: z.object({
    version: z.string().optional(),
    cuda: z.string().optional(),
    devices: z
      .array(z.object({ name: z.string(), capability: z.tuple([z.number(), z.number()]), bytes: z.number() }))
      .optional(),
    problem: z.string().optional(),
  }),
});

export interface AskOptions {
  readonly python: string;
  /** `environment.py` of this installation, absolute. */
  readonly script: string;
  readonly packages: readonly string[];
}

/** Undefined where it does not start, does not answer in two minutes, or answers something else. */
export function askPythonEnvironment({ python, script, packages }: AskOptions): Promise<PythonEnvironment | undefined> {
  return new Promise((done) => {
    const options = { timeout: TIMEOUT_MS, killSignal: "SIGKILL", windowsHide: true } as const;
    execFile(python, [script, ...packages], options, (error, stdout) => {
      done(error === null ? parseEnvironment(stdout) : undefined);
    });
  });
}

/** Whatever a package prints while it is imported comes before the answer. */
function parseEnvironment(stdout: string): PythonEnvironment | undefined {
  try {
    const parsed = environmentSchema.safeParse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The packages that a checkout's `pyproject.toml` asks for; none where it cannot be read. */
export async function readRequirements(checkout: string): Promise<readonly Requirement[]> {
  try {
    const { parse } = await import("smol-toml");
    const project = parse(await readFile(join(checkout, "pyproject.toml"), "utf8")).project;
    const dependencies = typeof project === "object" && "dependencies" in project ? project.dependencies : [];
    return Array.isArray(dependencies) ? dependencies.flatMap((each) => parseRequirement(each) ?? []) : [];
  } catch {
    return [];
  }
}

/** `accelerate==1.6.0`, `sentencepiece`, `ascii-magic>=2; python_version > "3"` (PEP 508, as far as it is of use here). */
function parseRequirement(text: unknown): Requirement | undefined {
  const match = typeof text === "string" ? /^\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*(?:==\s*([\w.+!-]+))?/.exec(text) : null;
  const [, name, pinned] = match ?? [];
  return name === undefined ? undefined : { name, ...(pinned === undefined ? {} : { pinned }) };
}
