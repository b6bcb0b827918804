import * as z from "zod";
import { BACKENDS, DRIVERS, STAGE_IDS } from "../vocabulary.ts";

/** What the runner writes down, a line of NDJSON each, before and after every step that changes the world (design §6). */

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);
const base = { v: z.literal(1), t: z.number().describe("Unix time in seconds") };
const stage = z.enum(STAGE_IDS);
// As in the state that entries are folded into: one that does not fit is passed over, and must not spoil the state.
const count = z.number().int().nonnegative();

export const journalSchema = z.discriminatedUnion("type", [
  z.looseObject({
    ...base,
    type: z.literal("run"),
    run: z.string(),
    pipeline: z.string(),
    file: z.string(),
    lineage: z.string(),
    host: z.string(),
    plan_digest: z.string(),
    /** The state's, when the run began: the order of runs, whatever the clock said. */
    serial: count.optional(),
  }),
  /** Before a stage starts: what it is about to make. */
  z.looseObject({
    ...base,
    type: z.literal("stage"),
    stage,
    action: z.string(),
    backend: z.enum(BACKENDS),
    driver: z.enum(DRIVERS).optional(),
    fingerprint: z.string(),
    inputs: z.record(z.string(), value),
    identities: z.record(z.string(), z.string()),
    segment: count,
    total_epochs: count.optional(),
    steps_per_epoch: count.optional(),
    done_epochs: count.optional(),
    done_steps: count.optional(),
    output_dir: z.string().optional(),
    output_name: z.string().optional(),
    gpus: z.array(count).optional(),
  }),
  z.looseObject({
    ...base,
    type: z.literal("archived"),
    stage,
    files: z.array(z.strictObject({ from: z.string(), to: z.string() })),
  }),
  z.looseObject({ ...base, type: z.literal("renamed"), stage, from: z.string(), to: z.string() }),
  /** A stale or broken cache file is about to be unlinked. */
  z.looseObject({ ...base, type: z.literal("unlinked"), stage, file: z.string() }),
  z.looseObject({
    ...base,
    type: z.literal("process"),
    stage,
    pid: z.number().int().positive(),
    boot_id: z.string(),
    start_time: z.string(),
    /** The run's folder, absolute: a copy of it has no such process. Absent in journals of earlier versions. */
    folder: z.looseObject({ path: z.string(), inode: z.string() }).optional(),
  }),
  /** A cache file was seen whole: what it was made from. */
  z.looseObject({ ...base, type: z.literal("cached"), stage, caches: z.record(z.string(), z.string()) }),
  z.looseObject({ ...base, type: z.literal("digest"), stage, file: z.string(), sha256: z.string() }),
  z.looseObject({
    ...base,
    type: z.literal("end"),
    stage,
    outcome: z.enum(["finished", "stopped", "failed", "lost"]),
    exit_code: z.number().int().nullable(),
    message: z.string().optional(),
  }),
]);

export type JournalEntry = z.infer<typeof journalSchema>;
