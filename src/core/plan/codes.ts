import type { DiagnosticKind } from "../diagnostic.ts";

/** What planning itself finds: what is there against what is wanted. P1 to P3 are the state file's. */
export const PLAN_CODES = {
  runningSomethingElse: {
    code: "P4",
    severity: "error",
    summary: "A trainer is running on something else",
    why: "It trains what the pipeline said when it was started; a second one beside it would write over its files.",
    mend: "Stop it first (`wan22 stop NAME`), or undo the change and let it finish.",
    example: "# learning_rate was edited while `wan22 apply fox.yaml` trains\ntrain: { learning_rate: 1e-4 }",
  },
  resumeNotYet: {
    code: "P5",
    severity: "error",
    summary: "An exact resume of Musubi is not possible yet",
    why: "The trainer's own `--resume` starts again at epoch 0 with the restored weights: it trains every epoch twice and overwrites the checkpoints that exist.",
    mend: "Start over with everything archived: `wan22 apply --replace train FILE`. Nothing is deleted.",
    example: "# trainer.backend is musubi, and training was stopped after epoch 3 of 16",
  },
  fewerEpochs: {
    code: "P6",
    severity: "warning",
    summary: "More epochs were trained than are wanted now",
    why: "Finished work is not undone: the checkpoints of the later epochs stay.",
    mend: "Use the checkpoint of the epoch you want, or start over with `wan22 apply --replace train FILE`.",
    example: "train: { max_train_epochs: 8 } # 16 are finished",
  },
  filesGone: {
    code: "P7",
    severity: "warning",
    summary: "Files of a finished training are gone",
    why: "They were trained and recorded, and something other than wan22 removed them. They are not trained again by themselves.",
    mend: "Bring them back, or train again with `wan22 apply --replace train FILE`.",
    example: "rm output/fox/fox-t2v-000004.safetensors",
  },
  vramTooSmall: {
    code: "P8",
    severity: "warning",
    summary: "The GPU's memory may not be enough",
    why: "By the estimate even the lower end needs more than the card has; the trainer would end with an out-of-memory error.",
    mend: "Raise blocks_to_swap, use fp8_base, fewer frames or a smaller resolution.",
    example:
      "hardware: RTX 4090\ndataset: { resolution: 1280x720, sources: [{ videos: data/fox, target_frames: [81] }] }",
  },
  diskTooSmall: {
    code: "P9",
    severity: "warning",
    summary: "The disk may not have enough room",
    why: "A full disk ends training, and what is being written then is lost.",
    mend: "Make room, keep fewer checkpoints (save_last_n_epochs), or save them in half precision (save_precision: bf16).",
    example: "train: { max_train_epochs: 100, network_dim: 128 } # 250 GB of checkpoints",
  },
  outputMoved: {
    code: "P10",
    severity: "warning",
    summary: "What was trained lies under another name",
    why: "A new output folder or name does not change what was learnt, so nothing is trained again; the finished files stay where they are.",
    mend: "Move or copy the files yourself, or go back to the old name.",
    example: "output: { name: fox-v2 } # trained as fox-v1",
  },
  epochsWhileRunning: {
    code: "P11",
    severity: "warning",
    summary: "The running trainer was started for another number of epochs",
    why: "It ends after the epochs that it was started for.",
    mend: "Let it finish and apply again: more epochs extend it where the schedule allows that.",
    example: "train: { max_train_epochs: 24 } # the running one trains 16",
  },
  otherHost: {
    code: "P12",
    severity: "note",
    summary: "The record was written on another machine",
    why: "Its caches and checkpoints lie on that machine's disk; this plan believes the record instead of looking here.",
    mend: "Apply there; or, to begin here, move the state file away.",
    example: "# planned on a laptop, trained on a GPU server that shares .wan22",
  },
} as const satisfies Record<string, DiagnosticKind>;
