import { describe, expect, test } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { readMusubiLog } from "../../../src/core/trainer/musubi-log.ts";
import { onlyNew } from "../../../src/host/records/unwritten-events.ts";

/** What the trainer 0.3.4 printed for three epochs of six steps with `--save_every_n_steps 5 --save_last_n_epochs 1 --save_state`. */
const LOG = [
  "running training / 学習開始\n",
  "  num epochs / epoch数: 3\n",
  "\rsteps:   0%|          | 0/18 [00:00<?, ?it/s]INFO:musubi_tuner.training.trainer_base:DiT dtype: torch.float32, device: cpu\n",
  "\n",
  "epoch 1/3\n",
  "INFO:musubi_tuner.dataset.cache_io:epoch is incremented. current_epoch: 0, epoch: 1\n",
  "\rsteps:   0%|          | 0/18 [00:00<?, ?it/s]",
  "\rsteps:   6%|▌         | 1/18 [00:00<00:00, 2162.01it/s]",
  "\rsteps:   6%|▌         | 1/18 [00:00<00:00, 1890.18it/s, avr_loss=1.27]",
  "\rsteps:  11%|█         | 2/18 [00:02<00:41,  2.59s/it, avr_loss=1.27]",
  "\rsteps:  11%|█         | 2/18 [00:02<00:41,  2.60s/it, avr_loss=1.25]",
  "\rsteps:  22%|██▏       | 4/18 [00:00<00:00, 4.00it/s, avr_loss=1.25]",
  "\n",
  "saving checkpoint: out/fox-step00000005.safetensors\n",
  "INFO:musubi_tuner.utils.train_utils:saving state at step 5\n",
  "INFO:accelerate.accelerator:Saving current state to out/fox-step00000005-state\n",
  "INFO:accelerate.checkpointing:Model weights saved in out/fox-step00000005-state/model.safetensors\n",
  "INFO:accelerate.checkpointing:Random states saved in out/fox-step00000005-state/random_states_0.pkl\n",
  "\rsteps:  28%|██▊       | 5/18 [00:00<00:00, 51.12it/s, avr_loss=1.25]",
  "\rsteps:  33%|███▎      | 6/18 [00:00<00:00, 53.45it/s, avr_loss=1.24]\n",
  "saving checkpoint: out/fox-000001.safetensors\n",
  "INFO:musubi_tuner.utils.train_utils:\n",
  "INFO:accelerate.accelerator:Saving current state to out/fox-000001-state\n",
  "INFO:accelerate.checkpointing:Random states saved in out/fox-000001-state/random_states_0.pkl\n",
  "\n",
  "epoch 2/3\n",
  "\rsteps:  67%|██████▋   | 12/18 [00:00<00:00, 52.49it/s, avr_loss=nan]\n",
  "saving checkpoint: out/fox-000002.safetensors\n",
  "removing old checkpoint: out/fox-000001.safetensors\n",
  "INFO:musubi_tuner.utils.train_utils:removing old state: out/fox-000001-state\n",
  "\n",
  "epoch 3/3\n",
  "\rsteps: 100%|██████████| 18/18 [00:00<00:00, 50.03it/s, avr_loss=1.27]",
  "INFO:accelerate.accelerator:Saving current state to out/fox-state\n",
  "INFO:accelerate.checkpointing:Random states saved in out/fox-state/random_states_0.pkl\n",
  "\n",
  "saving checkpoint: out/fox.safetensors\n",
  "INFO:musubi_tuner.training.trainer_base:model saved.\n",
  "\rsteps: 100%|██████████| 18/18 [00:00<00:00, 50.03it/s, avr_loss=1.27]\n",
].join("");

function newLog(wholeBytesOf: (file: string) => number | undefined = () => 30_616) {
  return readMusubiLog({ outputName: "fox", totalEpochs: 3, stepsPerEpoch: 6, wholeBytesOf, now: () => 1 });
}

function readAll(text: string): readonly TrainerEvent[] {
  const log = newLog();
  return [...text.split(/[\r\n]/).flatMap((line) => log.accept(line)), ...log.end()];
}

const told = (events: readonly TrainerEvent[]) => events.map(({ v: _v, t: _t, ...event }) => event);

