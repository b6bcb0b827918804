import * as z from "zod";

/** What a stage's process says while it runs, a line of NDJSON each (design §7). Steps and epochs are absolute. */

const base = { v: z.literal(1), t: z.number().describe("Unix time in seconds") };
const count = z.number().int().nonnegative();

export const eventSchema = z
  .discriminatedUnion("type", [
    z.looseObject({ ...base, type: z.literal("started"), pid: count.optional() }).describe("The stage's work begins"),
    z
      .looseObject({ ...base, type: z.literal("item"), file: z.string(), done: count, total: count })
      .describe("A cache file is complete on disk"),
    z
      .looseObject({
        ...base,
        type: z.literal("step"),
        step: count,
        epoch: count,
        loss: z.number().nullable().describe("null stands for NaN, which JSON lacks"),
        lr: z.number().nullable().optional(),
        seconds: z.number().nonnegative().optional().describe("Duration of the step"),
        vram_bytes: count.optional(),
      })
      .describe("An optimizer step was taken"),
    z
      .looseObject({ ...base, type: z.literal("epoch"), epoch: count, loss: z.number().nullable().optional() })
      .describe("An epoch ended"),
    z
      .looseObject({
        ...base,
        type: z.literal("checkpoint"),
        file: z.string(),
        epoch: count,
        step: count,
        bytes: count,
      })
      .describe("A checkpoint is complete on disk"),
    z
      .looseObject({ ...base, type: z.literal("state"), dir: z.string(), done_epochs: count, done_steps: count })
      .describe("A training state is complete on disk"),
    z
      .looseObject({ ...base, type: z.literal("removed"), file: z.string() })
      .describe("Retention removed a checkpoint or a state"),
    z
      .looseObject({ ...base, type: z.literal("sample"), file: z.string(), epoch: count })
      .describe("A sample was written"),
    z.looseObject({ ...base, type: z.literal("warning"), text: z.string() }).describe("Something a user should know"),
    z.looseObject({ ...base, type: z.literal("oom") }).describe("Out of GPU memory"),
    z.looseObject({ ...base, type: z.literal("stopping") }).describe("A stop was requested and seen"),
    z.looseObject({ ...base, type: z.literal("stopped") }).describe("Ended early with its training state saved"),
    z.looseObject({ ...base, type: z.literal("finished") }).describe("All work done"),
    z
      .looseObject({ ...base, type: z.literal("failed"), reason: z.string(), message: z.string() })
      .describe("Ended in an error"),
  ])
  .describe(
    "A line of what a stage's process writes into `STAGE.events.ndjson`; `wan22 apply --format json` hands it on inside `trainer`",
  );

export type TrainerEvent = z.infer<typeof eventSchema>;

/** After these a stage's process does nothing more. */
export type LastWord = Extract<TrainerEvent, { type: "finished" | "stopped" | "failed" }>;

export function isLastWord<Event extends { readonly type: string }>(
  event: Event,
): event is Extract<Event, { readonly type: LastWord["type"] }> {
  return event.type === "finished" || event.type === "stopped" || event.type === "failed";
}

/**
 * Reads one line of an events file. Undefined for a torn line, an unknown type or a shape that does not fit:
 * readers ignore what they do not know.
 */
export function parseEventLine(line: string): TrainerEvent | undefined {
  if (line.trim() === "") return undefined;
  try {
    const parsed = eventSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
