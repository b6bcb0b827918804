import { expect, test } from "vitest";
import type { VerifiedFile, VerifyFinding } from "../../../src/core/provenance/verification.ts";
import { viewVerification } from "../../../src/views/human/verification.ts";

const bytes = (text: string, verdict: VerifyFinding["verdict"] = "proved"): VerifyFinding => ({
  about: "bytes",
  verdict,
  text,
});
const COMMIT: VerifyFinding = {
  about: "commit",
  verdict: "proved",
  text: "Commit 1a2b3c4d5e6f is in this repository.",
};

const view = (files: readonly VerifiedFile[], proved: boolean, width = 60) =>
  viewVerification({ format_version: "1.0", proved, files: [...files] }, { colour: false, width });

test("says of several files once what holds of all of them, and fits into the terminal", () => {
  const files = [
    {
      file: "out/fox-000001.safetensors",
      findings: [bytes("Its bytes are those that run 1 wrote: train, epoch 1, step 24."), COMMIT],
    },
    {
      file: "out/fox.safetensors",
      findings: [bytes("There is no file out/fox.safetensors that can be read.", "unknown"), COMMIT],
    },
  ];
  expect(view(files, false)).toBe(`out/fox-000001.safetensors
  proved    Its bytes are those that run 1 wrote: train,
            epoch 1, step 24.

out/fox.safetensors
  unproved  There is no file out/fox.safetensors that can be
            read.

All 2 files
  proved    Commit 1a2b3c4d5e6f is in this repository.

Not all of it is proved.
`);
});

test("says of one file all that is found of it", () => {
  expect(view([{ file: "fox.safetensors", findings: [COMMIT] }], true)).toBe(`fox.safetensors
  proved    Commit 1a2b3c4d5e6f is in this repository.

All of it is proved.
`);
});
