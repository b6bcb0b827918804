import * as z from "zod";
import { applyOutcomeSchema } from "./apply-event.ts";

/**
 * Pipelines that one `apply` carries out, one after the other or side by side on GPUs given: who is at work on what card, who
 * is next, and how the order changes. The data that `wan22 status --queue` prints, and the rule by which cards are given away.
 */

const count = z.number().int().nonnegative();
const devices = z.array(count);

const entrySchema = z.strictObject({
  name: z.string().describe("The pipeline's name"),
  project: z.string().describe("Its project's root, absolute"),
  file: z.string().describe("Its file, seen from the folder of the `apply`"),
  status: z.enum(["waiting", "running", "ended"]),
  wants: devices.optional().describe("Devices that its file names; absent where it takes any"),
  gpus: devices.optional().describe("Devices that it has, or had; absent where it takes what it finds"),
  since: z.number().optional().describe("When it was begun, Unix time in seconds"),
  outcome: applyOutcomeSchema
    .or(z.literal("not-begun"))
    .optional()
    .describe("How it ended; not-begun where it was taken out of the queue, or refused, before its turn"),
});

export const queueSchema = z.strictObject({
  version: z.literal(1),
  owner: z
    .looseObject({ pid: z.number().int().positive(), boot_id: z.string(), start_time: z.string(), who: z.string() })
    .describe("The process that carries them out"),
  since: z.number().describe("When it was opened, Unix time in seconds"),
  folder: z.string().describe("Where that `apply` was called, absolute"),
  pool: devices.optional().describe("Devices that are shared out; absent where one is carried out after the other"),
  entries: z.array(entrySchema).describe("Those that wait are in the order in which they begin"),
});

export const queueListSchema = z
  .strictObject({
    format_version: z.literal("1.0").describe("Version of this format"),
    queues: z.array(
      queueSchema.extend({
        alive: z.boolean().describe("Whether its process lives; nobody begins what waits otherwise"),
      }),
    ),
  })
  .describe("What `wan22 status --queue --format json` prints");

export type QueueEntry = z.infer<typeof entrySchema>;
export type Queue = z.infer<typeof queueSchema>;
export type QueueList = z.infer<typeof queueListSchema>;
export type ListedQueue = QueueList["queues"][number];

/** Names a pipeline in a queue: two projects may have one of the same name. */
export const queueKeySchema = entrySchema.pick({ name: true, project: true });

/** Where pipelines that wait are to go. */
export const queuePlaceSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["first", "last"]) }),
  z.strictObject({ kind: z.enum(["before", "after"]), of: queueKeySchema }),
]);

export type QueueKey = z.infer<typeof queueKeySchema>;
export type QueuePlace = z.infer<typeof queuePlaceSchema>;

/** Who shares what. */
export interface Sharing {
  readonly pool: readonly number[] | undefined;
  readonly entries: readonly QueueEntry[];
}

/** What begins now, and on which devices: as its file says where that is undefined. */
export interface Beginning {
  readonly entry: QueueEntry;
  readonly gpus: readonly number[] | undefined;
}

/**
 * The next that may begin, by the order they wait in. Cards are never taken from under one that waits for them: those that it
 * names are kept for it, or it would wait for ever while one after the other takes what is free. `busy`: devices that
 * somebody else uses.
 */
export function nextToBegin({ pool, entries }: Sharing, busy: readonly number[] = []): Beginning | undefined {
  const waiting = entries.filter(({ status }) => status === "waiting");
  const running = entries.filter(({ status }) => status === "running");
  if (pool === undefined) {
    const [entry] = waiting;
    return entry === undefined || running.length > 0 ? undefined : { entry, gpus: undefined };
  }
  const taken = new Set([...running.flatMap(({ gpus = [] }) => gpus), ...busy]);
  const named = new Set(waiting.flatMap(({ wants = [] }) => wants));
  for (const entry of waiting) {
    const { wants } = entry;
    if (wants?.every((gpu) => !taken.has(gpu))) return { entry, gpus: wants };
    if (wants !== undefined) {
      for (const gpu of wants) taken.add(gpu);
      continue;
    }
    const free = pool.filter((gpu) => !taken.has(gpu));
    // One that can do with any card leaves those alone that another can't do without.
    const card = free.find((gpu) => !named.has(gpu)) ?? free[0];
    if (card !== undefined) return { entry, gpus: [card] };
  }
  return undefined;
}

/** Whether two name the same pipeline. */
export function isSamePipeline(one: QueueKey, other: QueueKey): boolean {
  return one.name === other.name && one.project === other.project;
}

/** The queue with some that wait in another place, in the order they are named. What is at work or over is left where it is. */
export function reordered(
  entries: readonly QueueEntry[],
  keys: readonly QueueKey[],
  place: QueuePlace,
): readonly QueueEntry[] {
  const waiting = entries.filter(({ status }) => status === "waiting");
  // One that is named twice is one.
  const moved = [...new Set(keys.flatMap((key) => waiting.filter((entry) => isSamePipeline(entry, key))))];
  const rest = waiting.filter((entry) => !moved.includes(entry));
  const at = positionOf(rest, place);
  const begun = entries.filter(({ status }) => status !== "waiting");
  return [...begun, ...rest.slice(0, at), ...moved, ...rest.slice(at)];
}

function positionOf(rest: readonly QueueEntry[], place: QueuePlace): number {
  if (!("of" in place)) return place.kind === "first" ? 0 : rest.length;
  const found = rest.findIndex((entry) => isSamePipeline(entry, place.of));
  // What it was to go before or after has begun meanwhile: it is next.
  if (found < 0) return 0;
  return place.kind === "before" ? found : found + 1;
}
