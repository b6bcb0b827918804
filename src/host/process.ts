import { execFile } from "node:child_process";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import * as z from "zod";
import { observeMachine } from "./machine.ts";
import { errorCode } from "./read-file.ts";

/** Processes that outlive the one that started them: known by pid, start time and boot, for pids are used again. */

export interface ProcessIdentity {
  readonly pid: number;
  /** The boot during which the process runs. */
  readonly boot_id: string;
  /** As the system tells it: clock ticks since boot on Linux, a date elsewhere. Only compared, never read. */
  readonly start_time: string;
}

/** An identity as files keep it. */
export const processIdentitySchema = z.looseObject({
  pid: z.number().int().positive(),
  boot_id: z.string(),
  start_time: z.string(),
});

export interface ProcessEnd {
  readonly exitCode: number | null;
  /** Signal that ended it. */
  readonly signal: string | null;
}

export interface StartedProcess {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<ProcessEnd>;
}

export interface StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing else is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets what the process prints, both streams, appended. A file, so that the process needs no reader. */
  readonly logFile: string;
}

/** Either a running process, or the system's code for why there is none (`ENOENT`, `EACCES`). */
export type StartResult =
  | { readonly kind: "started"; readonly process: StartedProcess }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

/** Starts a program in a session and process group of its own: what ends this process leaves that one alone. */
export async function startDetached(options: StartOptions): Promise<StartResult> {
  // Loaded only here: a plan asks whether a process lives, and starts none.
  const { execa } = await import("execa");
  const log = await open(options.logFile, "a");
  // Any descriptor will do; execa's types only name the lowest ones.
  const descriptor = log.fd as 3;
  try {
    const subprocess = execa(options.command, [...options.args], {
      cwd: options.cwd,
      env: options.env,
      extendEnv: false,
      detached: true,
      cleanup: false,
      reject: false,
      stdin: "ignore",
      stdout: descriptor,
      stderr: descriptor,
      windowsHide: true,
    });
    const { pid } = subprocess;
    if (pid === undefined) {
      const { code, shortMessage } = await subprocess;
      return { kind: "failed", code: code ?? "UNKNOWN", message: shortMessage ?? "" };
    }
    // Whoever follows the process stays alive by itself; one that detaches must be able to end.
    subprocess.unref();
    const ended = subprocess.then((result) => ({ exitCode: result.exitCode ?? null, signal: result.signal ?? null }));
    return { kind: "started", process: { identity: await identifyProcess(pid), ended } };
  } finally {
    // Nothing was written through it: a process that runs must not be taken for one that could not be started.
    await log.close().catch(() => undefined);
  }
}

/** Identity of a process; its start time is empty if it has ended already. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity> {
  const start_time = (await readStartTime(pid)) ?? "";
  return { pid, boot_id: observeMachine().bootId, start_time };
}

/** Whether exactly this process still runs. A pid used again, an earlier boot or a dead process not yet collected: no. */
export async function isProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.start_time === "" || !isOfThisBoot(identity)) return false;
  return (await readStartTime(identity.pid)) === identity.start_time;
}

/** Whether any process has this pid now and does something; not whether it is the one that had it before. */
export function isPidInUse(pid: number): boolean {
  try {
    // One that has ended and that its parent has not heard of yet (`Z`) does nothing any more.
    return process.kill(pid, 0) && !(process.platform === "linux" && readLinuxStat(pid)?.[0] === "Z");
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** Whether a process was halted (Ctrl-Z) and does nothing until it goes on. Known on Linux alone. */
export function isSuspended(pid: number): boolean {
  return process.platform === "linux" && readLinuxStat(pid)?.[0] === "T";
}

/** The user of a process, by number, where the system shows it. */
export function ownerOfProcess(pid: number): string | undefined {
  try {
    return `uid ${statSync(`/proc/${pid}`).uid}`;
  } catch {
    return undefined;
  }
}

/** This process, for a lock. */
export async function identifyThisProcess(): Promise<ProcessIdentity> {
  return identifyProcess(process.pid);
}

/**
 * The pid namespace that this process lives in: what is of another one has pids that say nothing here. Undefined outside Linux,
 * and where `/proc` is another namespace's.
 */
export function readPidNamespace(): string | undefined {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
  } catch {
    return undefined;
  }
}

/** The layer that a container writes to: its own as long as there is a container, however often that is started. */
export function readContainerLayer(): string | undefined {
  try {
    return layerOfRoot(readFileSync("/proc/self/mountinfo", "utf8"));
  } catch {
    return undefined;
  }
}

/** By a table of mounts (proc(5)); undefined where the root is no overlay, as outside of containers. */
export function layerOfRoot(mounts: string): string | undefined {
  const root = mounts.split("\n").findLast((line) => line.split(" ")[4] === "/");
  return / - overlay .*[ ,]upperdir=([^ ,]+)/.exec(root ?? "")?.[1];
}

const STARTED = /^started-(\d+)$/;
/** Where the boot is only known by its time, this much drift between two clocks is the same boot. */
const BOOT_DRIFT_SECONDS = 60;

/** Whether the machine has not been started anew since. */
export function isOfThisBoot({ boot_id }: Pick<ProcessIdentity, "boot_id">): boolean {
  const { bootId } = observeMachine();
  const times = [STARTED.exec(boot_id)?.[1], STARTED.exec(bootId)?.[1]].map(Number);
  const [first = Number.NaN, second = Number.NaN] = times;
  return boot_id === bootId || Math.abs(first - second) <= BOOT_DRIFT_SECONDS;
}

/** When a running process started; undefined where there is none, or only its remains (a zombie). */
async function readStartTime(pid: number): Promise<string | undefined> {
  return process.platform === "linux" ? readLinuxStartTime(pid) : askStartTime(pid);
}

/** Field 22 of `/proc/PID/stat`, if the process is more than its remains. */
function readLinuxStartTime(pid: number): string | undefined {
  const fields = readLinuxStat(pid);
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** `/proc/PID/stat` from its third field on: the name before it may hold blanks and brackets. */
export function readLinuxStat(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function askStartTime(pid: number): Promise<string | undefined> {
  return new Promise((done) => {
    execFile(
      "ps",
      ["-o", "stat=,lstart=", "-p", String(pid)],
      { timeout: 5000, env: { LC_ALL: "C" } },
      (error, stdout) => {
        const [, state, started] = /^(\S+)\s+(.+?)\s*$/.exec(stdout.trim()) ?? [];
        done(error !== null || state === undefined || state.startsWith("Z") ? undefined : started);
      },
    );
  });
}
