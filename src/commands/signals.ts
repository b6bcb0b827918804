import type { StopSignals } from "../execute/apply-pipeline.ts";
import type { Terminal } from "./terminal.ts";

/** The signals that a run is told of, and a way to stop listening. */
export interface ListeningSignals extends StopSignals {
  readonly detach: AbortSignal;
  readonly close: () => void;
}

/** `detach`: a signal ends the runner alone, and training goes on. */
export type OnSignal = "stop" | "detach";

/**
 * Turns the process's signals into requests (design §7). The first Ctrl-C or SIGTERM stops the trainer, with its training
 * state saved where the backend can; a second Ctrl-C ends it at once. SIGTERM after SIGINT is the same request. A closed
 * terminal (SIGHUP) is no wish to stop: training goes on without its watcher.
 */
export function listenForSignals(terminal: Terminal, onSignal: OnSignal): ListeningSignals {
  const stop = new AbortController();
  const stopNow = new AbortController();
  const detach = new AbortController();
  const hangUp = () => detach.abort();
  const request = () => {
    if (onSignal === "detach") {
      hangUp();
      return;
    }
    if (stop.signal.aborted) return;
    terminal.err("\nStopping. Ctrl-C once more ends it at once.");
    stop.abort();
  };
  const interrupt = () => {
    if (stop.signal.aborted) stopNow.abort();
    else request();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", request);
  process.on("SIGHUP", hangUp);
  return {
    stop: stop.signal,
    stopNow: stopNow.signal,
    detach: detach.signal,
    close: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", request);
      process.off("SIGHUP", hangUp);
    },
  };
}

/** Whether somebody wants what goes on for ever to end: by a signal, or since nobody reads any more what it says. */
export function listenForEnd(onEnd: () => void): { readonly signal: AbortSignal; readonly close: () => void } {
  const end = new AbortController();
  const abort = () => {
    if (end.signal.aborted) return;
    end.abort();
    onEnd();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, abort);
  process.stdout.once("error", abort);
  return {
    signal: end.signal,
    close: () => {
      for (const signal of signals) process.off(signal, abort);
      process.stdout.off("error", abort);
    },
  };
}
