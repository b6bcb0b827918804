/** Clocks for the built command, loaded into it before its own code. */

/** The monotonic clock runs a hundred times as fast. */
export const FAST_CLOCK = `--import=${new URL("./fast-clock.mjs", import.meta.url).href}`;
const JUMPING_CLOCK = `--import=${new URL("./jumping-clock.mjs", import.meta.url).href}`;

/** The system clock is set back at every look, or jumps anywhere now and then; `options`: Node's own beside. */
export function jumpingClock(
  how: "back" | "wild",
  ...options: readonly string[]
): Readonly<Record<"NODE_OPTIONS" | "WAN22_CLOCK", string>> {
  return { NODE_OPTIONS: [JUMPING_CLOCK, ...options].join(" "), WAN22_CLOCK: how };
}
