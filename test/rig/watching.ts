/** `wan22 watch` while it runs: what it says, event by event. */
import { type WatchEvent, watchEventSchema } from "../../src/core/plan/watch/watch-event.ts";
import { type Project, startCommand } from "./project.ts";

export interface Watching {
  readonly process: ReturnType<typeof startCommand>;
  /** The next event; undefined where the command has ended. */
  readonly next: () => Promise<WatchEvent | undefined>;
  /** Ends it as Ctrl-C does: its exit code, and what it still said. */
  readonly end: () => Promise<{ readonly exitCode: number | undefined; readonly rest: readonly WatchEvent[] }>;
}

export function startWatch(project: Project, args: readonly string[] = []): Watching {
  const process = startCommand(project.folder, ["watch", "--format", "json", ...args]);
  const lines = process[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await lines.next().catch(() => ({ done: true, value: undefined }));
    return done === true ? undefined : watchEventSchema.parse(JSON.parse(String(value)));
  };
  return {
    process,
    next,
    end: async () => {
      process.kill("SIGINT");
      const rest: WatchEvent[] = [];
      for (let event = await next(); event !== undefined; event = await next()) rest.push(event);
      return { exitCode: (await process).exitCode, rest };
    },
  };
}
