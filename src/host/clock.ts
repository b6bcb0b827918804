import { randomBytes } from "node:crypto";
import type { WallClock } from "../core/opening-hours.ts";

/** Time and names that are different every time: whatever must be repeatable gets them as arguments. */

/**
 * What a clock on the wall shows, in a time zone by its name or where this machine is. Summer time is in it: an hour that is left
 * out is never shown, and one that comes twice is shown twice. Undefined for a zone that nobody knows.
 */
export function wallClock(timeZone: string | undefined, atMs: number = Date.now()): WallClock | undefined {
  try {
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
    const day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].indexOf(parts.weekday ?? "");
    return { day, minute: Number(parts.hour) * 60 + Number(parts.minute) };
  } catch {
    return undefined;
  }
}

/** Unix time in seconds, as events and journals hold it. */
export function nowSeconds(): number {
  return Date.now() / 1000;
}

/** Seconds of a clock that nobody sets: for how long something takes. */
export function monotonicSeconds(): number {
  return performance.now() / 1000;
}

/** `YYYYMMDDTHHMMSSZ-NAME-4hex`: sorts by time, names its pipeline, and differs between two runs of one second. */
export function newRunId(
  pipeline: string,
  atMs: number = Date.now(),
  random: string = randomBytes(2).toString("hex"),
): string {
  return `${timeStamp(atMs)}-${pipeline}-${random}`;
}

/** `YYYYMMDDTHHMMSSZ`: a time as a part of a file's name. */
export function timeStamp(atMs: number = Date.now()): string {
  return new Date(atMs)
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.\d+Z$/, "Z");
}
