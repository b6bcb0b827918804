import { basename } from "node:path";
import { isSamePipeline, type Queue, type QueueEntry, type QueueKey } from "../../core/queue.ts";
import { nowSeconds } from "../../host/clock.ts";
import { describeThisOwner } from "../../host/locks/lock-owner.ts";
import { errorCode, fileProblem, ignoreSystemError } from "../../host/read-file.ts";
import {
  findDamagedQueues,
  makeQueueFile,
  readQueues,
  removeQueue,
  setQueueAside,
  writeQueue,
} from "../../host/records/queue-store.ts";

/** The queue of this process where others can look at it. */

export interface QueueFile {
  /** Undefined where there is none: one pipeline alone waits for nobody, and what can't be written can't be looked at. */
  readonly path: string | undefined;
  readonly write: (entries: readonly QueueEntry[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface QueueFileInput {
  readonly entries: readonly QueueEntry[];
  readonly pool: readonly number[] | undefined;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onNote: (text: string) => void;
}

export async function openQueueFile(input: QueueFileInput): Promise<QueueFile> {
  const { entries, pool, folder, environment, onNote } = input;
  const none: QueueFile = { path: undefined, write: async () => undefined, close: async () => undefined };
  await clearTakenUp(entries, environment);
  await setDamagedAside(input);
  if (entries.length < 2) return none;
  const { who, pid, boot_id, start_time } = await describeThisOwner(undefined);
  const queue: Omit<Queue, "entries"> = {
    version: 1,
    owner: { pid, boot_id, start_time, who },
    since: nowSeconds(),
    folder,
    ...(pool === undefined ? {} : { pool: [...pool] }),
  };
  let isSaid = false;
  const sayUnwritten = (error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    const why = fileProblem(error).text;
    if (!isSaid) onNote(`The queue can't be written down (${why}): it can't be looked at, or reordered.`);
    isSaid = true;
  };
  const file = await makeQueueFile(queue, environment).catch(sayUnwritten);
  if (file === undefined) return none;
  let written: Promise<unknown> = Promise.resolve();
  // One after the other: what is written last is what stands there.
  const write = async (now: readonly QueueEntry[]) => {
    written = written.then(() => writeQueue(file, { ...queue, entries: [...now] }).catch(sayUnwritten));
    await written;
  };
  await write(entries);
  return { path: file, write, close: () => removeQueue(file) };
}

/**
 * Takes pipelines out of queues whose runners are gone, and with the last of those that waited the queue: somebody sees to them,
 * or found them done, or nobody wants them any more. What can't be written stays. Those that had waited, with who kept the queue.
 */
export async function clearTakenUp(
  keys: readonly QueueKey[],
  environment: QueueFileInput["environment"],
): Promise<readonly TakenOut[]> {
  const takenOut: TakenOut[] = [];
  for (const { file, queue, alive } of await readQueues(environment)) {
    if (alive) continue;
    const waited = queue.entries.filter(
      (one) => one.status === "waiting" && keys.some((key) => isSamePipeline(one, key)),
    );
    takenOut.push(...waited.map((entry) => ({ entry, owner: queue.owner })));
    const kept = queue.entries.filter((one) => !keys.some((key) => isSamePipeline(one, key)));
    if (kept.every(({ status }) => status === "ended")) await removeQueue(file);
    else if (kept.length < queue.entries.length) {
      await writeQueue(file, { ...queue, entries: kept }).catch(ignoreSystemError);
    }
  }
  return takenOut;
}

export interface TakenOut extends Pick<Queue, "owner"> {
  readonly entry: QueueEntry;
}

/** What a crash of the machine, or an editor, made of a queue would be found again and again. */
async function setDamagedAside({ environment, onNote }: QueueFileInput): Promise<void> {
  for (const damaged of await findDamagedQueues(environment)) {
    // One that somebody else has set aside meanwhile, or that is not ours to move.
    const aside = await setQueueAside(damaged).catch(ignoreSystemError);
    if (aside === undefined) continue;
    const { file, why } = damaged;
    onNote(
      `The queue in ${file} can't be read: ${why}. It was set aside as ${basename(aside)}; apply again what waited in it.`,
    );
  }
}
