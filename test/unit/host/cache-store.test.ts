import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { putIntoStore, takeFromStore } from "../../../src/host/cache-store.ts";

/** A whole file in safetensors, of one tensor with these bytes. */
function cacheOf(bytes: string, caption = "a fox"): Buffer {
  const tensor = { dtype: "U8", shape: [bytes.length], data_offsets: [0, bytes.length] };
  const header = Buffer.from(JSON.stringify({ __metadata__: { caption1: caption }, a: tensor }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.from(bytes)]);
}

async function makeFolder() {
  const folder = await mkdtemp(join(tmpdir(), "wan22-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const write = async (name: string, content: Buffer) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  return { write, stored: join(folder, "store", "1_wan_te.safetensors"), taken: join(folder, "owl", "taken") };
}

const inodeOf = async (file: string) => (await stat(file)).ino;

describe("the store", () => {
  test("has another name of the pipeline's own file, which nobody writes to any more", async () => {
    const { write, stored, taken } = await makeFolder();
    const own = await write("own", cacheOf("1234"));
    await putIntoStore(own, stored, { existing: "keep" });
    expect(await takeFromStore(stored, taken)).toBe("linked");
    expect([await inodeOf(stored), await inodeOf(taken)]).toEqual([await inodeOf(own), await inodeOf(own)]);
    expect((await stat(taken)).mode & 0o777).toBe(0o444);
  });

  test("keeps what is whole there, and replaces what is damaged, was made by another trainer, or is asked for anew", async () => {
    const { write, stored } = await makeFolder();
    const first = await write("first", cacheOf("1234"));
    await putIntoStore(first, stored, { existing: "keep" });
    await putIntoStore(await write("second", cacheOf("5678")), stored, { existing: "keep" });
    expect(await inodeOf(stored)).toBe(await inodeOf(first));
    await putIntoStore(await write("third", cacheOf("5678")), stored, { existing: "replace" });
    expect(await readFile(stored)).toEqual(cacheOf("5678"));
    await putIntoStore(await write("fourth", cacheOf("abcd", "another")), stored, { existing: "keep" });
    expect(await readFile(stored)).toEqual(cacheOf("abcd", "another"));
    await rm(stored);
    await writeFile(stored, cacheOf("abcd").subarray(0, 20));
    await putIntoStore(first, stored, { existing: "keep" });
    expect(await readFile(stored)).toEqual(cacheOf("1234"));
  });

  test("says of what has gone from it that it has", async () => {
    const { stored, taken } = await makeFolder();
    expect(await takeFromStore(stored, taken)).toBe("gone");
  });
});
