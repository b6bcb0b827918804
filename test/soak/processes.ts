import { readdirSync, readFileSync } from "node:fs";
import { readLinuxStat } from "../../src/host/process.ts";

/** Living processes that carry a variable in their environment, with what they work on. Linux alone shows that. */

export interface TrialProcess {
  readonly pid: number;
  /** Clock ticks since boot: with the pid, which process it is. */
  readonly startTime: string;
  /** Of its process group: all that came of one trainer is in one. */
  readonly groupId: number;
  /** `RUN/STAGE` of a trainer, and of all that came of it; undefined for everything else. */
  readonly mark: string | undefined;
}

export function listProcesses({ name, value }: { readonly name: string; readonly value: string }): TrialProcess[] {
  const wanted = `${name}=${value}`;
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const pid = Number(entry);
    const living = lookAt(pid);
    const variables = living === undefined ? [] : environmentOf(pid);
    if (living === undefined || !variables.includes(wanted)) return [];
    const mark = variables.find((variable) => variable.startsWith("WAN22_STAGE="))?.slice("WAN22_STAGE=".length);
    return [{ pid, ...living, mark }];
  });
}

/** Whether it is still that very process, and more than its remains. */
export function isStillAlive({ pid, startTime }: TrialProcess): boolean {
  return lookAt(pid)?.startTime === startTime;
}

export function kill({ pid }: Pick<TrialProcess, "pid">, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself at this moment.
  }
}

function lookAt(pid: number): Pick<TrialProcess, "startTime" | "groupId"> | undefined {
  const fields = readLinuxStat(pid) ?? [];
  const [state, , groupId] = fields;
  const startTime = fields[19];
  if (startTime === undefined || state === "Z" || state === "X") return undefined;
  return { startTime, groupId: Number(groupId) };
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
