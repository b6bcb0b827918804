/** Waiting between two looks at a process that may run for weeks. */

export interface Sleeper {
  /** Not past the process's end or the next signal, nor at all where one came since the last time. */
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly close: () => void;
}

/** Listens to each of them once, however often is slept: a promise keeps all that ever waited for it until it is settled. */
export function openSleeper(ended: Promise<void> | undefined, signals: readonly (AbortSignal | undefined)[]): Sleeper {
  let woken = false;
  let wake = () => {};
  const onWake = () => {
    woken = true;
    wake();
  };
  void ended?.then(onWake);
  for (const signal of signals) signal?.addEventListener("abort", onWake, { once: true });
  return {
    sleep: async (milliseconds) => {
      if (!woken) {
        await new Promise<void>((done) => {
          const timer = setTimeout(done, milliseconds);
          wake = () => {
            clearTimeout(timer);
            done();
          };
        });
      }
      woken = false;
    },
    close: () => {
      for (const signal of signals) signal?.removeEventListener("abort", onWake);
    },
  };
}
