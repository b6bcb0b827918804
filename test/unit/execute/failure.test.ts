import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainFailure, type Failure } from "../../../src/execute/stage/failure.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-failure-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function explain(log: string, failure: Partial<Failure> = {}) {
  const logFile = join(folder, "train.log");
  await writeFile(logFile, log);
  return explainFailure({
    stage: "train",
    end: { exitCode: 1, signal: null },
    event: undefined,
    logFile,
    shownLog: ".wan22/runs/R/train.log",
    memoryKills: "none",
    whatFollows: undefined,
    keepLess: [],
    room: async () => "3 MB were still to come in out, and 16 kB are free on the disk at /mnt",
    remediesFor: async (problem) => ({
      lines: [`# for ${problem}`, "train:", "  blocks_to_swap: 20"],
      usedUp: undefined,
    }),
    ...failure,
  });
}

describe("the reason of a failure", () => {
  test.each([
    [
      "A15",
      "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB. GPU 0 has a total capacity of 23.68 GiB",
    ],
    ["A15", "torch.cuda.OutOfMemoryError: CUDA out of memory."],
    [
      "A16",
      "RuntimeError: [enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 55050240 bytes.",
    ],
    ["A16", "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed."],
    ["A17", "OSError: [Errno 28] No space left on device: 'out/fox.safetensors'"],
    ["A17", "RuntimeError: [enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/1"],
    ["A31", "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"],
    ["A31", "AssertionError: Torch not compiled with CUDA enabled"],
    ["A31", "RuntimeError: CUDA error: no kernel image is available for execution on the device"],
    ["A31", "OSError: libcudart.so.12: cannot open shared object file: No such file or directory"],
    ["A15", "RuntimeError: CUDA error: out of memory"],
    ["A18", "PermissionError: [Errno 13] Permission denied: 'out/fox.safetensors'"],
    ["A24", "ModuleNotFoundError: No module named 'bitsandbytes'"],
    ["A25", "RuntimeError: Error(s) in loading state_dict for WanModel:\n\tsize mismatch for patch_embedding.weight"],
    ["A26", "ValueError: No training items found in the dataset."],
    ["A26", "FileNotFoundError: No such file or directory: '.wan22/cache/fox/a_wan_te.safetensors'"],
    ["A14", "AssertionError: something of its own"],
  ])("%s is seen in: %s", async (code, line) => {
    const { code: found, detail } = await explain(`loading\nTraceback (most recent call last):\n${line}\n`);
    expect(found).toBe(code);
    expect(detail).toContain(line.split("\n")[0]);
    expect(detail).toContain("The whole log: .wan22/runs/R/train.log");
  });

  test("is the Python that a shim did not find", async () => {
    const { code, detail } = await explain("pyenv: python3.9: command not found\n", {
      end: { exitCode: 127, signal: null },
    });
    expect([code, detail]).toEqual(["A11", expect.stringContaining("name the one to use under `trainer.python`")]);
    expect(detail).toContain("pyenv: python3.9: command not found");
  });

  test("says what is kept, and what applying again does with it", async () => {
    const whatFollows = "its training state of step 8 is kept, and applying again goes on from there";
    expect((await explain("AssertionError: a", { whatFollows })).detail).toContain(
      "and apply again. Its training state of step 8 is kept, and applying again goes on from there.\n\nIts last lines:",
    );
  });

  test("is the host's memory where the kernel killed for want of it", async () => {
    const end = { exitCode: null, signal: "SIGKILL" };
    expect((await explain("steps: 1/4", { end, memoryKills: "seen" })).code).toBe("A16");
    expect(await explain("steps: 1/4", { end })).toMatchObject({
      code: "A14",
      detail: expect.stringContaining("somebody, or the system, killed it"),
    });
    expect((await explain("steps: 1/4", { end: { exitCode: null, signal: "SIGSEGV" } })).code).toBe("A14");
  });

  test("comes with the remedies of this pipeline where memory ran out or weights were ruined, each kind with its own", async () => {
    expect((await explain("CUDA out of memory")).detail).toContain(
      "  # for out-of-memory\n  train:\n    blocks_to_swap: 20",
    );
    expect((await explain("MemoryError")).detail).toContain("# for host-memory");
    expect((await explain("ValueError: no")).detail).not.toContain("blocks_to_swap");
    const event = { v: 1, t: 0, type: "failed", reason: "nan-loss", message: "The weights are not numbers" } as const;
    const ruined = await explain("", { event });
    expect([ruined.code, ruined.detail]).toEqual(["A28", expect.stringContaining("# for unstable")]);
  });

  test("is what the trainer itself says, where it says something", async () => {
    const event = {
      v: 1,
      t: 0,
      type: "failed",
      reason: "disk-full",
      message: "No space left on device (out)",
    } as const;
    const { code, detail } = await explain("", { event });
    expect([code, detail.split(" Make room")[0]]).toEqual([
      "A17",
      "train failed: No space left on device (out). 3 MB were still to come in out, and 16 kB are free on the disk at /mnt.",
    ]);
  });

  test("shows the last lines of a log as a terminal leaves them, and no more than a dozen", async () => {
    const bar = Array.from({ length: 500 }, (_, step) => `\rsteps: ${step}/500`).join("");
    const { detail } = await explain(`${"old line\n".repeat(40)}${bar}\nKeyError: 'x'\n`);
    expect(detail).toContain("  steps: 499/500\n  KeyError: 'x'\n");
    expect(detail).not.toContain("498/500");
    expect(detail.match(/old line/g)).toHaveLength(10);
  });

  test("is lost where neither an exit code nor a word is left", async () => {
    expect((await explain("steps: 1/4", { end: undefined })).code).toBe("A23");
  });
});

test("where every remedy is taken, that is said in place of sending to them again", async () => {
  const usedUp =
    "Every remedy of the manual against it is taken in this pipeline. What is left is a card with more memory.";
  const { detail } = await explain("torch.OutOfMemoryError: CUDA out of memory.", {
    remediesFor: async () => ({ lines: [], usedUp }),
  });
  expect(detail).toContain(usedUp);
  expect(detail).not.toContain("Follow the remedies");
});
