import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probeVideo } from "../../../src/host/media/probe-video.ts";
import { hasFfmpeg } from "../../rig/clips.ts";
import { makeOddClips, ODD_CLIPS } from "../../rig/odd-clips.ts";

const NO_FFPROBE = { ffprobe: "/nowhere/ffprobe" };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-probe-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(!hasFfmpeg())("real clips (skipped without ffmpeg: apt-get install ffmpeg)", () => {
  beforeAll(() => makeOddClips(folder), 60_000);

  // Without ffprobe: all of them are MP4, MOV, WebM or Matroska.
  test.each(Object.entries(ODD_CLIPS))("%s", async (file, expected) => {
    const { problem, damage, ...probe } = await probeVideo(join(folder, file), NO_FFPROBE);
    if ("problem" in expected) {
      expect(problem?.text).toMatch(expected.problem);
    } else if ("fails" in expected) {
      expect(problem).toBeUndefined();
      expect(damage?.text).toMatch(expected.fails);
      expect(damage?.intactFrames).toBeGreaterThanOrEqual(expected.after);
      expect(damage?.intactFrames).toBeLessThan(probe.frames ?? 0);
    } else {
      const { damage: harmless, ...rest } = expected;
      expect(problem).toBeUndefined();
      expect(probe).toMatchObject(rest);
      expect(probe.rotation).toBe(expected.rotation);
      expect(probe.fps).toBeGreaterThan(0);
      if (harmless === undefined) expect(damage).toBeUndefined();
      else expect(damage).toEqual({ text: expect.stringMatching(harmless) });
    }
  });

  test("the rate is the clips' own, to three decimals", async () => {
    const fps = async (file: string) => (await probeVideo(join(folder, file), NO_FFPROBE)).fps;
    expect(await fps("b-frames.mp4")).toBe(25);
    expect(await fps("fragments.mp4")).toBe(25);
    expect(await fps("really-webm.mp4")).toBe(25);
    // Frames that are shown before the last ones are missing where the end is.
    expect(await fps("cut-short.mkv")).toBe(25);
  });
});

test("what only ffprobe can read needs ffprobe", async () => {
  const file = join(folder, "a.avi");
  await writeFile(file, Buffer.from("RIFF\x10\0\0\0AVI LIST", "latin1"));
  expect((await probeVideo(file, NO_FFPROBE)).problem?.kind).toBe("needs-ffprobe");
});

test("a file that is not there is missing", async () => {
  expect((await probeVideo(join(folder, "none.mp4"), NO_FFPROBE)).problem?.kind).toBe("missing");
});

test("damaged headers are never more than a problem", async () => {
  const file = join(folder, "damaged.mp4");
  const box = (type: string, ...content: readonly Buffer[]) => {
    const body = Buffer.concat(content);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(body.length + 8);
    head.write(type, 4, "latin1");
    return Buffer.concat([head, body]);
  };
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const handler = box("hdlr", Buffer.alloc(8), Buffer.from("vide"), Buffer.alloc(12));
  const entry = box("avc1", Buffer.alloc(24), Buffer.from([0, 160, 0, 96]), Buffer.alloc(50));
  // Four thousand million samples of one byte each.
  const sizes = box("stsz", number(0), number(1), number(0xffff_ffff));
  const table = box("stbl", box("stsd", number(0), number(1), entry), sizes);
  const media = box("mdia", box("mdhd", Buffer.alloc(24)), handler, box("minf", table));
  const track = box("trak", box("tkhd", Buffer.alloc(84)), media);
  const whole = Buffer.concat([
    box("ftyp", Buffer.from("isom0000")),
    box("moov", box("mvhd", Buffer.alloc(100)), track),
  ]);
  await writeFile(file, whole);
  expect((await probeVideo(file, NO_FFPROBE)).problem).toEqual({ kind: "broken", text: "its header is damaged" });
  for (let length = 8; length < whole.length; length += 3) {
    await writeFile(file, whole.subarray(0, length));
    expect((await probeVideo(file, NO_FFPROBE)).problem?.kind).toBe("broken");
  }
});

test("a WebM with bytes between its elements is left to ffprobe: mediabunny would look for the next one without end", async () => {
  const file = join(folder, "gap.webm");
  const header = Buffer.from("1a45dfa38b4282847765626d4287810242858102".slice(0, 32), "hex");
  const junk = Buffer.alloc(200, 0x41);
  const segment = Buffer.from("1853806701000000000000c8", "hex");
  await writeFile(file, Buffer.concat([header, segment, junk]));
  expect((await probeVideo(file, NO_FFPROBE)).problem?.kind).toBe("needs-ffprobe");
});

test("a rate that a damaged header makes next to nothing is no rate", async () => {
  const file = join(folder, "slow.mp4");
  const clip = await readFile(new URL("../../../pipelines/quickstart/clips/04-life.mp4", import.meta.url));
  // The ticks of each sample, after the box's type, version, number of entries and the entry's number of samples.
  clip.writeUInt32BE(0xffffffff, clip.indexOf("stts") + 16);
  await writeFile(file, clip);
  const probe = await probeVideo(file, NO_FFPROBE);
  expect(probe.frames).toBeGreaterThan(0);
  expect(probe).not.toHaveProperty("fps");
});
