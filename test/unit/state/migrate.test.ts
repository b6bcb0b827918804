import { describe, expect, test } from "vitest";
import { readState } from "../../../src/core/state/migrate.ts";
import { emptyState } from "../../../src/core/state/state.ts";
import { randomFrom } from "../../rig/random.ts";

const ORIGIN = { file: ".wan22/state/fox.json", pipeline: "fox" };
const EMPTY = emptyState({ pipeline: "fox", file: "fox.yaml", lineage: "l", host: "h" });

const withPid = (pid: number) => ({
  ...{ status: "running", backend: "musubi", fingerprint: "f", inputs: {}, identities: {}, run: "r", segment: 1 },
  process: { pid, boot_id: "b", start_time: "1" },
});

describe("a state file", () => {
  test("of this version is read as it is", () => {
    expect(readState(JSON.stringify(EMPTY), ORIGIN)).toEqual({ kind: "state", state: EMPTY });
  });

  test.each([
    ["cut short", '{"version": 1, "pipe', "is not whole JSON"],
    ["empty", "", "is not whole JSON"],
    ["a list", "[]", "holds no JSON object"],
    ["null", "null", "holds no JSON object"],
    ["without a version", "{}", "has no `version`"],
    ["of version 0", '{"version": 0}', "has no `version`"],
    ["with a wrong type in it", JSON.stringify({ ...EMPTY, serial: "9" }), "`serial` is not what a state holds"],
    // Number 0 would be the process group of whoever signals it.
    [
      "with a process of number 0",
      JSON.stringify({ ...EMPTY, stages: { train: withPid(0) } }),
      "`stages.train.process.pid`",
    ],
    ["with a key that is unknown", JSON.stringify({ ...EMPTY, more: 1 }), "its top level"],
  ])("%s is damaged, and said why", (_what, text, says) => {
    expect(readState(text, ORIGIN)).toEqual({ kind: "damaged", why: expect.stringContaining(says) });
  });

  test.each([
    ["of a later version", '{"version": 2, "whatever": true}', "P2", "version 2; this wan22 reads versions up to 1"],
    ["of another pipeline", JSON.stringify({ ...EMPTY, pipeline: "dog" }), "P3", "of the pipeline dog, not of fox"],
  ])("%s is refused, and said why", (_what, text, code, says) => {
    expect(readState(text, ORIGIN)).toMatchObject({
      kind: "refused",
      diagnostic: { code, severity: "error", file: ".wan22/state/fox.json", detail: expect.stringContaining(says) },
    });
  });

  test("damaged in any way is read right or refused, never thrown at", () => {
    const text = JSON.stringify({ ...EMPTY, stages: { train: { status: "running" } }, checkpoints: [{}] });
    const random = randomFrom(7);
    for (let round = 0; round < 3000; round += 1) {
      const at = random.integer(0, text.length);
      const damaged = random.chance(0.5)
        ? text.slice(0, at) + random.pick(['"', "{", "}", "0", "-", "null", "\u0000", "__proto__"]) + text.slice(at + 1)
        : text.slice(0, at) + text.slice(at + random.integer(1, 9));
      expect(["state", "damaged", "refused"]).toContain(readState(damaged, ORIGIN).kind);
    }
  });
});
