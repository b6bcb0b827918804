import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
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
    return { kind: "started", process: { identity: await identityOf(pid), ended } };
  } finally {
    await log.close();
  }
}

/** Identity of a process just started by this one; its start time is empty if it has ended already. */
async function identityOf(pid: number): Promise<ProcessIdentity> {
  const start_time = (await readStartTime(pid)) ?? "";
  return { pid, boot_id: observeMachine().bootId, start_time };
}

/** Whether exactly this process still runs. A pid used again, an earlier boot or a dead process not yet collected: no. */
export async function isProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.start_time === "" || !sameBoot(identity.boot_id, observeMachine().bootId)) return false;
  return (await readStartTime(identity.pid)) === identity.start_time;
}

/** Whether any process has this pid now; not whether it is the one that had it before. */
export function isPidInUse(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** This process, for a lock. */
export async function identifyThisProcess(): Promise<ProcessIdentity> {
  return identityOf(process.pid);
}

/** Sends a signal to a process group by its leader's pid. A group that is gone already is fine. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: nobody left. EPERM: the pid belongs to somebody else by now, so ours is gone too.
  }
}

/**
 * The leader of a process group that was started with `NAME=value` in its environment. Finds what was started and never
 * written down. Only Linux shows environments; elsewhere there is none.
 */
export async function findProcessByEnvironment(name: string, value: string): Promise<ProcessIdentity | undefined> {
  if (process.platform !== "linux") return undefined;
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!environment.split("\0").includes(`${name}=${value}`)) continue;
    // Workers inherit the environment; the leader's group is its own pid.
    const fields = readLinuxStat(pid);
    if (fields?.[2] === String(pid)) return identityOf(pid);
  }
  return undefined;
}

const STARTED = /^started-(\d+)$/;
/** Where the boot is only known by its time, this much drift between two clocks is the same boot. */
const BOOT_DRIFT_SECONDS = 60;

function sameBoot(one: string, other: string): boolean {
  const times = [STARTED.exec(one)?.[1], STARTED.exec(other)?.[1]].map(Number);
  const [first = Number.NaN, second = Number.NaN] = times;
  return one === other || Math.abs(first - second) <= BOOT_DRIFT_SECONDS;
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
function readLinuxStat(pid: number): readonly string[] | undefined {
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
