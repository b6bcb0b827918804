import { randomBytes } from "node:crypto";

/** Time and names that are different every time: whatever must be repeatable gets them as arguments. */

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
