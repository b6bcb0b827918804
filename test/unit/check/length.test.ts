import { expect, test } from "vitest";
import { codes, findings } from "./judge.ts";

const train = (...lines: readonly string[]) => `train:\n${lines.map((line) => `  ${line}`).join("\n")}`;

test("A run that saves more files than a plan can list is refused, and says what to raise", () => {
  const lines = ["max_train_epochs: 1000000000", "save_every_n_epochs: 1"];
  const [finding] = findings({ pipeline: [train(...lines)] }).filter(({ code }) => code === "T39");
  expect(finding?.detail).toContain("1,999,999,998 checkpoints and training states would be saved");
  expect(finding?.detail).toContain("Raise `save_every_n_epochs`");
});

test("So is one that saves after every step of many", () => {
  const lines = ["max_train_epochs: 2000", "save_every_n_epochs: 500", "save_every_n_steps: 1", "save_state: false"];
  expect(codes({ pipeline: [train(...lines)] })).toContain("T39");
});

test("As many epochs as anybody likes are taken where few of them are saved", () => {
  const lines = ["max_train_epochs: 1000000000", "save_every_n_epochs: 100000000"];
  expect(codes({ pipeline: [train(...lines)] })).toEqual([]);
});

test("A hundred thousand saves are taken", () => {
  const lines = ["max_train_epochs: 50001", "save_every_n_epochs: 1"];
  expect(codes({ pipeline: [train(...lines)] })).toEqual([]);
});

test("An epoch that no computer could list is refused", () => {
  const repeated = (times: string) =>
    codes({
      pipeline: [
        `dataset:\n  resolution: 1280x720\n  num_repeats: ${times}\n  sources:\n    - videos: data/fox\n      target_frames: [25]`,
      ],
    });
  expect(repeated("1000000000000000")).toContain("T40");
  expect(repeated("10000000")).not.toContain("T40");
});

test("Steps that cannot be counted exactly are refused", () => {
  const lines = ["max_train_epochs: 9007199254740991", "save_every_n_epochs: 9007199254740991"];
  expect(codes({ pipeline: [train(...lines)] })).toContain("T40");
});
