import { setTimeout as delay } from "node:timers/promises";
import { formatDuration } from "../../core/duration.ts";

/** Waiting for what somebody else has. */

export interface LockPatience {
  /** How long to wait; 0 asks once. */
  readonly timeoutMs: number;
  /** Called once, if it has to be waited at all. A sentence. */
  readonly onWaiting: (text: string) => void;
  /** End the waiting. */
  readonly signals?: readonly (AbortSignal | undefined)[];
}

/** Who waits shall not keep a disk busy, nor a GPU idle. */
const ASK_AGAIN_MS = 500;

/**
 * Asks until it is not held any more, the time is over, or a signal comes; the last answer comes back. `whyHeld` is a sentence
 * about who has it, and undefined for an answer that nothing is to be waited for.
 */
export async function askPatiently<Answer>(
  ask: () => Promise<Answer>,
  whyHeld: (answer: Answer) => string | undefined,
  patience: LockPatience | undefined,
): Promise<Answer> {
  // A clock that does not jump.
  const until = performance.now() + (patience?.timeoutMs ?? 0);
  for (let asked = 1; ; asked += 1) {
    const answer = await ask();
    const why = whyHeld(answer);
    const remaining = until - performance.now();
    if (why === undefined || patience === undefined || remaining <= 0 || isCancelled(patience)) return answer;
    if (asked === 1) patience.onWaiting(why);
    await sleep(Math.min(ASK_AGAIN_MS, remaining), patience);
  }
}

/** ` It was waited for 10 min.`: what is said where the time was over; nothing where nobody wanted to wait. */
export function waitedText(timeoutMs: number): string {
  return timeoutMs > 0 ? ` It was waited for ${formatDuration(timeoutMs / 1000)}.` : "";
}

export function isCancelled({ signals = [] }: LockPatience): boolean {
  return signals.some((signal) => signal?.aborted === true);
}

async function sleep(milliseconds: number, { signals = [] }: LockPatience): Promise<void> {
  const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
  await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}
