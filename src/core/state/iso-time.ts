/** Unix seconds as ISO 8601; the nearest time there is for a number that stands for none. */
export function isoTime(unixSeconds: number): string {
  const furthest = 8.64e15;
  const milliseconds = Math.max(-furthest, Math.min(furthest, unixSeconds * 1000));
  // biome-ignore lint/style/noRestrictedGlobals: it writes a time that was given, and reads no clock.
  return new Date(Number.isNaN(milliseconds) ? 0 : milliseconds).toISOString();
}
