import { readFile } from "node:fs/promises";
import type { ApplyEvent } from "../core/apply-event.ts";
import type { ProcessEnd, StartResult } from "../host/process.ts";
import { launchRunner } from "./launch-runner.ts";
import type { PipelinePlace } from "./take-over.ts";
import { watchRun } from "./watch-run.ts";

/** Carries out a plan in the background: an `apply` in a session of its own, which no closed terminal and no Ctrl-C reaches. */

export interface BackgroundRequest {
  /** What the runner is to work on, in its order. */
  readonly places: readonly PipelinePlace[];
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: (event: ApplyEvent) => void;
  /** Somebody wants it to stop before its first trainer runs. */
  readonly stop: AbortSignal;
}

export type BackgroundStart =
  | { readonly kind: "running"; readonly pid: number; readonly logFile: string }
  /** It came to no trainer: what it said. */
  | { readonly kind: "ended"; readonly end: ProcessEnd; readonly said: string }
  | Extract<StartResult, { kind: "failed" }>;

/** Comes back when the first trainer runs, or the runner has ended before. */
export async function startInBackground(request: BackgroundRequest): Promise<BackgroundStart> {
  const { places, report, stop } = request;
  const [first] = places;
  if (first === undefined) throw new Error("nothing was to be carried out in the background");
  const started = await launchRunner({ ...request, place: first });
  if (started.kind === "failed") return started;
  const { logFile } = started;
  const { identity, ended } = started.process;
  const enough = new AbortController();
  const onStop = () => endRunner(identity.pid);
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  let isRunning = false;
  const tell = (event: ApplyEvent) => {
    report(event);
    if (event.type !== "stage-started") return;
    isRunning = true;
    enough.abort();
  };
  const watching = places.map((place) =>
    watchRun({ place, runner: identity, report: tell, leave: enough.signal, idle: "wait" }),
  );
  const end = await Promise.race([ended, Promise.all(watching).then(() => undefined)]);
  enough.abort();
  await Promise.all(watching);
  stop.removeEventListener("abort", onStop);
  if (isRunning && end === undefined) return { kind: "running", pid: identity.pid, logFile };
  return { kind: "ended", end: end ?? (await awake(ended)), said: await readFile(logFile, "utf8").catch(() => "") };
}

/** Waits for a process that this one does not stay for by itself. */
async function awake<T>(waiting: Promise<T>): Promise<T> {
  const staying = setInterval(() => undefined, 1000);
  try {
    return await waiting;
  } finally {
    clearInterval(staying);
  }
}

function endRunner(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended already.
  }
}
