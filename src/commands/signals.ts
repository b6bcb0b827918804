import type { StopSignals } from "../execute/apply-pipeline.ts";
import type { Terminal } from "./terminal.ts";

/** The signals that a run is told of, and a way to stop listening. */
export interface ListeningSignals extends StopSignals {
  readonly close: () => void;
}

/**
 * Turns the process's signals into requests (design §7): the first Ctrl-C, SIGTERM or SIGHUP stops after the step in
 * progress with its training state saved; a second Ctrl-C ends at once. SIGTERM after SIGINT is the same request.
 */
export function listenForSignals(terminal: Terminal): ListeningSignals {
  const stop = new AbortController();
  const stopNow = new AbortController();
  const request = () => {
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
  process.on("SIGHUP", request);
  return {
    stop: stop.signal,
    stopNow: stopNow.signal,
    close: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", request);
      process.off("SIGHUP", request);
    },
  };
}
