/** What ffprobe says, and what it says of itself. The programs that fail are real ones, made for it. */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probeVideo } from "../../../src/host/media/probe-video.ts";
import { scanSources } from "../../../src/host/media/scan.ts";
import { openStatCache } from "../../../src/host/stat-cache.ts";
import { hasFfmpeg } from "../../rig/clips.ts";

const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-ffprobe-"));
  await mkdir(join(folder, "data"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function program(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${lines.join("\n")}\n`);
  await chmod(path, 0o755);
  return path;
}

const LINKER = "error while loading shared libraries: libavdevice.so.59: cannot open shared object file";

describe.skipIf(!hasFfmpeg())("with ffmpeg (skipped without: apt-get install ffmpeg)", () => {
  const clip = (name: string) => join(folder, "data", name);
  const make = (name: string, ...codec: readonly string[]) =>
    run("ffmpeg", [
      "-loglevel",
      "error",
      "-f",
      "lavfi",
      "-i",
      "testsrc2=size=160x96:rate=25",
      "-frames:v",
      "60",
      ...codec,
      clip(name),
    ]);
  const change = async (from: string, to: string, edit: (bytes: Buffer) => Buffer) =>
    writeFile(clip(to), edit(await readFile(clip(from))));
  const probe = (name: string, ffprobe = "ffprobe") => probeVideo(clip(name), { ffprobe });

  beforeAll(async () => {
    await make("a.avi", "-c:v", "mpeg4");
    await make("mjpeg.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p");
    await make("h264.flv", "-c:v", "libx264", "-pix_fmt", "yuv420p");
    await make("flv.flv", "-c:v", "flv");
  }, 60_000);

  test.each([
    ["the linker finds no library", [`echo "ffprobe: ${LINKER}" >&2`, "exit 127"], "exit code 127"],
    ["it is killed", ["kill -KILL $$"], "signal SIGKILL"],
    ["it crashes", ["kill -SEGV $$"], "signal SIGSEGV"],
    ["it says something else", ["echo hello"], "gave no answer that can be read"],
    ["memory runs out", ['echo "[mpeg4 @ 0x1] Cannot allocate memory" >&2', "exit 1"], "ran short of something"],
  ])("a fault of ffprobe itself is not the clip's: %s", async (name, lines, says) => {
    const broken = await program(name.replaceAll(" ", "-"), ...lines);
    const statCache = openStatCache(join(folder, `${name}.json`), { now: () => Date.now() + 60_000 });
    const place = { file: "fox.yaml" };
    const source = { kind: "videos", input: { written: "data", path: "data", place, unset: [] }, place } as const;
    const look = async (ffprobe: string) => {
      const [facts] = await scanSources([source], { root: folder, settings: {}, statCache, ffprobe });
      return facts?.media.find((media) => media.name === "a.avi");
    };
    const first = await look(broken);
    expect(first?.problem?.kind).toBe("needs-ffprobe");
    expect(first?.problem?.text).toContain(says);
    expect(await look("ffprobe")).toMatchObject({ frames: 60 });
  });

  test("a fault of the clip is remembered, and found without ffprobe", async () => {
    await writeFile(clip("text.avi"), "this is no clip");
    const statCache = openStatCache(join(folder, "remembered.json"), { now: () => Date.now() + 60_000 });
    const place = { file: "fox.yaml" };
    const source = { kind: "videos", input: { written: "data", path: "data", place, unset: [] }, place } as const;
    const look = async (ffprobe: string) => {
      const [facts] = await scanSources([source], { root: folder, settings: {}, statCache, ffprobe });
      return facts?.media.find((media) => media.name === "text.avi")?.problem;
    };
    const found = await look("ffprobe");
    expect(found).toMatchObject({
      kind: "broken",
      text: "ffprobe can't read it: Invalid data found when processing input",
    });
    expect(await look("/nowhere/ffprobe")).toEqual(found);
  });

  test("a packet that gives no frame is damage that the trainer's decoder stops at, after the frames before it", async () => {
    await change("h264.flv", "cut.flv", (bytes) => bytes.subarray(0, Math.floor(bytes.length * 0.9)));
    const { damage, problem } = await probe("cut.flv");
    expect(problem).toBeUndefined();
    expect(damage?.text).toMatch(/1 of its \d+ packets gives no frame \(Invalid NAL unit size/);
    expect(damage?.intactFrames).toBeGreaterThan(20);
    expect(damage?.intactFrames).toBeLessThan(60);
  });

  test("damage inside a packet, which the decoder conceals, is none", async () => {
    await change("a.avi", "cut.avi", (bytes) => bytes.subarray(0, Math.floor(bytes.length * 0.5)));
    const { damage, frames, headerFrames } = await probe("cut.avi");
    expect([damage, headerFrames]).toEqual([undefined, 60]);
    expect(frames).toBeLessThan(60);
  });

  test("an FLV with zeros in the middle of a tag is not counted: versions of FFmpeg differ by a frame", async () => {
    await change("flv.flv", "zeros.flv", (bytes) => bytes.fill(0, Math.floor((bytes.length * 2) / 3)));
    expect((await probe("zeros.flv")).damage).toMatchObject({
      text: expect.stringContaining("is not what its header says"),
    });
    await change("flv.flv", "padded.flv", (bytes) => Buffer.concat([bytes, Buffer.alloc(5000)]));
    expect(await probe("padded.flv")).not.toHaveProperty("damage");
  });
});
