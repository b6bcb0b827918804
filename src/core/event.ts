import * as z from "zod";

/** What a stage's process says while it runs, a line of NDJSON each (design §7). Steps and epochs are absolute. */

const base = { v: z.literal(1).describe("Version of this format"), t: z.number().describe("Unix time in seconds") };
const count = z.number().int().nonnegative();

/** What several events say. */
const epoch = count.describe("Which epoch of the whole training, from 1");
const step = count.describe("Steps taken so far, of the whole training");
const path = z.string().describe("Relative to the root where inside it");

const exit_code = z.number().int().optional().describe("What its process ends with, for whoever can't wait for it");

/** What tells events apart. */
function type<const Name extends string>(name: Name) {
  return z.literal(name).describe("What happened");
}

export const eventSchema = z
  .discriminatedUnion("type", [
    z
      .looseObject({ ...base, type: type("started"), pid: count.optional().describe("Its process id") })
      .describe("The stage's work begins"),
    z
      .looseObject({
        ...base,
        type: type("item"),
        file: path,
        done: count.describe("Complete so far"),
        total: count.describe("Complete in the end"),
      })
      .describe("A cache file is complete on disk"),
    z
      .looseObject({
        ...base,
        type: type("step"),
        step,
        epoch,
        loss: z.number().nullable().describe("null stands for NaN, which JSON lacks"),
        lr: z.number().nullable().optional().describe("The learning rate of the step"),
        seconds: z.number().nonnegative().optional().describe("Duration of the step"),
        vram_bytes: count.optional().describe("The most GPU memory in use so far"),
      })
      .describe("An optimizer step was taken"),
    z
      .looseObject({
        ...base,
        type: type("epoch"),
        epoch,
        loss: z.number().nullable().optional().describe("Mean of its steps; null stands for NaN"),
      })
      .describe("An epoch ended"),
    z
      .looseObject({
        ...base,
        type: type("checkpoint"),
        file: path,
        epoch,
        step,
        bytes: count.describe("Of the whole file"),
      })
      .describe("A checkpoint is complete on disk"),
    z
      .looseObject({
        ...base,
        type: type("state"),
        dir: path,
        done_epochs: count.describe("Whole epochs in it"),
        done_steps: count.describe("Steps in it"),
      })
      .describe("A training state is complete on disk"),
    z.looseObject({ ...base, type: type("removed"), file: path }).describe("Retention removed a checkpoint or a state"),
    z.looseObject({ ...base, type: type("sample"), file: path, epoch }).describe("A sample was written"),
    z
      .looseObject({ ...base, type: type("warning"), text: z.string().describe("What it is, in a sentence") })
      .describe("Something a user should know"),
    z.looseObject({ ...base, type: type("oom") }).describe("Out of GPU memory"),
    z.looseObject({ ...base, type: type("stopping") }).describe("A stop was requested and seen"),
    z.looseObject({ ...base, type: type("stopped"), exit_code }).describe("Ended early with its training state saved"),
    z.looseObject({ ...base, type: type("finished"), exit_code }).describe("All work done"),
    z
      .looseObject({
        ...base,
        type: type("failed"),
        reason: z.string().describe("A word for the kind of error"),
        message: z.string().describe("The error in the trainer's words"),
        exit_code,
      })
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
