/** Durations as people read them. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration with as much precision as is of use: `4.2 s`, `38 s`, `12 min`, `3 h 20 min`, `14 h`, `2 d 5 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
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
