import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SourceFacts } from "../../../src/core/facts.ts";
import type { DatasetSettings, SourceKind } from "../../../src/core/spec/spec.ts";
import { scanSources } from "../../../src/host/media/scan.ts";
import { openStatCache, type StatCache } from "../../../src/host/stat-cache.ts";
import { png } from "../../rig/png.ts";

let root: string;
let statCache: StatCache;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "wan22-scan-"));
  statCache = openStatCache(join(root, ".wan22/index/test.json"), { now: () => Date.now() + 60_000 });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

async function scan(
  kind: SourceKind,
  path: string,
  settings: DatasetSettings = {},
  { written, file } = { written: path, file: "fox.yaml" },
): Promise<SourceFacts> {
  const place = { file };
  const source = { kind, input: { written, path, place, unset: [] }, place };
  const [facts] = await scanSources([source], { root, settings, statCache, ffprobe: "/nowhere/ffprobe" });
  if (facts === undefined) throw new Error("no facts");
  return facts;
}

const names = ({ media }: SourceFacts) => media.map(({ name }) => name);

describe("a folder", () => {
  test("is listed as the trainer's globs list it: itself alone, nothing hidden, by code point, extensions in one case", async () => {
    const files = [
      "b.mp4",
      "a.MP4",
      "Z.webm",
      "c.Mp4",
      ".hidden.mp4",
      "sub/d.mp4",
      "notes.txt",
      "e.mp4.part",
      "f.avif",
      "g.m2ts",
    ];
    await write(Object.fromEntries(files.map((name) => [`data/${name}`, ""])));
    const facts = await scan("videos", "data");
    expect(names(facts)).toEqual(["Z.webm", "a.MP4", "b.mp4"]);
    expect(facts.passedOver).toEqual(["c.Mp4", "g.m2ts"]);
  });

  test("in it, a folder that is named like a clip is a clip of its images", async () => {
    await write({ "data/a.mp4/2.png": png(10, 20), "data/a.mp4/1.png": png(32, 16), "data/a.txt": "a fox runs" });
    expect((await scan("videos", "data")).media).toEqual([
      expect.objectContaining({ file: "data/a.mp4", stem: "a", frames: 2, width: 32, height: 16 }),
    ]);
  });

  test("may have brackets in its name, and a link may lead to it", async () => {
    await write({ "real[1]/a.png": png(8, 8), "real[1]/a.txt": "x" });
    await symlink(join(root, "real[1]"), join(root, "link"));
    expect((await scan("images", "real[1]")).media).toMatchObject([{ file: "real[1]/a.png", frames: 1 }]);
    expect((await scan("images", "link")).media).toMatchObject([{ file: "link/a.png" }]);
  });

  test("that is missing has a near name; a file in its place is of the wrong kind", async () => {
    await write({ "data/fox/a.mp4": "", "rows.jsonl": "" });
    expect((await scan("videos", "data/foxx")).problem).toEqual({
      kind: "missing",
      text: "there is no such folder; `fox` lies beside it, and may be meant",
    });
    const seenFromRoot = await scan(
      "videos",
      "pipelines/data/fox",
      {},
      { written: "data/fox", file: "pipelines/a.yaml" },
    );
    expect(seenFromRoot.problem?.text).toBe(
      "there is no such folder; paths are relative to the file that they stand in, and data/fox lies in the project's root: write `../data/fox`",
    );
    expect((await scan("videos", "rows.jsonl")).problem?.kind).toBe("unsupported");
    expect((await scan("video_jsonl", "data")).problem?.kind).toBe("unsupported");
  });

  test("a file whose name is not UTF-8 says so, with its bytes, where it would be taken", async () => {
    await mkdir(join(root, "data"));
    const file = (name: string) => Buffer.concat([Buffer.from(`${root}/data/`), Buffer.from(name, "latin1")]);
    for (const name of ["\xba\xfc.png", "\xba\xfc.txt", "\xba.png"]) await writeFile(file(name), png(8, 8));
    const { media } = await scan("images", "data");
    expect(media.map(({ name, problem, caption }) => [name, problem?.kind, caption.problem])).toEqual([
      ["\\xba.png", "name-not-utf8", "left-out"],
      ["\\xba\\xfc.png", "name-not-utf8", undefined],
    ]);
  });

  test("a dangling link is a file that is missing", async () => {
    await write({ "data/a.txt": "x" });
    await symlink(join(root, "gone.mp4"), join(root, "data/a.mp4"));
    expect((await scan("videos", "data")).media).toMatchObject([{ name: "a.mp4", problem: { kind: "missing" } }]);
  });
});

