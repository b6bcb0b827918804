import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hashTensors, isWhole, readSafetensorsHeader, wholeBytesOf } from "../../../src/host/safetensors.ts";
import { folderWith, safetensors, withHeader } from "./samples.ts";

const WEIGHT = { dtype: "F16", shape: [4, 2], bytes: 16 };

async function read(content: Uint8Array) {
  return readSafetensorsHeader(join(await folderWith({ "a.safetensors": content }), "a.safetensors"));
}

async function problemOf(content: Uint8Array) {
  const reading = await read(content);
  return reading.kind === "problem" ? reading.problem : "no problem";
}

describe("a safetensors header", () => {
  it("gives dtypes, shapes, metadata and its own digest", async () => {
    const content = safetensors(
      { weight: WEIGHT, bias: { dtype: "F32", shape: [], bytes: 4 } },
      { metadata: { caption1: "ein Fuchs 🦊" } },
    );
    const json = content.subarray(8, content.length - 20);
    expect(await read(content)).toEqual({
      kind: "header",
      header: {
        tensors: { weight: { dtype: "F16", shape: [4, 2] }, bias: { dtype: "F32", shape: [] } },
        metadata: { caption1: "ein Fuchs 🦊" },
        sha256: createHash("sha256").update(json).digest("hex"),
        dataBytes: 20,
        wholeBytes: content.length,
        fileBytes: content.length,
      },
    });
  });

  it.each([
    ["whole, when every promised byte is there", 16, true],
    ["not whole, when one is missing", 15, false],
    ["not whole, when there is one too many", 17, false],
  ])("tells whether the file is %s", async (_, dataBytes, whole) => {
    const reading = await read(safetensors({ weight: WEIGHT }, { dataBytes }));
    expect(reading.kind === "header" && isWhole(reading.header)).toBe(whole);
  });

  it("takes a dtype that it doesn't know at its word", async () => {
    const reading = await read(safetensors({ weight: { dtype: "F2_NEW", shape: [3], bytes: 1 } }));
    expect(reading).toMatchObject({ kind: "header", header: { tensors: { weight: { dtype: "F2_NEW" } } } });
  });

  it("keeps a tensor named __proto__ as a tensor", async () => {
    const json = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    const reading = await read(withHeader(json, 1));
    expect(reading.kind === "header" && Object.keys(reading.header.tensors)).toEqual(["__proto__"]);
  });
});

describe("a file that is no safetensors file", () => {
  it.each([
    ["empty", Buffer.alloc(0), { kind: "empty", text: "the file is empty" }],
    ["shorter than the length itself", Buffer.from("abc"), { text: "it is too short to be a safetensors file" }],
    ["text", Buffer.from("#!/bin/sh\necho hello\n"), { text: expect.stringContaining("header length makes no sense") }],
    [
      "cut in its header",
      safetensors({ weight: WEIGHT }).subarray(0, 30),
      { text: expect.stringContaining("middle of its header") },
    ],
    ["no JSON", withHeader("{nonsense}"), { text: expect.stringContaining("no JSON object") }],
    ["an array", withHeader("[1]"), { text: expect.stringContaining("no JSON object") }],
    ["not UTF-8", withHeader(Buffer.from([0x7b, 0xff, 0x7d])), { text: expect.stringContaining("no JSON object") }],
    ["an empty header", withHeader(""), { text: expect.stringContaining("header is empty") }],
    ["metadata of numbers", withHeader('{"__metadata__":{"a":1}}'), { text: expect.stringContaining("metadata") }],
    [
      "offsets the wrong way round",
      withHeader('{"w":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}'),
      { text: expect.stringContaining('"w"') },
    ],
    [
      "a shape that doesn't fill its range",
      withHeader('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
      { text: expect.stringContaining('"w"') },
    ],
    [
      "a negative side",
      withHeader('{"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', 1),
      { text: expect.stringContaining('"w"') },
    ],
    [
      "a side that isn't a number",
      withHeader('{"w":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}', 1),
      { text: expect.stringContaining('"w"') },
    ],
  ])("is refused: %s", async (_, content, problem) => {
    expect(await problemOf(content)).toMatchObject(problem);
  });

  it("says so of a missing file, a folder, and a pipe that nobody writes to", async () => {
    const folder = await folderWith();
    const pipe = join(folder, "pipe.safetensors");
    execFileSync("mkfifo", [pipe]);
    expect(await readSafetensorsHeader(join(folder, "none"))).toMatchObject({ problem: { kind: "missing" } });
    expect(await readSafetensorsHeader(folder)).toMatchObject({ problem: { text: "it is a folder, not a file" } });
    expect(await readSafetensorsHeader(pipe)).toMatchObject({
      problem: { text: "it is a pipe or a device, not a file" },
    });
  });

  it.skipIf(process.getuid?.() === 0)("says so of a file without permission", async () => {
    const folder = await folderWith({ a: safetensors({ weight: WEIGHT }) });
    await chmod(join(folder, "a"), 0);
    expect(await readSafetensorsHeader(join(folder, "a"))).toMatchObject({
      problem: { kind: "unreadable", text: "you have no permission to read it" },
    });
  });

  it("says at once whether a file is whole, for whoever can't wait", async () => {
    const good = safetensors({ weight: WEIGHT });
    const folder = await folderWith({ whole: good, short: good.subarray(0, -1), long: Buffer.concat([good, good]) });
    const bytes = ["whole", "short", "long", "none", "."].map((name) => wholeBytesOf(join(folder, name)));
    expect(bytes).toEqual([good.length, undefined, undefined, undefined, undefined]);
  });

  it("never throws, whatever byte of a good file is changed", async () => {
    const good = safetensors({ weight: WEIGHT }, { metadata: { a: "b" } });
    const folder = await folderWith();
    const { writeFile } = await import("node:fs/promises");
    for (let index = 0; index < good.length; index += 1) {
      for (const byte of [0x00, 0x22, 0x7d, 0xff]) {
        const mutant = Buffer.from(good);
        mutant[index] = byte;
        await writeFile(join(folder, "m"), mutant);
        const reading = await readSafetensorsHeader(join(folder, "m"));
        expect(["header", "problem"]).toContain(reading.kind);
        const isWholeFile = reading.kind === "header" && isWhole(reading.header);
        expect(wholeBytesOf(join(folder, "m"))).toBe(isWholeFile ? good.length : undefined);
      }
    }
  });
});

it("the digest of tensors is the same under another header, and another of other tensors or none", async () => {
  const file = (metadata: string) => safetensors({ weight: WEIGHT }, { metadata: { metadata } });
  const other = file("noon");
  other[other.length - 1] = 1;
  const folder = await folderWith({
    "a/a": file("noon"),
    "b/b": file("a minute past noon"),
    "c/c": other,
    "d/d": "no",
  });
  const digestOf = (name: string) => hashTensors(join(folder, name, name));

  expect(await digestOf("a")).toBe(createHash("sha256").update(file("noon").subarray(-16)).digest("hex"));
  expect(await digestOf("b")).toBe(await digestOf("a"));
  expect(await digestOf("c")).not.toBe(await digestOf("a"));
  expect(await digestOf("d")).toBeUndefined();
});
