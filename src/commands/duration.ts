/** How long, as people write it: `90s`, `10m`, `2h`, `1h30m`. */

const SECOND = 1000;
const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: 60 * SECOND, h: 3600 * SECOND, d: 86_400 * SECOND };

/** In milliseconds; undefined for what is no duration. A bare number would be anybody's guess, but for 0. */
export function parseDuration(text: string): number | undefined {
  const written = text.trim();
  if (written === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?[smhd])+$/.test(written)) return undefined;
  const parts = [...written.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
}
