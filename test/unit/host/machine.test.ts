import { hostname, totalmem } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { observeDriver, observeGpus, parseGpus } from "../../../src/host/gpu.ts";
import { freeBytes, observeMachine } from "../../../src/host/machine.ts";
import { findExecutable } from "../../../src/host/trainer/executable.ts";
import { folderWith, writeInto } from "./samples.ts";

describe("observeMachine", () => {
  it("gives the host, the same boot id every time, and no more memory than there is", () => {
    const machine = observeMachine();
    expect(machine.hostname).toBe(hostname());
    expect(machine.bootId).toMatch(/\S/);
    expect(observeMachine().bootId).toBe(machine.bootId);
    expect(machine.ramGiB).toBeGreaterThan(0);
    expect(machine.ramGiB).toBeLessThanOrEqual(Math.ceil(totalmem() / 2 ** 30));
  });
});

describe("freeBytes", () => {
  it("asks the disk that a folder would be on, where it doesn't exist yet", async () => {
    const folder = await folderWith({ file: "" });
    const there = await freeBytes(folder);
    expect(there).toBeGreaterThan(0);
    expect(await freeBytes(join(folder, "not", "yet"))).toBeGreaterThan(0);
    expect(await freeBytes(join(folder, "file", "below"))).toBeGreaterThan(0);
  });
});

describe("observeGpus", () => {
  /** A driver's command for this test: a real program that answers what it is told to. */
  async function command(script: string): Promise<string> {
    return writeInto(await folderWith(), "nvidia-smi", `#!/bin/sh\n${script}\n`, 0o755);
  }

  it("reads name and memory of every card, in GiB to one place", () => {
    const answer =
      "0, NVIDIA GeForce RTX 4090, 24564\n1, NVIDIA H100 80GB HBM3, 81559\n2, NVIDIA GeForce RTX 4080, 16376\n";
    expect(parseGpus(answer)).toEqual([
      { index: 0, name: "NVIDIA GeForce RTX 4090", vramGiB: 24 },
      { index: 1, name: "NVIDIA H100 80GB HBM3", vramGiB: 79.6 },
      { index: 2, name: "NVIDIA GeForce RTX 4080", vramGiB: 16 },
    ]);
  });

  it("keeps a comma in a name, and leaves out cards without memory of their own and lines of another form", () => {
    expect(parseGpus("0, Card, Special, 8192\r\n1, NVIDIA GB10, [N/A]\nNo devices were found\n\n")).toEqual([
      { index: 0, name: "Card, Special", vramGiB: 8 },
    ]);
  });

  it("asks the command, found by name on the search path", async () => {
    const path = await command('test "$2" = "--format=csv,noheader,nounits" && echo "0, NVIDIA A100-SXM4-80GB, 81920"');
    const found = await findExecutable("nvidia-smi", { path: join(path, "..") });
    expect(found).toBe(path);
    expect(await gpusOf(path)).toEqual([{ index: 0, name: "NVIDIA A100-SXM4-80GB", vramGiB: 80 }]);
  });

  it("finds none where there is no command, where it fails, and where it hangs", async () => {
    expect(await observeGpus({ command: "wan22-no-such-command" })).toEqual([]);
    expect(await gpusOf(await command("echo '0, Card, 8192'; exit 9"))).toEqual([]);
    expect(await gpusOf(await command("sleep 5 & wait"), 200)).toEqual([]);
  });

  it("reads the driver's version, which is the same for every card", async () => {
    const path = await command(`[ "$1" = --query-gpu=driver_version ] && printf '570.124.06\\n570.124.06\\n'`);
    expect(await asking(path, () => observeDriver())).toBe("570.124.06");
    expect(await asking(await command("echo 'No devices were found'"), () => observeDriver())).toBeUndefined();
  });

  const gpusOf = (path: string, timeoutMs = 5_000) => asking(path, () => observeGpus({ timeoutMs }));

  async function asking<Answer>(path: string, ask: () => Promise<Answer>): Promise<Answer> {
    const before = process.env.PATH;
    process.env.PATH = `${join(path, "..")}:${before}`;
    try {
      return await ask();
    } finally {
      process.env.PATH = before;
    }
  }
});

describe("findExecutable", () => {
  it("passes by folders, files that can't be run, and folders that don't exist", async () => {
    const folder = await folderWith({ "a/tool/inside": "", "b/tool": "no program" });
    const program = await writeInto(folder, "c/tool", "#!/bin/sh\n", 0o755);
    const path = ["none", "a", "b", "c"].map((name) => join(folder, name)).join(":");
    expect(await findExecutable("tool", { path })).toBe(program);
    expect(await findExecutable("other", { path })).toBeUndefined();
    expect(await findExecutable("tool", { path: undefined })).toBeUndefined();
  });

  it("tries the endings that Windows runs", async () => {
    const folder = await folderWith();
    const program = await writeInto(folder, "tool.EXE", "", 0o755);
    expect(await findExecutable("tool", { path: folder, endings: ".COM;.EXE" })).toBe(program);
  });
});
