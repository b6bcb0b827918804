/** `wan22 apply` while it runs: what it says, event by event, and its end. */
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { type Project, startCommand } from "./project.ts";

export interface Applying {
  readonly process: ReturnType<typeof startCommand>;
  readonly events: readonly ApplyEvent[];
  /** Resolves at the first event of this kind, or when the command has ended. */
  readonly until: (test: (event: ApplyEvent) => boolean) => Promise<void>;
  /** The exit code. */
  readonly ended: Promise<number | undefined>;
}

export interface ApplyOptions {
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts `wan22 apply FILE` and reads what it says. */
export function startApply(project: Project, file: string, { args = [], environment }: ApplyOptions = {}): Applying {
  const words = ["apply", file, "--auto-approve", "--format", "json", ...args];
  const process = startCommand(project.folder, words, environment);
  const events: ApplyEvent[] = [];
  const waiting = new Set<() => void>();
  const reading = (async () => {
    for await (const line of process) {
      if (!String(line).startsWith('{"v":1')) continue;
      events.push(JSON.parse(String(line)));
      for (const wake of waiting) wake();
    }
  })();
  const ended = reading
    .catch(() => undefined)
    .then(async () => {
      const { exitCode } = await process;
      for (const wake of waiting) wake();
      return exitCode;
    });
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
    for (const wake of waiting) wake();
  });
  const until = async (test: (event: ApplyEvent) => boolean) => {
    while (!hasEnded && !events.some(test)) {
      await new Promise<void>((next) => {
        waiting.add(next);
        void ended.then(() => next());
      });
    }
  };
  return { process, events, until, ended };
}

/** A step of training, from this one on. */
export const stepFrom = (step: number) => (event: ApplyEvent) =>
  event.type === "trainer" && event.event.type === "step" && event.event.step >= step;
