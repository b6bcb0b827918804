import { execFile } from "node:child_process";
import type { GpuFacts } from "../core/facts.ts";
import { findExecutable } from "./trainer/executable.ts";

/** A driver that hangs must not hang a plan; a healthy one answers in well under a second. */
const TIMEOUT_MS = 5_000;
const MIB_PER_GIB = 1024;

export interface GpuOptions {
  /** The command to ask; found on the search path. */
  readonly command?: string;
  readonly timeoutMs?: number;
}

/** The NVIDIA GPUs of this machine, by index. None where there is no driver, no answer in time, or nothing to read in it. */
export async function observeGpus(options: GpuOptions = {}): Promise<readonly GpuFacts[]> {
  // Looking the command up first keeps a machine without one from paying for a failed start.
  const command = await findExecutable(options.command ?? "nvidia-smi");
  if (command === undefined) return [];
  const answer = await ask(command, "index,name,memory.total", options.timeoutMs ?? TIMEOUT_MS);
  return answer === undefined ? [] : parseGpus(answer);
}

/** Version of the cards' driver; undefined where there is none, or no answer in time. */
export async function observeDriver(options: GpuOptions = {}): Promise<string | undefined> {
  const command = await findExecutable(options.command ?? "nvidia-smi");
  if (command === undefined) return undefined;
  const answer = await ask(command, "driver_version", options.timeoutMs ?? TIMEOUT_MS);
  // A line a card, all the same.
  return /^\s*(\d[\w.]*)\s*$/m.exec(answer ?? "")?.[1];
}

/** The command's output. A process that can't even be killed (a wedged driver) is left behind, not waited for. */
function ask(command: string, fields: string, timeoutMs: number): Promise<string | undefined> {
  const query = [`--query-gpu=${fields}`, "--format=csv,noheader,nounits"];
  return new Promise((resolve) => {
    const child = execFile(command, query, { windowsHide: true }, (error, stdout) => {
      clearTimeout(timer);
      resolve(error === null ? stdout : undefined);
    });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve(undefined);
    }, timeoutMs);
  });
}

/** Reads `0, NVIDIA GeForce RTX 4090, 24564` a line (memory in MiB). Lines of another form, as cards without memory of their own have, are left out. */
export function parseGpus(text: string): readonly GpuFacts[] {
  const gpus: GpuFacts[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(\d+)\s*,\s*(.*\S)\s*,\s*(\d+)\s*$/.exec(line);
    const [, index, name, mebibytes] = match ?? [];
    if (index === undefined || name === undefined || mebibytes === undefined) continue;
    // To one place: a "24 GB" card reports 23.99 GiB.
    const vramGiB = Math.round((Number(mebibytes) / MIB_PER_GIB) * 10) / 10;
    gpus.push({ index: Number(index), name, vramGiB });
  }
  return gpus;
}