describe("captions", () => {
  test("are read as the trainer reads them", async () => {
    await write({ "data/a.b.png": png(8, 8), "data/a.b.txt": "\ufeff a fox\r\nruns \u3000\n" });
    const [image] = (await scan("images", "data")).media;
    expect(image?.caption).toEqual({ file: "data/a.b.txt", text: "\ufeff a fox\nruns" });
  });

  test("that are missing, or not UTF-8, or folders are told apart", async () => {
    await write({
      "data/a.mp4": "",
      "data/b.mp4": "",
      "data/b.txt": Buffer.from([0xba, 0xfc]),
      "data/c.mp4": "",
      "data/c.txt/x": "",
    });
    const { media } = await scan("videos", "data");
    expect(media.map(({ caption }) => caption.problem)).toEqual(["missing", "not-utf8", "unreadable"]);
  });

  test("have the source's extension before the dataset's", async () => {
    await write({ "data/a.png": png(8, 8), "data/a.cap": "a fox" });
    expect((await scan("images", "data", { caption_extension: ".cap" })).media[0]?.caption.text).toBe("a fox");
  });

  test("of an image that the folder lists and that can't be opened are missing; one that it doesn't list leaves it out", async () => {
    await write({ "data/a.png": png(8, 8), "data/b.png": png(8, 8), "data/atxt.txt": "", "data/a.txt": "a fox" });
    await symlink(join(root, "nowhere"), join(root, "data/b.txt"));
    const problems = async (caption_extension: string) =>
      (await scan("images", "data", { caption_extension })).media.map(({ caption }) => caption.problem);
    expect(await problems(".txt")).toEqual([undefined, "missing"]);
    // Without its dot it is looked for as `*txt`, and opened as `atxt`.
    expect(await problems("txt")).toEqual(["missing", "missing"]);
    expect(await problems(".cap")).toEqual(["left-out", "left-out"]);
  });

  test("of images are found by the trainer's glob alone, which doesn't know extensions of two parts", async () => {
    await write({ "data/a.png": png(8, 8), "data/a.caption.txt": "a fox", "data/a.mp4": "" });
    const settings = { caption_extension: ".caption.txt" };
    expect((await scan("images", "data", settings)).media[0]?.caption.problem).toBe("left-out");
    expect((await scan("videos", "data", settings)).media[0]?.caption.text).toBe("a fox");
  });
});

describe("a JSONL file", () => {
  const row = (path: string) => `${JSON.stringify({ image_path: path, caption: " as it is " })}\n`;

  test("has rows relative to the project's root, in their order, their captions unchanged", async () => {
    await write({
      "lists/a.jsonl": row("data/b.png") + row("data/a.png"),
      "data/a.png": png(8, 8),
      "data/b.png": png(9, 9),
    });
    expect((await scan("image_jsonl", "lists/a.jsonl")).media).toEqual([
      expect.objectContaining({ file: "data/b.png", width: 9, line: 1, caption: { text: " as it is " } }),
      expect.objectContaining({ file: "data/a.png", width: 8, line: 2 }),
    ]);
  });

  test("a caption with half a surrogate pair is not UTF-8", async () => {
    await write({ "a.jsonl": `${row("a.png").replace("as it is", "a \\ud83e fox")}`, "a.png": png(8, 8) });
    expect((await scan("image_jsonl", "a.jsonl")).media[0]?.caption).toEqual({ problem: "not-utf8" });
  });

  test("a row whose file lies beside it instead names both places", async () => {
    await write({ "lists/a.jsonl": row("a.png"), "lists/a.png": png(8, 8) });
    const [image] = (await scan("image_jsonl", "lists/a.jsonl")).media;
    expect(image?.problem?.text).toContain("looked for at a.png and lies at lists/a.png");
  });

  test("rows that can't be used are said by line, the others are kept", async () => {
    await write({ "a.jsonl": `${row("a.png")}\n{"image_path": 1}\n`, "a.png": png(8, 8) });
    const facts = await scan("image_jsonl", "a.jsonl");
    expect(names(facts)).toEqual(["a.png"]);
    expect(facts.rows?.map(({ line }) => line)).toEqual([2, 3]);
  });

  test("that is not UTF-8 is unreadable", async () => {
    await write({ "a.jsonl": Buffer.from([0xba, 0xfc]) });
    expect((await scan("image_jsonl", "a.jsonl")).problem?.kind).toBe("unreadable");
  });
});

describe("a second scan", () => {
  beforeEach(async () => {
    await write({ "data/a.png": png(8, 8), "data/a.txt": "a fox runs" });
    await scan("images", "data");
  });

  const look = async () => (await scan("images", "data")).media[0];

  test("sees an edit of the same length whose mtime was put back", async () => {
    const before = await look();
    const past = new Date(1_000_000_000_000);
    await utimes(join(root, "data/a.png"), past, past);
    await look();
    await write({ "data/a.png": png(9, 9) });
    await utimes(join(root, "data/a.png"), past, past);
    const after = await look();
    expect([before?.width, after?.width]).toEqual([8, 9]);
    expect(after?.sha256).not.toBe(before?.sha256);
  });

  test("sees a file that was put in another's place", async () => {
    await write({ "other.png": png(7, 7) });
    await rename(join(root, "other.png"), join(root, "data/a.png"));
    expect((await look())?.width).toBe(7);
  });

  test("sees an edited caption", async () => {
    await write({ "data/a.txt": "a cat runs" });
    expect((await look())?.caption.text).toBe("a cat runs");
  });
});

test("progress counts the files of all sources", async () => {
  await write({ "a/1.png": png(8, 8), "b/2.png": png(8, 8), "b/3.png": png(8, 8) });
  const place = { file: "fox.yaml" };
  const source = (path: string) => ({
    kind: "images" as const,
    input: { written: path, path, place, unset: [] },
    place,
  });
  const seen: string[] = [];
  const onFile = ({ done, total }: { done: number; total: number }) => seen.push(`${done}/${total}`);
  await scanSources([source("a"), source("b")], { root, settings: {}, statCache, onFile });
  expect(seen).toEqual(["1/3", "2/3", "3/3"]);
});

test("a file of megabytes under a caption's name is not read", async () => {
  await write({ "data/a.png": png(64, 64), "data/a.txt": "x".repeat((1 << 20) + 1) });
  const { media } = await scan("images", "data");
  expect(media[0]?.caption).toEqual({ file: "data/a.txt", problem: "too-large" });
});

test("more rows than a plan can hold are said before any of their files is looked at", async () => {
  await write({ "rows.jsonl": `${JSON.stringify({ image_path: "none.png", caption: "" })}\n`.repeat(250_001) });
  const { media, problem } = await scan("image_jsonl", "rows.jsonl");
  expect(media).toEqual([]);
  expect(problem?.text).toContain("it names 250,001 files, and a plan can hold 250,000 items");
});
