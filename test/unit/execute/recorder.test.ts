import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { State } from "../../../src/core/state/state.ts";
import { openRecorder } from "../../../src/execute/recorder.ts";

const at = { v: 1 as const, t: 1_700_000_000 };

it("writes the state at once where it matters, and not for each step", async () => {
  const stateDir = await mkdtemp(join(tmpdir(), "wan22-recorder-"));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  const run = "20260101T000000Z-fox-0000";
  const recorder = openRecorder({ run, runDir: join(stateDir, "runs", run), stateDir, state: undefined });
  const onDisk = async (): Promise<State> => JSON.parse(await readFile(join(stateDir, "state", "fox.json"), "utf8"));
  await recorder.record(
    { ...at, type: "run", run, pipeline: "fox", file: "fox.yaml", lineage: "a", host: "here", plan_digest: "b" },
    {
      ...{ ...at, type: "stage", stage: "train", action: "create", backend: "rehearsal", segment: 1 },
      ...{ fingerprint: "c", inputs: {}, identities: {}, total_epochs: 2, steps_per_epoch: 500 },
    },
  );
  for (let step = 1; step <= 500; step += 1) {
    await recorder.observe("train", [{ ...at, type: "step", step, epoch: 1, loss: 0.1, seconds: 1 }]);
  }
  expect(recorder.state()?.stages.train).toMatchObject({ done_steps: 500, measured: { steps: 499, seconds: 499 } });
  expect((await onDisk()).stages.train?.done_steps).toBeUndefined();
  await recorder.observe("train", [
    { ...at, type: "checkpoint", file: "out/fox.safetensors", epoch: 1, step: 500, bytes: 9 },
  ]);
  expect((await onDisk()).stages.train?.done_steps).toBe(500);
  expect((await onDisk()).checkpoints).toHaveLength(1);
  // Not for each of many that come at once: the events file has them until then.
  for (let step = 501; step <= 510; step += 1) {
    const file = `out/fox-${step}.safetensors`;
    await recorder.observe("train", [{ ...at, type: "checkpoint", file, epoch: 2, step, bytes: 9 }]);
  }
  expect((await onDisk()).checkpoints).toHaveLength(1);
  expect(recorder.state()?.checkpoints).toHaveLength(11);
  await recorder.observe("train", [{ ...at, type: "step", step: 511, epoch: 2, loss: 0.1 }]);
  await recorder.flush();
  expect(await onDisk()).toEqual(recorder.state());
});
