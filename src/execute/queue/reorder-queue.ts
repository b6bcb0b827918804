import { setTimeout as delay } from "node:timers/promises";
import { isThere } from "../../host/read-file.ts";
import {
  type OrderRequest,
  readQueueFile,
  removeRequest,
  requestOrder,
  type StoredQueue,
} from "../../host/records/queue-store.ts";

/** The runner looks twice a second; a machine that is busy takes longer. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 50;

/** Asks for another order, and comes back with the queue as it was made of it; undefined where nobody took it up. Throws system errors. */
export async function reorderQueue({ file }: StoredQueue, request: OrderRequest): Promise<StoredQueue | undefined> {
  const asked = await requestOrder(file, request);
  const until = performance.now() + PATIENCE_MS;
  while (await isThere(asked)) {
    if (performance.now() > until) {
      // Taken back, so that nothing is moved when nobody expects it any more.
      await removeRequest(asked);
      return undefined;
    }
    await delay(LOOK_MS);
  }
  return readQueueFile(file);
}
