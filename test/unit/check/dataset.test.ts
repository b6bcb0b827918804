import { describe, expect, test } from "vitest";
import { checkDataset } from "../../../src/core/check/dataset.ts";
import type { MediaFacts, SourceFacts } from "../../../src/core/facts.ts";
import type { ResolvedSource } from "../../../src/core/resolve/resolved.ts";
import { computeItems } from "../../../src/core/trainer/items.ts";
import type { Task } from "../../../src/core/vocabulary.ts";
import { relativeGrowth } from "../../rig/growth.ts";

const PLACE = { file: "fox.yaml", range: { line: 7, column: 15, end_line: 7, end_column: 23 } };

function source(given: Partial<ResolvedSource> = {}): ResolvedSource {
  const written = given.kind === "video_jsonl" ? "fox.jsonl" : "data/fox";
  return {
    kind: "videos",
    input: { written, path: written, place: PLACE, unset: [] },
    cacheDir: ".wan22/cache/fox/fox-00000000",
    resolution: [1280, 720],
    enableBucket: true,
    bucketNoUpscale: false,
    batchSize: 1,
    numRepeats: 1,
    captionExtension: ".txt",
    targetFrames: [25],
    frameExtraction: "head",
    frameStride: 1,
    frameSample: 1,
    maxFrames: 129,
    place: PLACE,
    ...given,
  };
}

const CAPTION = "a red fox runs through deep snow";

function media(file: string, given: Partial<MediaFacts> & { readonly text?: string } = {}): MediaFacts {
  const { text = CAPTION, ...rest } = given;
  const name = file.slice(file.lastIndexOf("/") + 1);
  const stem = name.slice(0, name.lastIndexOf("."));
  const isImage = name.endsWith(".png");
  return {
    kind: isImage ? "image" : "video",
    file,
    name,
    stem,
    bytes: 1000,
    width: 1280,
    height: 720,
    frames: isImage ? 1 : 49,
    ...(isImage ? {} : { fps: 16 }),
    caption: { file: file.replace(/\.[^.]+$/, ".txt"), text },
    ...rest,
  };
}

interface Given {
  readonly sources?: readonly Partial<ResolvedSource>[];
  readonly facts: readonly SourceFacts[];
  readonly task?: Task;
}

function check({ sources = [{}], facts, task = "t2v-A14B" }: Given) {
  const resolvedSources = sources.map(source);
  return checkDataset({
    resolved: { spec: { task, places: new Map() }, dataset: { sources: resolvedSources } },
    items: computeItems(resolvedSources, facts),
    facts: { sources: facts },
  });
}

/** Findings of one source, as `severity code: detail`. */
const findings = (facts: SourceFacts, given: Partial<ResolvedSource> = {}, task?: Task) =>
  check({ sources: [given], facts: [facts], ...(task === undefined ? {} : { task }) }).map(
    ({ severity, code, detail }) => `${severity} ${code}: ${detail}`,
  );

const clips = (...files: readonly MediaFacts[]): SourceFacts => ({ media: files });

test("a source in order has no findings", () => {
  expect(findings(clips(media("data/fox/a.mp4"), media("data/fox/b.mp4")))).toEqual([]);
});

test("findings stand at the line that names the source", () => {
  const [finding] = check({ facts: [clips(media("data/fox/a.mp4", { text: "" }))] });
  expect(finding).toMatchObject({ file: "fox.yaml", range: PLACE.range, path: "dataset.sources.0.videos" });
});

