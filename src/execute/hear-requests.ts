import { readStopRequest } from "../host/locks/stop-request.ts";
import type { StopSignals } from "./stage/follow.ts";

/** Joins what this process is told by signals with what another `wan22` asks it for. */

/** The reason of an abort that another process asked for: nobody interrupted this one. */
export const ON_REQUEST = "asked by another wan22";

export interface HeardRequests {
  readonly signals: StopSignals;
  readonly close: () => void;
}

/** A look costs a system call. */
const LOOK_MS = 250;

export function hearRequests(stopFile: string, signals: StopSignals): HeardRequests {
  const stop = new AbortController();
  const stopNow = new AbortController();
  const look = async () => {
    const manner = await readStopRequest(stopFile);
    if (manner === "now") stopNow.abort(ON_REQUEST);
    if (manner !== undefined) stop.abort(ON_REQUEST);
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();
  return {
    signals: {
      stop: AbortSignal.any([signals.stop, stop.signal]),
      stopNow: AbortSignal.any([signals.stopNow, stopNow.signal]),
      detach: signals.detach,
      look,
    },
    close: () => clearInterval(timer),
  };
}
