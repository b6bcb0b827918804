import { createHash } from "node:crypto";
import { open, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { observeModels } from "../../../src/host/models.ts";
import { openStatCache } from "../../../src/host/stat-cache.ts";
import { folderWith, located, safetensors } from "./samples.ts";

const sha256 = (...parts: readonly (string | Uint8Array)[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

const DIT = safetensors({ "blocks.0.cross_attn.k.weight": { dtype: "F16", shape: [2, 2], bytes: 8 } });

const PYTORCH = "PK\u0003\u0004 weights";

describe("observeModels", () => {
  it("reads dtypes and shapes of safetensors, and only the bytes of anything else", async () => {
    const root = await folderWith({ "models/dit.safetensors": DIT, "models/t5.pth": PYTORCH });
    const models = { dit: located("models/dit.safetensors"), t5: located(join(root, "models/t5.pth")) };
    expect(await observeModels(models, { root })).toEqual({
      dit: {
        file: "models/dit.safetensors",
        bytes: DIT.length,
        format: "safetensors",
        tensors: { "blocks.0.cross_attn.k.weight": { dtype: "F16", shape: [2, 2] } },
        headerSha256: sha256(DIT.subarray(8, -8)),
        blocksSha256: sha256(DIT),
      },
      t5: { file: join(root, "models/t5.pth"), bytes: PYTORCH.length, format: "other", blocksSha256: sha256(PYTORCH) },
    });
  });

  it("leaves a model out whose path has an unset variable, or that isn't named", async () => {
    const root = await folderWith();
    const unset = "$" + "{MODELS}/dit.safetensors";
    expect(await observeModels({ dit: located(unset, ["MODELS"]) }, { root })).toEqual({});
  });

  it.each([
    ["missing", {}, { kind: "missing" }],
    ["empty", { "vae.safetensors": "" }, { kind: "empty" }],
    [
      "cut short",
      { "vae.safetensors": DIT.subarray(0, -3) },
      { text: "it ends 3 bytes too early, as after a download that broke off" },
    ],
    [
      "a web page",
      { "vae.safetensors": "<!DOCTYPE html><html></html>" },
      { text: expect.stringContaining("not a safetensors file") },
    ],
    ["a folder", { "vae.safetensors/readme": "" }, { text: "it is a folder, not a file" }],
  ])("says what is wrong with a file that is %s", async (_, files: Record<string, string | Uint8Array>, problem) => {
    const root = await folderWith(files);
    const { vae } = await observeModels({ vae: located("vae.safetensors") }, { root });
    expect(vae).toMatchObject({ file: "vae.safetensors", problem });
  });

  it.each([
    ["PyTorch's zip archive", PYTORCH, undefined],
    ["PyTorch's pickle of old", Buffer.from([0x80, 0x02, 0x8a]), undefined],
    [
      "a pointer of Git LFS",
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
      "`git lfs pull` fetches it",
    ],
    ["a web page", "<!DOCTYPE html>", "it is no PyTorch file"],
    ["a short note", "x", "it is no PyTorch file"],
    ["a safetensors file", DIT, "give it a name that ends with .safetensors"],
  ])("looks whether a .pth can be one: %s", async (_, content, says) => {
    const root = await folderWith({ "t5.pth": content });
    const { t5 } = await observeModels({ t5: located("t5.pth") }, { root });
    expect(t5?.problem?.text).toEqual(says === undefined ? undefined : expect.stringContaining(says));
  });

  it("tells a pointer of Git LFS also by another name", async () => {
    const root = await folderWith({ "dit.safetensors": "version https://git-lfs.github.com/spec/v1\n" });
    const { dit } = await observeModels({ dit: located("dit.safetensors") }, { root });
    expect(dit?.problem?.text).toContain("it is Git LFS's pointer");
  });

  it("identifies a large file by 64 blocks of 64 KiB, from its first byte to its last", async () => {
    const root = await folderWith();
    const bytes = 9_000_001;
    const content = Buffer.alloc(bytes);
    for (let index = 0; index < bytes; index += 997) content[index] = index % 251;
    await writeFile(join(root, "t5.pth"), content);
    const blocks = Array.from({ length: 64 }, (_, index) => {
      const start = Math.floor((index * (bytes - 65_536)) / 63);
      return content.subarray(start, start + 65_536);
    });
    const { t5 } = await observeModels({ t5: located("t5.pth") }, { root });
    expect(t5?.blocksSha256).toBe(sha256(...blocks));
  });

  it("takes a few MiB of a file of any size", async () => {
    const root = await folderWith({ "t5.pth": PYTORCH });
    await truncate(join(root, "t5.pth"), 60 * 2 ** 30);
    const { t5 } = await observeModels({ t5: located("t5.pth") }, { root });
    expect(t5).toMatchObject({ bytes: 60 * 2 ** 30, format: "other" });
  });

  it("sees other weights behind the same header, size and time", async () => {
    const root = await folderWith({ "dit.safetensors": DIT });
    const file = join(root, "dit.safetensors");
    const before = await observeModels({ dit: located("dit.safetensors") }, { root });
    const { atime, mtime } = await stat(file);
    const handle = await open(file, "r+");
    await handle.write("x", DIT.length - 1);
    await handle.close();
    await utimes(file, atime, mtime);
    const after = await observeModels({ dit: located("dit.safetensors") }, { root });
    expect(after.dit?.headerSha256).toBe(before.dit?.headerSha256);
    expect(after.dit?.blocksSha256).not.toBe(before.dit?.blocksSha256);
  });

  it("joins a DiT in parts, as the trainer does, and names a part that is missing", async () => {
    const second = safetensors({ "head.weight": { dtype: "F16", shape: [1], bytes: 2 } });
    const names = ["dit-00001-of-00002.safetensors", "dit-00002-of-00002.safetensors"] as const;
    const root = await folderWith({ [names[0]]: DIT, [names[1]]: second });
    const { dit } = await observeModels({ dit: located(names[1]) }, { root });
    expect(Object.keys(dit?.tensors ?? {})).toEqual(["blocks.0.cross_attn.k.weight", "head.weight"]);
    expect(dit?.bytes).toBe(DIT.length + second.length);

    const alone = await folderWith({ [names[0]]: DIT });
    expect((await observeModels({ dit: located(names[0]) }, { root: alone })).dit?.problem).toEqual({
      kind: "missing",
      text: `its part ${names[1]}: there is no such file`,
    });
  });

  it("asks the stat cache first, and reads again when the file has changed", async () => {
    const root = await folderWith({ "dit.safetensors": DIT });
    const later = () => Date.now() + 60_000;
    const models = { dit: located("dit.safetensors") };
    const first = openStatCache(join(root, "index.json"), { now: later });
    const read = await observeModels(models, { root, statCache: first });
    await first.save();
    const second = openStatCache(join(root, "index.json"), { now: later });
    expect(await second.lookup("model-2", join(root, "dit.safetensors"))).toHaveProperty("value");
    expect(await observeModels(models, { root, statCache: second })).toEqual(read);

    await writeFile(join(root, "dit.safetensors"), DIT.subarray(0, -1));
    const third = openStatCache(join(root, "index.json"), { now: later });
    expect((await observeModels(models, { root, statCache: third })).dit?.problem).toBeDefined();
  });
});