describe("the source", () => {
  test("that is missing says what may have been meant, and nothing else", () => {
    const problem = {
      kind: "missing",
      text: "there is no such folder; `fox` lies beside it, and may be meant",
    } as const;
    expect(findings({ media: [], problem })).toEqual([
      "error D1: `videos: data/fox`: there is no such folder; `fox` lies beside it, and may be meant.",
    ]);
  });

  test("written relative to its file says where it was looked for", () => {
    const input = { written: "../fox", path: "fox", unset: [], place: PLACE };
    expect(findings({ media: [], problem: { kind: "missing", text: "there is no such folder" } }, { input })).toEqual([
      "error D1: `videos: ../fox`, which is fox: there is no such folder.",
    ]);
  });

  test("whose variable is not set was refused when the file was read, and is not judged again", () => {
    const input = { written: "$CLIPS", path: "$CLIPS", unset: ["CLIPS"], place: PLACE };
    const problem = { kind: "missing", text: "the environment variable CLIPS is not set" } as const;
    expect(findings({ media: [], problem }, { input })).toEqual([]);
  });

  test("of the wrong kind is an error", () => {
    const problem = { kind: "unsupported", text: "it is a file" } as const;
    expect(findings({ media: [], problem })).toEqual(["error D2: `videos: data/fox`: it is a file."]);
  });

  test("without a file leaves nothing to train on; beside another it is a warning", () => {
    expect(findings({ media: [] })).toEqual([
      expect.stringMatching(/^warning D3: data\/fox holds no clip whose name ends in one of \.mp4 /),
      expect.stringMatching(/^error T11: None of the sources holds a file/),
    ]);
    const two = check({ sources: [{ targetFrames: [5] }, {}], facts: [{ media: [] }, clips(media("data/fox/a.mp4"))] });
    expect(two.map(({ code }) => code)).toEqual(["D3"]);
  });

  test("given twice with the same settings is a warning, with others it is right", () => {
    const facts = [clips(media("data/fox/a.mp4")), clips(media("data/fox/a.mp4"))];
    expect(check({ sources: [{}, {}], facts }).map(({ code }) => code)).toEqual(["D19"]);
    expect(check({ sources: [{}, { targetFrames: [5] }], facts })).toEqual([]);
  });

  test("names the files that the trainer passes over", () => {
    expect(findings({ ...clips(media("data/fox/a.mp4")), passedOver: ["b.Mp4"] })).toEqual([
      expect.stringMatching(/^warning D20: In data\/fox the trainer doesn't take b\.Mp4\./),
    ]);
  });

  test("of images under image-to-video is pointed out", () => {
    expect(findings(clips(media("data/fox/a.png")), { kind: "images" }, "i2v-A14B")).toEqual([
      expect.stringMatching(/^note D24/),
    ]);
  });
});

describe("files", () => {
  test("that can't be read are errors, each with its reason", () => {
    const broken = media("data/fox/b.mp4", { problem: { kind: "empty", text: "the file is empty" } });
    expect(findings(clips(media("data/fox/a.mp4"), broken))).toEqual([
      "error D4: data/fox/b.mp4: the file is empty. The trainer would stop there in the middle of caching; replace the file, or move it out of the source.",
    ]);
  });

  test("that only ffprobe can count say so, and why it can't", () => {
    const avi = (name: string, text: string) =>
      media(`data/fox/${name}.avi`, { problem: { kind: "needs-ffprobe", text } });
    const none = "`ffprobe` is not installed";
    expect(findings(clips(avi("a", none), avi("b", "`ffprobe` ended with signal SIGKILL"), avi("c", none)))).toEqual([
      expect.stringMatching(
        /^error D5: data\/fox\/a\.avi and data\/fox\/c\.avi: .*is not installed.*apt-get install ffmpeg/,
      ),
      expect.stringMatching(/^error D5: data\/fox\/b\.avi: .*ended with signal SIGKILL/),
    ]);
  });

  describe("that are damaged", () => {
    const damage = { text: "it is cut short", intactFrames: 28 };

    test("are an error where the trainer reads on to the damage", () => {
      expect(findings(clips(media("data/fox/a.mp4", { damage })), { targetFrames: [29] })).toEqual([
        "error D4: data/fox/a.mp4: it is cut short (28 frames before that can be read for certain, and more are wanted). The trainer would stop there in the middle of caching, or train on broken pictures; replace the file, or move it out of the source.",
      ]);
    });

    test("are a warning where it stops before, or doesn't mind", () => {
      const [a, b] = [
        media("data/fox/a.mp4", { damage }),
        media("data/fox/b.mkv", { damage: { text: "it is cut short" } }),
      ];
      expect(findings(clips(a, b))).toEqual([
        "warning D27: data/fox/a.mp4: it is cut short (behind the frames that are read); data/fox/b.mkv: it is cut short (49 frames can be decoded). The trainer takes them all the same; replace them by a whole copy, or make sure that what is there is what you want.",
      ]);
    });

    test("and would be left out are not spoken of", () => {
      const image = {
        ...media("data/fox/a.png", { damage }),
        caption: { file: "data/fox/a.txt", problem: "left-out" },
      } as const;
      expect(findings(clips(image, media("data/fox/b.png")), { kind: "images" })).toEqual([
        expect.stringMatching(/^warning T10/),
      ]);
    });
  });

  test("of one stem clash (T20)", () => {
    expect(findings(clips(media("data/fox/a.mp4"), media("data/fox/a.webm")))).toEqual([
      expect.stringMatching(/^error T20: .*data\/fox\/a\.mp4 and data\/fox\/a\.webm/),
    ]);
  });

  test("of one base name in different folders clash in a JSONL file, with the line", () => {
    const rows = clips(media("data/a.mp4", { line: 1 }), media("more/a.mp4", { line: 2 }));
    const [finding] = check({ sources: [{ kind: "video_jsonl" }], facts: [rows] });
    expect(finding).toMatchObject({ code: "T20", related: [{ file: "fox.jsonl", range: { line: 2 } }] });
  });

  test("listed twice in a JSONL file: the same caption is a repeat, another one a clash", () => {
    const first = media("data/a.mp4", { line: 1 });
    const kind = { kind: "video_jsonl" } as const;
    expect(findings(clips(first, { ...first, line: 2 }), kind)).toEqual([
      expect.stringContaining("line 2 repeats line 1"),
    ]);
    const other = { ...first, line: 2, caption: { text: "a white fox sleeps in the snow" } };
    expect(findings(clips(first, other), kind)).toEqual([expect.stringMatching(/^error T20/)]);
  });

  test("whose header says another number of frames, or that lie on their side, are warnings", () => {
    expect(findings(clips(media("data/fox/a.mp4", { frames: 31, headerFrames: 50 })))).toEqual([
      expect.stringMatching(/^warning D7: .*data\/fox\/a\.mp4 \(31 of 50\)/),
    ]);
    expect(findings(clips(media("data/fox/a.mp4", { rotation: 90 })))).toEqual([
      expect.stringMatching(/^warning D8: .*data\/fox\/a\.mp4 \(90°\)/),
    ]);
  });

  test("are named up to ten, and then counted", () => {
    const many = Array.from({ length: 13 }, (_, index) => media(`data/fox/${index}.mp4`, { rotation: 90 }));
    expect(findings(clips(...many))).toEqual([expect.stringContaining("data/fox/9.mp4 (90°) and 3 more")]);
  });

  test("rows that can't be used are errors at their lines", () => {
    const facts = { media: [media("a.mp4", { line: 1 })], rows: [{ line: 2, text: "the line is empty" }] };
    const [finding] = check({ sources: [{ kind: "video_jsonl" }], facts: [facts] });
    expect(finding).toMatchObject({
      code: "D6",
      detail: "In fox.jsonl 1 line can't be used: line 2 (the line is empty).",
      related: [{ file: "fox.jsonl", range: { line: 2 }, message: "the line is empty" }],
    });
  });
});

describe("names", () => {
  test("that are too long for their caches are errors: a Chinese character takes three bytes", () => {
    const [long, short] = [media(`data/fox/${"狐".repeat(70)}.mp4`), media(`data/fox/${"狐".repeat(60)}.mp4`)];
    expect(findings(clips(long, short))).toEqual([
      `error D29: Caches are named after their file, with crop and size behind it, and those of ${long.file} (by 3 bytes) would have longer names than file systems allow. Shorten the name, with the caption's.`,
    ]);
  });

  test("of images too, and of clips that give no item and have their caption cached", () => {
    const name = (length: number) => "x".repeat(length);
    expect(findings(clips(media(`data/${name(217)}.png`)), { kind: "images" })).toEqual([]);
    expect(findings(clips(media(`data/${name(218)}.png`)), { kind: "images" })).toEqual([
      expect.stringMatching(/^error D29: .* \(by 1 byte\)/),
    ]);
    const short = media(`data/${name(230)}.mp4`, { frames: 3 });
    expect(findings(clips(short, media("data/a.mp4")))).toContainEqual(expect.stringMatching(/^error D29: /));
  });

  test("that are not UTF-8 are errors with the way to mend them, and no other error is made of them", () => {
    const problem = { kind: "name-not-utf8", text: "its name is not UTF-8" } as const;
    const bad = { ...media("data/fox/\\xba\\xfc.mp4", { problem }), caption: { file: "data/fox/\\xba\\xfc.txt" } };
    expect(findings(clips(media("data/fox/a.mp4"), bad))).toEqual([
      expect.stringMatching(/^error D28: data\/fox\/\\xba\\xfc\.mp4 \(its name is not UTF-8\)\. Rename it.*convmv/),
    ]);
  });

  test("of rows that begin with a dot are errors: their caches are neither found nor cleared away", () => {
    const row = { ...media("data/.b.mp4", { line: 1 }), stem: ".b" };
    expect(findings(clips(row), { kind: "video_jsonl" })).toEqual([
      "error D23: The names of data/.b.mp4 begin with a dot. Rename it.",
    ]);
  });

  test("with line breaks can't begin a line of their own", () => {
    const file = "data/fox/a\nerror[T1] all is lost.mp4";
    expect(findings(clips(media(file, { text: "" })))).toEqual([
      expect.stringMatching(/^warning D13: Nothing is written in data\/fox\/a\\nerror\[T1\] all is lost\.txt\./),
    ]);
  });
});

describe("captions", () => {
  const missing = (file: string) =>
    media(file, {
      caption: { file: file.replace(/\w+$/, "txt"), problem: file.endsWith(".png") ? "left-out" : "missing" },
    });

  test("of images that the trainer would open and that are not there are errors as well (T10)", () => {
    const caption = { file: "data/fox/b.txt", problem: "missing" } as const;
    const facts = clips(media("data/fox/a.png"), { ...media("data/fox/b.png"), caption });
    expect(findings(facts, { kind: "images" })).toEqual([
      "error T10: No caption file for data/fox/b.png. The trainer would stop there in the middle of caching. data/fox/b.txt is a link that leads nowhere. Write data/fox/b.txt with a description of the image.",
    ]);
    expect(findings(facts, { kind: "images", captionExtension: "txt" })).toEqual([
      expect.stringMatching(
        /^error T10: .*`caption_extension` is `txt`, without a dot, .*`\.txt` is probably meant\.$/,
      ),
    ]);
  });

  test("of rows with half a surrogate pair stop the trainer", () => {
    const row = { ...media("data/a.mp4", { line: 3 }), caption: { problem: "not-utf8" } } as const;
    expect(findings(clips(row), { kind: "video_jsonl" })).toEqual([
      expect.stringMatching(/^error D12: Half a surrogate pair, .*: data\/a\.mp4 \(line 3\)\./),
    ]);
  });

  test("that are missing: an error for clips, a warning for images (T10)", () => {
    expect(findings(clips(media("data/fox/a.mp4"), missing("data/fox/b.mp4")))).toEqual([
      "error T10: No caption file for data/fox/b.mp4. The trainer would stop there in the middle of caching. Write data/fox/b.txt with a description of the clip.",
    ]);
    expect(findings(clips(media("data/fox/a.png"), missing("data/fox/b.png")), { kind: "images" })).toEqual([
      "warning T10: The trainer leaves out 1 image without a caption, and says nothing: data/fox/b.png. Write data/fox/b.txt, or move it elsewhere.",
    ]);
  });

  test("an image that is left out for its caption may be broken, and may share its stem", () => {
    const broken = { ...missing("data/fox/b.png"), problem: { kind: "empty", text: "the file is empty" } } as const;
    const codes = findings(clips(media("data/fox/a.png"), broken, missing("data/fox/b.jpg.png")), { kind: "images" });
    expect(codes).toEqual([expect.stringMatching(/^warning T10/)]);
  });

  test.each([
    ["", "warning D13"],
    ["\ufeff", "warning D13"],
    ["fox", "warning D14"],
    ["狐狸", "warning D14"],
    ["fox ".repeat(600), "warning D15"],
    ["狐".repeat(900), "warning D15"],
    ["\ufeffa red fox runs", "warning D16"],
  ])("%j is %s", (text, expected) => {
    expect(findings(clips(media("data/fox/a.mp4", { text })))).toContainEqual(expect.stringMatching(`^${expected}: `));
  });

  test.each(["a red fox", "一只红色的狐狸在雪地里奔跑", "fox ".repeat(300)])("%j is right", (text) => {
    expect(findings(clips(media("data/fox/a.mp4", { text })))).toEqual([]);
  });

  test("that are not UTF-8 are errors", () => {
    const clip = media("data/fox/a.mp4", { caption: { file: "data/fox/a.txt", problem: "not-utf8" } });
    expect(findings(clips(clip))).toEqual([expect.stringMatching(/^error D12: Not UTF-8: data\/fox\/a\.txt\./)]);
  });
});

describe("frames", () => {
  test("too few for every target: a warning, or T11 where nothing is left", () => {
    const short = media("data/fox/b.mp4", { frames: 17 });
    expect(findings(clips(media("data/fox/a.mp4"), short))).toEqual([
      "warning D9: The smallest target is 25 frames, and the trainer leaves out, without a word, 1 clip with fewer: data/fox/b.mp4 (17). Add a smaller number to `target_frames`, or move them elsewhere.",
    ]);
    expect(findings(clips(short)).at(-1)).toBe(
      "error T11: Every clip has fewer frames than the smallest target, which is 25: data/fox/b.mp4 (17 frames). Add a smaller number to `target_frames`, or longer clips.",
    );
  });

  test("too short for some targets: how many fill each, and a warning where none does", () => {
    const of = (frames: number, file: string) => media(`data/fox/${file}.mp4`, { frames });
    const facts = clips(of(48, "a"), of(48, "b"), of(12, "c"));
    expect(findings(facts, { targetFrames: [1, 17, 81] })).toEqual([
      "warning D31: `target_frames` of data/fox: 81: 0 of 3 clips are long enough; 17: 2 of 3; 1: 3 of 3. The trainer leaves out the others of each without a word. Use longer clips, or take out what none of them fills.",
    ]);
    expect(findings(facts, { targetFrames: [1, 17] })).toEqual([
      expect.stringMatching(/^note D31: .*17: 2 of 3 clips are long enough; 1: 3 of 3\./),
    ]);
    expect(findings(facts, { targetFrames: [1, 9] })).toEqual([]);
    expect(findings(facts, { targetFrames: [1, 81], frameExtraction: "full" })).toEqual([]);
  });

  test("after source_fps: both numbers are said", () => {
    const clip = media("data/fox/b.mp4", { frames: 40, fps: 30 });
    const long = media("data/fox/a.mp4", { frames: 90, fps: 30 });
    expect(findings(clips(long, clip), { sourceFps: 30 })).toEqual([
      expect.stringContaining("with fewer at 16 frames a second: data/fox/b.mp4 (21 of 40)"),
    ]);
  });

  test("at another rate than 16 without source_fps: the line that mends it", () => {
    expect(findings(clips(media("data/fox/a.mp4", { fps: 29.97 })))).toEqual([
      "warning D10: 1 clip of data/fox has 29.97 frames a second. Without `source_fps` every frame counts as one of 16 a second, so what moves is learned at 53 % of its speed. Add `source_fps: 29.97` or `source_fps: auto` to this source.",
    ]);
    expect(findings(clips(media("data/fox/a.mp4", { fps: 30 })))).toEqual([
      expect.stringContaining("`source_fps: 30.0`"),
    ]);
    expect(findings(clips(media("data/fox/a.mp4", { fps: 15 })))).toEqual([]);
  });

  test("at different rates: a source each", () => {
    const mixed = clips(media("a.mp4", { fps: 24 }), media("b.mp4", { fps: 60 }), media("c.mp4", { fps: 23.976 }));
    expect(findings(mixed)).toEqual([
      expect.stringMatching(/^warning D10: .*23\.976 frames a second: c\.mp4 and a\.mp4; 60 frames a second: b\.mp4/),
    ]);
  });

  test("at another rate than source_fps says", () => {
    const mixed = clips(media("a.mp4", { fps: 30, frames: 90 }), media("b.mp4", { fps: 60, frames: 90 }));
    expect(findings(mixed, { sourceFps: 30 })).toEqual([
      expect.stringMatching(/^warning D11: `source_fps` is 30\.0, but there are clips of 60 frames a second: b\.mp4/),
    ]);
  });
});

describe("sizes", () => {
  test("below the resolution are enlarged", () => {
    expect(findings(clips(media("data/fox/a.mp4", { width: 640, height: 360 })))).toEqual([
      "warning D17: 1 clip of 1 is smaller than the resolution 1280x720 and enlarged: data/fox/a.mp4 (640x360 to 1280x720). Lower `resolution`, or use larger clips.",
    ]);
  });

  test("bucket_no_upscale keeps images at their size, and not clips", () => {
    const small = { width: 640, height: 368 };
    const given = { bucketNoUpscale: true };
    expect(findings(clips(media("a.png", small)), { kind: "images", ...given })).toEqual([]);
    expect(findings(clips(media("a.mp4", small)), given)).toEqual([
      expect.stringContaining("caching ignores `bucket_no_upscale`"),
    ]);
  });

  test("in portrait under a landscape resolution keep their shape: a warning if most are, else a note", () => {
    const tall = media("b.mp4", { width: 720, height: 1280 });
    expect(findings(clips(tall))).toEqual([
      "warning D18: 1 clip of 1 is portrait under the landscape resolution 1280x720: b.mp4 (720x1280). They keep their shape: the first is trained at 720x1280. As most of them are, `resolution: 720x1280` would say it plainer.",
    ]);
    expect(findings(clips(media("a.mp4"), media("c.mp4"), tall))).toEqual([expect.stringMatching(/^note D18/)]);
  });

  test("images without buckets are cropped", () => {
    const tall = media("b.png", { width: 720, height: 1280 });
    expect(findings(clips(tall), { kind: "images", enableBucket: false })).toContainEqual(
      expect.stringMatching(/^warning D18: .*leaves 32 % of the first\. Set `enable_bucket: true`/),
    );
  });

  test("too small for any bucket is an error", () => {
    const tiny = media("a.png", { width: 12, height: 300 });
    expect(findings(clips(tiny), { kind: "images", bucketNoUpscale: true })).toEqual([
      expect.stringMatching(/^error D22: No bucket can be made for a\.png/),
    ]);
  });
});

test("clips are judged in time proportional to their number", () => {
  const growth = relativeGrowth({
    from: 2_000,
    to: 20_000,
    prepare: (count) =>
      Array.from({ length: count }, (_, index) => media(`data/fox/${index}.mp4`, { fps: 20 + (index % 7) })),
    work: (many) => void check({ facts: [clips(...many)] }),
  });
  expect(growth).toBeLessThan(4);
}, 120_000);

test("clips that make more items than a plan can hold are named, with what takes fewer", () => {
  const hours = clips(media("data/fox/a.mp4"), media("data/fox/day.mp4", { frames: 1_382_400 }));
  const sliding = { frameExtraction: "slide", frameStride: 1 } as const;
  expect(findings(hours, sliding)).toEqual([
    "error D26: The dataset makes more than 250,000 items; there is no room left for 1 clip of data/fox: data/fox/day.mp4. `frame_extraction` is slide with 1 target and a `frame_stride` of 1. Take fewer crops of each clip: `frame_stride: 8`, say, fewer `target_frames`, or `frame_extraction: chunk`.",
  ]);
  expect(findings(hours, { ...sliding, frameStride: 8 })).toEqual([]);
});

test("a file of megabytes under a caption's name is said to be none", () => {
  const clip = media("data/fox/a.mp4", { caption: { file: "data/fox/a.txt", problem: "too-large" } });
  expect(findings(clips(clip))[0]).toMatch(/^error D12: More than a megabyte, so no caption .*: data\/fox\/a\.txt/);
});
