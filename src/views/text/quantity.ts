import { listWords } from "../../core/plan/wording.ts";

/** Numbers as people read them. */

export { formatBytes } from "../../core/bytes.ts";
export { formatDuration } from "../../core/duration.ts";
export { listWords };

/** `GPU 0`, `GPUs 0 and 1`. */
export function gpuNames(devices: readonly number[]): string {
  return `${devices.length === 1 ? "GPU" : "GPUs"} ${listWords(devices.map(String))}`;
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
