/** Numbers as people read them. */

export { formatBytes } from "../../core/bytes.ts";
export { formatDuration } from "../../core/duration.ts";
export { listWords } from "../../core/plan/wording.ts";

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