describe("the log of Musubi Tuner", () => {
  test("is read as the events that a backend would write", () => {
    expect(told(readAll(LOG))).toEqual([
      { type: "step", step: 1, epoch: 1, loss: 1.27 },
      { type: "step", step: 2, epoch: 1, loss: 1.25, seconds: 2.59 },
      { type: "step", step: 4, epoch: 1, loss: 1.25, seconds: 0.25 },
      { type: "checkpoint", file: "out/fox-step00000005.safetensors", epoch: 1, step: 5, bytes: 30_616 },
      { type: "state", dir: "out/fox-step00000005-state", done_epochs: 0, done_steps: 5 },
      { type: "step", step: 5, epoch: 1, loss: 1.25, seconds: expect.closeTo(1 / 51.12) },
      { type: "step", step: 6, epoch: 1, loss: 1.24, seconds: expect.closeTo(1 / 53.45) },
      { type: "checkpoint", file: "out/fox-000001.safetensors", epoch: 1, step: 6, bytes: 30_616 },
      { type: "state", dir: "out/fox-000001-state", done_epochs: 1, done_steps: 6 },
      { type: "epoch", epoch: 1, loss: 1.24 },
      { type: "step", step: 12, epoch: 2, loss: null, seconds: expect.closeTo(1 / 52.49) },
      { type: "checkpoint", file: "out/fox-000002.safetensors", epoch: 2, step: 12, bytes: 30_616 },
      { type: "removed", file: "out/fox-000001.safetensors" },
      { type: "removed", file: "out/fox-000001-state" },
      { type: "epoch", epoch: 2, loss: null },
      { type: "step", step: 18, epoch: 3, loss: 1.27, seconds: expect.closeTo(1 / 50.03) },
      { type: "state", dir: "out/fox-state", done_epochs: 3, done_steps: 18 },
      { type: "checkpoint", file: "out/fox.safetensors", epoch: 3, step: 18, bytes: 30_616 },
      { type: "epoch", epoch: 3, loss: 1.27 },
      { type: "finished" },
    ]);
  });

  test("gives a step the loss that is drawn after the step was counted", () => {
    const log = newLog();
    const draw = (step: number, loss: string) =>
      told(log.accept(`steps:  6%|▌         | ${step}/18 [00:30<08:30, 30.00s/it, avr_loss=${loss}]`));
    const step = (number: number, loss: number) => ({ type: "step", step: number, epoch: 0, loss, seconds: 30 });
    expect(draw(2, "1.27")).toEqual([step(2, 1.27)]);
    expect(draw(3, "1.27")).toEqual([]);
    expect(draw(3, "1.25")).toEqual([step(3, 1.25)]);
    // Gradient accumulation: the batches of the next step.
    expect(draw(3, "1.21")).toEqual([]);
    expect(draw(4, "1.21")).toEqual([]);
    expect(draw(4, "1.21")).toEqual([step(4, 1.21)]);
    expect(draw(5, "1.21")).toEqual([]);
    expect(draw(6, "1.2")).toEqual([step(5, 1.21), step(6, 1.2)]);
    expect(draw(7, "1.2")).toEqual([]);
    expect(told(log.accept("INFO: something else"))).toEqual([step(7, 1.2)]);
    expect(draw(8, "1.2")).toEqual([]);
    expect(told(log.end())).toEqual([step(8, 1.2)]);
  });

  test("tells of a checkpoint only when it is saved: the trainer announces it before", () => {
    const log = newLog();
    expect(log.accept("saving checkpoint: out/fox-000001.safetensors")).toEqual([]);
    expect(log.accept("")).toEqual([]);
    expect(log.accept("epoch 2/3").map(({ type }) => type)).toContain("checkpoint");
  });

  test("tells of no checkpoint that is not whole: a word may come while it is saved, or because it can't be", () => {
    let bytes: number | undefined;
    const log = newLog(() => bytes);
    expect(log.accept("saving checkpoint: out/fox-000001.safetensors")).toEqual([]);
    expect(log.accept("UserWarning: a worker's word")).toEqual([]);
    bytes = 30_616;
    expect(told(log.accept("another word"))).toMatchObject([{ type: "checkpoint", bytes }]);
    bytes = undefined;
    expect(log.accept("saving checkpoint: out/fox-000002.safetensors")).toEqual([]);
    expect(log.accept("OSError: [Errno 28] No space left on device")).toEqual([]);
    expect(log.end()).toEqual([]);
  });

  test("tells of no checkpoint that was announced last by a trainer that is dead", () => {
    const log = newLog();
    log.accept("saving checkpoint: out/fox-000001.safetensors");
    expect(log.end()).toEqual([]);
  });

  test("read again gives what was not taken up before, though files are gone since", () => {
    const first = readAll(LOG).slice(0, 9);
    const gone = new Set(["out/fox-step00000005.safetensors", "out/fox-000001.safetensors"]);
    const again = newLog((file) => (gone.has(file) ? undefined : 30_616));
    const events = [...LOG.split(/[\r\n]/).flatMap((line) => again.accept(line)), ...again.end()];
    expect(told(onlyNew(first)(events))).toEqual(told(readAll(LOG)).slice(9));
  });

  test("does not take a log that breaks off for a finished one", () => {
    const half = LOG.slice(0, LOG.indexOf("saving checkpoint: out/fox.safetensors"));
    expect(readAll(half).map(({ type }) => type)).not.toContain("finished");
    expect(told(readAll(half)).at(-1)).toMatchObject({ type: "state", dir: "out/fox-state" });
  });

  test("gives a longer log the events of the shorter one first, so that reading can be taken up again", () => {
    const lines = LOG.split(/[\r\n]/);
    const whole = told(readAll(LOG));
    for (let length = 0; length < lines.length; length += 1) {
      const log = newLog();
      const events = told(lines.slice(0, length).flatMap((line) => log.accept(line)));
      expect(whole.slice(0, events.length)).toEqual(events);
    }
  });

  test("knows when the GPU's memory was not enough, once", () => {
    const log = newLog();
    const line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB.";
    expect(told(log.accept(line))).toEqual([{ type: "oom" }]);
    expect(log.accept(line)).toEqual([]);
  });
});
