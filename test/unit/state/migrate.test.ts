import { describe, expect, test } from "vitest";
import { migrateState, readState } from "../../../src/core/state/migrate.ts";
import { emptyState } from "../../../src/core/state/state.ts";
import { randomFrom } from "../../rig/random.ts";

const ORIGIN = { file: ".wan22/state/fox.json", pipeline: "fox" };
const EMPTY = emptyState({ pipeline: "fox", file: "fox.yaml", lineage: "l", host: "h" });

function read(json: unknown) {
  return readState(JSON.stringify(json), ORIGIN);
}

describe("a state file", () => {
  test("of this version is read as it is", () => {
    expect(read(EMPTY)).toEqual({ value: EMPTY, diagnostics: [] });
    expect(migrateState(EMPTY, { file: "fox.json" }).value).toEqual(EMPTY);
  });

  test.each([
    ["cut short", '{"version": 1, "pipe', "P1", "is not whole JSON"],
    ["empty", "", "P1", "is not whole JSON"],
    ["a list", "[]", "P1", "holds no JSON object"],
    ["null", "null", "P1", "holds no JSON object"],
    ["without a version", "{}", "P1", "has no `version`"],
    ["of version 0", '{"version": 0}', "P1", "has no `version`"],
    ["of a later version", '{"version": 2, "whatever": true}', "P2", "version 2; this wan22 reads versions up to 1"],
    ["with a wrong type in it", JSON.stringify({ ...EMPTY, serial: "9" }), "P1", "`serial` is not what a state holds"],
    ["with a key that is unknown", JSON.stringify({ ...EMPTY, more: 1 }), "P1", "its top level"],
    ["of another pipeline", JSON.stringify({ ...EMPTY, pipeline: "dog" }), "P3", "of the pipeline dog, not of fox"],
  ])("%s is refused, and said why", (_what, text, code, says) => {
    const { value, diagnostics } = readState(text, ORIGIN);
    expect(value).toBeUndefined();
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
    expect(diagnostics[0]).toMatchObject({ severity: "error", file: ".wan22/state/fox.json" });
    expect(diagnostics[0]?.detail).toContain(says);
  });

  test("damaged in any way is read right or refused, never thrown at", () => {
    const text = JSON.stringify({ ...EMPTY, stages: { train: { status: "running" } }, checkpoints: [{}] });
    const random = randomFrom(7);
    for (let round = 0; round < 3000; round += 1) {
      const at = random.integer(0, text.length);
      const damaged = random.chance(0.5)
        ? text.slice(0, at) + random.pick(['"', "{", "}", "0", "-", "null", "\u0000", "__proto__"]) + text.slice(at + 1)
        : text.slice(0, at) + text.slice(at + random.integer(1, 9));
      const { value, diagnostics } = readState(damaged, ORIGIN);
      expect(value === undefined).toBe(diagnostics.length === 1);
    }
  });
});
