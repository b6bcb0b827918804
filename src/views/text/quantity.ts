/** Numbers as people read them. */

export { formatBytes } from "../../core/bytes.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration with as much precision as is of use: `4.2 s`, `38 s`, `12 min`, `3 h 20 min`, `14 h`, `2 d 5 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${trimZeros(seconds.toFixed(1))} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 99.5 * MINUTE) return `${Math.round(seconds / MINUTE)} min`;
  if (seconds < 10 * HOUR) return twoUnits(seconds, HOUR, "h", 10 * MINUTE, MINUTE, "min");
  if (seconds < 2 * DAY) return `${Math.round(seconds / HOUR)} h`;
  return twoUnits(seconds, DAY, "d", HOUR, HOUR, "h");
}

function twoUnits(seconds: number, large: number, largeUnit: string, step: number, small: number, smallUnit: string) {
  const rounded = Math.round(seconds / step) * step;
  const rest = (rounded % large) / small;
  const whole = `${Math.floor(rounded / large)} ${largeUnit}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallUnit}`;
}

/** A clock-like duration for progress lines: `0:07`, `12:30`, `3:05:00`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
}

/** A number as a pipeline would have it: small ones as `2e-4`, no digits that rounding errors made. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value !== 0 && Math.abs(value) < 1e-3) return Number(value.toPrecision(12)).toExponential();
  return String(Number(value.toPrecision(12)));
}

/** At most one decimal: for figures that are estimates anyway. */
export function formatRough(value: number): string {
  return trimZeros(value.toFixed(Math.abs(value) < 99.95 ? 1 : 0));
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `1 file`, `2 files`; for irregular plurals give both. */
export function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
