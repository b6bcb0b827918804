import type { DiagnosticKind } from "../diagnostic.ts";

/** What can be wrong with a lock file, or between it and what is there. */
export const LOCK_CODES = {
  drift: {
    code: "L1",
    severity: "warning",
    summary: "What is here differs from the lock",
    why: "A plan that is made from the lock elsewhere, and was reviewed there, would be another one than is made here.",
    mend: "Put back what was changed by mistake. If the change is meant: `wan22 lock`, and commit the lock; or `wan22 apply --update-lock`.",
    example: "wan22 lock pipelines/fox.yaml\n# the caption data/fox/01.txt is edited\nwan22 apply pipelines/fox.yaml",
  },
  damaged: {
    code: "L2",
    severity: "error",
    summary: "The lock file is damaged",
    why: "What it says of data and models can't be relied on: it was cut short, edited, or merged with conflicts.",
    mend: "Take it from Git again, or write it anew where data and models are: `wan22 lock`.",
    example: "truncate -s 1000 pipelines/fox.lock.json; wan22 plan pipelines/fox.yaml",
  },
  newer: {
    code: "L3",
    severity: "error",
    summary: "The lock file was written by a newer wan22",
    why: "A newer version may lock what this one does not know; a plan made from half of it would be another one.",
    mend: "Update wan22 on this machine. The file is left as it is.",
    example: 'pipelines/fox.lock.json:\n{"format": "wan22-lock", "version": 99, …}',
  },
  foreign: {
    code: "L4",
    severity: "error",
    summary: "The file in the lock's place is not this pipeline's lock",
    why: "A plan would be made from another pipeline's data, or a file that is no lock would be overwritten.",
    mend: "Remove it, or give it its own pipeline's name; then `wan22 lock` writes this one's.",
    example: "cp pipelines/fox.lock.json pipelines/dog.lock.json; wan22 plan pipelines/dog.yaml",
  },
  tooOld: {
    code: "L5",
    severity: "error",
    summary: "The lock file does not fit the pipeline any more",
    why: "The pipeline names what is neither on this machine nor in its lock: it was changed after it was locked.",
    mend: "Run `wan22 lock` where data and models are, and commit the lock.",
    example:
      "# pipelines/fox.yaml names another folder than was locked, and this machine has neither\nwan22 plan pipelines/fox.yaml",
  },
  none: {
    code: "L6",
    severity: "error",
    summary: "There is no lock file",
    why: "Without one there is nothing to compare with.",
    mend: "Write it where data and models are: `wan22 lock`.",
    example: "wan22 lock --check pipelines/fox.yaml   # while there is no pipelines/fox.lock.json",
  },
  unreadable: {
    code: "L7",
    severity: "error",
    summary: "The lock file can't be read",
    why: "Whether what is here is what was locked can't be said.",
    mend: "Give yourself the right to read it, or remove what lies in its place.",
    example: "chmod 000 pipelines/fox.lock.json; wan22 plan pipelines/fox.yaml",
  },
} as const satisfies Record<string, DiagnosticKind>;
