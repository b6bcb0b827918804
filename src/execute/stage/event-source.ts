import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { parseEventLine, type TrainerEvent } from "../../core/event.ts";
import { folderOf, joinPath } from "../../core/paths.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { scriptOf } from "../../core/vocabulary.ts";
import { nowSeconds } from "../../host/clock.ts";
import { appendEvents } from "../../host/records/run-store.ts";
import { onlyNew, openMusubiLog } from "../../host/records/unwritten-events.ts";
import { isWhole, readSafetensorsHeader } from "../../host/safetensors.ts";
import { openTail } from "../../host/tail.ts";

/** Where a stage's events come from: its own events file, or, for a trainer that writes none, its log. */

export interface EventSource {
  /** What is new since the last call. */
  readonly poll: () => Promise<readonly TrainerEvent[]>;
  /** The last that can be known, once the process has ended. */
  readonly end: () => Promise<readonly TrainerEvent[]>;
}

/** A backend that writes its events itself. `known` of them were taken up before, by a runner that is gone. */
export function eventsFileSource(eventsFile: string, { known }: { readonly known: number }): EventSource {
  const tail = openTail(eventsFile);
  let passOver = known;
  const passKnown = (events: readonly TrainerEvent[]) => {
    const fresh = events.slice(passOver);
    passOver = Math.max(0, passOver - events.length);
    return fresh;
  };
  const read = async () => (await tail.readLines()).flatMap((line) => parseEventLine(line) ?? []);
  return {
    poll: async () => passKnown(await read()),
    end: async () => {
      const last = await read();
      // A whole line whose end was cut off still counts; anything torn does not parse.
      const rest = parseEventLine(tail.rest());
      await tail.close();
      return passKnown(rest === undefined ? last : [...last, rest]);
    },
  };
}

export interface LogSourceOptions {
  readonly stage: StagePlan;
  /** Absolute. */
  readonly root: string;
  readonly logFile: string;
  /** The events that are found are added here, as a backend would. */
  readonly eventsFile: string;
  /** Events in that file already: the log is read from its start again. */
  readonly known: readonly TrainerEvent[];
}

/** Musubi's log; for caching also its cache files, as they appear. */
export function musubiLogSource(options: LogSourceOptions): EventSource {
  const source = scriptOf(options.stage.id) === "train" ? trainingLog(options) : cacheFolder(options);
  const pickNew = onlyNew(options.known);
  const write = async (events: readonly TrainerEvent[]) => {
    const fresh = pickNew(events);
    await appendEvents(options.eventsFile, fresh);
    return fresh;
  };
  return { poll: async () => write(await source.poll()), end: async () => write(await source.end()) };
}

function trainingLog({ stage, root, logFile }: LogSourceOptions): EventSource {
  const tail = openTail(logFile, { lineEnds: "newline-or-return" });
  const log = openMusubiLog(stage, root);
  const poll = async () => (await tail.readLines()).flatMap((line) => log.accept(line));
  return {
    poll,
    end: async () => {
      const events = [...(await poll()), ...log.accept(tail.rest()), ...log.end()];
      await tail.close();
      return events;
    },
  };
}

/** Caching says how many batches it has done, not which files: those are looked for in the cache folders. */
function cacheFolder({ stage, root, known }: LogSourceOptions): EventSource {
  const files = stage.cache_files ?? [];
  const pending = new Set(stage.pending ?? files);
  const folders = [...new Set([...pending].map((file) => folderOf(file)))];
  let done = files.length - pending.size;
  for (const event of known) if (event.type === "item" && pending.delete(event.file)) done += 1;
  const poll = async () => {
    const events: TrainerEvent[] = [];
    for (const folder of folders) {
      for (const name of await readdir(resolve(root, folder)).catch(() => [])) {
        const file = joinPath(folder, name);
        if (!pending.has(file)) continue;
        const reading = await readSafetensorsHeader(resolve(root, file));
        if (reading.kind !== "header" || !isWhole(reading.header)) continue;
        pending.delete(file);
        done += 1;
        events.push({ v: 1, t: nowSeconds(), type: "item", file, done, total: files.length });
      }
    }
    return events;
  };
  return { poll, end: poll };
}
