import { unlink } from "node:fs/promises";
import * as z from "zod";
import { writeWholeFile } from "../atomic-file.ts";
import { identifyThisProcess, type ProcessIdentity, processIdentitySchema } from "../process.ts";
import { readTextFile } from "../read-file.ts";

/**
 * How one `wan22` asks another, which is at work on a pipeline, to stop: a file beside the lock. A signal would not say by
 * whom it was sent, means something else to a runner that detaches on signals, and ends one that has only begun to listen.
 */

/** `save`: the training state first. `now`: at once; what was saved stays. */
export type StopManner = "save" | "now";

const requestSchema = z.looseObject({
  version: z.literal(1),
  /** Whom it is for: a later holder of the lock has nothing to do with it. */
  to: processIdentitySchema,
  manner: z.enum(["save", "now"]),
});

export interface StopRequest {
  readonly to: ProcessIdentity;
  readonly manner: StopManner;
}

/** Throws system errors. */
export async function writeStopRequest(file: string, { to, manner }: StopRequest): Promise<void> {
  const { pid, boot_id, start_time } = to;
  const request = { version: 1, to: { pid, boot_id, start_time }, manner };
  await writeWholeFile(file, `${JSON.stringify(request)}\n`);
}

/** What this process is asked for. Nothing is thrown: what can't be read asks for nothing. */
export async function readStopRequest(file: string): Promise<StopManner | undefined> {
  const request = await readRequest(file);
  return request !== undefined && isFor(request, await identifyThisProcess()) ? request.manner : undefined;
}

async function readRequest(file: string): Promise<StopRequest | undefined> {
  const text = await readTextFile(file).catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isFor({ to }: StopRequest, { pid, start_time }: ProcessIdentity): boolean {
  return to.pid === pid && to.start_time === start_time;
}

/** Whoever gives the lock back has nobody left to ask. */
export async function removeStopRequest(file: string): Promise<void> {
  await unlink(file).catch(() => undefined);
}

/** Removes what was asked of one who does not read it any more; not what another is asked for. */
export async function withdrawStopRequest(file: string, to: ProcessIdentity): Promise<void> {
  const request = await readRequest(file);
  if (request !== undefined && isFor(request, to)) await removeStopRequest(file);
}
