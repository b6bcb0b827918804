import { expect, test } from "vitest";
import { parseDuration } from "../../../src/commands/duration.ts";

test.each([
  ["90s", 90_000],
  ["10m", 600_000],
  ["2h", 7_200_000],
  ["1h30m", 5_400_000],
  ["1d", 86_400_000],
  ["0.5s", 500],
  ["0", 0],
])("%s is %d ms", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(["", "10", "m", "10 m", "-5m", "10min", "1h 30m", "∞"])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
