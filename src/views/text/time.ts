/**
 * When something was, for people: with its date, to the minute, by this machine's clock. What lasts still is said by how long it
 * has lasted (`formatDuration`). Data has ISO 8601 in UTC, as records do.
 */

/** `2026-07-01 12:05`. Text that is no time, in a file that somebody edited, stays as it is. */
export function formatTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map(two).join("-");
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `12:05:09`, of what happens while somebody looks. `unixSeconds`: when. */
export function formatClock(unixSeconds: number): string {
  const time = new Date(unixSeconds * 1000);
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((number) => String(number).padStart(2, "0"))
    .join(":");
}

/** Of sentences that name the holder of a lock, or the end of a run. */
const WHEN = /\b(since|at) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/g;

/** A finding's or note's sentences as people read them: these are data too, and name times as data does. */
export function withLocalTimes(text: string): string {
  return text.replaceAll(WHEN, (_, word: string, iso: string) => `${word} ${formatTime(iso)}`);
}
