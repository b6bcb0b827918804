import { randomUUID } from "node:crypto";
import { mkdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { type Queue, queueKeySchema, queuePlaceSchema, queueSchema } from "../../core/queue.ts";
import { writeWholeFile } from "../atomic-file.ts";
import { timeStamp } from "../clock.ts";
import { type Environment, machineFolder, namesInFolder } from "../machine-folder.ts";
import { isProcessAlive } from "../process.ts";
import { fileProblem, readTextFile } from "../read-file.ts";

/**
 * Queues of this machine, a file each. Only the `apply` that carries one out writes its file; whoever wants another order
 * leaves a request beside it, which that one takes up.
 */

/** A queue with its file. */
export interface StoredQueue {
  readonly file: string;
  readonly queue: Queue;
  readonly alive: boolean;
}

const QUEUE_FILE = /^\d+-\d+\.json$/;
const newerSchema = z.looseObject({ version: z.number().int().min(2) });
const orderSchema = z.strictObject({ version: z.literal(1), keys: z.array(queueKeySchema), place: queuePlaceSchema });

/** What to move where. */
export type OrderRequest = Omit<z.infer<typeof orderSchema>, "version">;

/** The file of a queue; its folder is made. Throws system errors. */
export async function makeQueueFile(
  { owner, since }: Pick<Queue, "owner" | "since">,
  environment: Environment,
): Promise<string> {
  const folder = machineFolder("queues", environment);
  await mkdir(folder, { recursive: true });
  return join(folder, `${Math.round(since)}-${owner.pid}.json`);
}

/** Throws system errors. */
export async function writeQueue(file: string, queue: Queue): Promise<void> {
  await writeWholeFile(file, `${JSON.stringify(queue, undefined, 2)}\n`);
}

/** With what was asked of it. */
export async function removeQueue(file: string): Promise<void> {
  for (const { file: request } of await readRequests(file)) await removeRequest(request);
  await unlink(file).catch(() => undefined);
}

/** Those that can be read, the oldest first. */
export async function readQueues(environment: Environment): Promise<readonly StoredQueue[]> {
  const folder = machineFolder("queues", environment);
  const found: StoredQueue[] = [];
  for (const name of await namesInFolder(folder, QUEUE_FILE)) {
    const stored = await readQueueFile(join(folder, name));
    if (stored !== undefined) found.push(stored);
  }
  return found.sort((one, other) => one.queue.since - other.queue.since);
}

/** A file that stands where a queue does, and is none. */
export interface DamagedQueue {
  readonly file: string;
  /** A clause. */
  readonly why: string;
}

/** Those that can't be read, whatever happened to them; not those of a newer version. Nothing is thrown. */
export async function findDamagedQueues(environment: Environment): Promise<readonly DamagedQueue[]> {
  const folder = machineFolder("queues", environment);
  const found: DamagedQueue[] = [];
  for (const name of await namesInFolder(folder, QUEUE_FILE)) {
    const file = join(folder, name);
    const why = await readTextFile(file).then(whyDamaged, (error: unknown) => {
      const { kind, text } = fileProblem(error);
      return kind === "missing" ? undefined : text;
    });
    if (why !== undefined) found.push({ file, why });
  }
  return found;
}

/** Undefined for a queue, of this version or a newer one. */
function whyDamaged(text: string): string | undefined {
  if (parse(queueSchema, text) !== undefined || parse(newerSchema, text) !== undefined) return undefined;
  return text.trim() === "" ? "it is empty" : "what it holds is no queue";
}

/** Out of the way, under a name that says what it is and when. Throws system errors. */
export async function setQueueAside({ file }: DamagedQueue): Promise<string> {
  const aside = `${file}.damaged-${timeStamp()}`;
  await rename(file, aside);
  return aside;
}

/** Undefined for what is gone, or no queue. Nothing is thrown. */
export async function readQueueFile(file: string): Promise<StoredQueue | undefined> {
  const queue = parse(queueSchema, await readTextFile(file).catch(() => ""));
  return queue === undefined ? undefined : { file, queue, alive: await isProcessAlive(queue.owner) };
}

/** Asks for another order: the name of the request, which is gone when it was taken up. Throws system errors. */
export async function requestOrder(file: string, request: OrderRequest): Promise<string> {
  const name = `${file}.${Date.now()}-${randomUUID().slice(0, 8)}.order`;
  await writeWholeFile(name, `${JSON.stringify({ version: 1, ...request })}\n`);
  return name;
}

export interface StoredRequest {
  readonly file: string;
  /** Undefined for one that can't be understood. */
  readonly request: OrderRequest | undefined;
}

/** What is asked of a queue, in the order it was asked. Nothing is thrown. */
export async function readRequests(queueFile: string): Promise<readonly StoredRequest[]> {
  const folder = join(queueFile, "..");
  const own = queueFile.slice(folder.length + 1);
  const names = (await namesInFolder(folder, /\.order$/)).filter((name) => name.startsWith(`${own}.`));
  return Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      return { file, request: parse(orderSchema, await readTextFile(file).catch(() => "")) };
    }),
  );
}

/** It was taken up. */
export async function removeRequest(file: string): Promise<void> {
  await unlink(file).catch(() => undefined);
}

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
