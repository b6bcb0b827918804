/** Sizes and frame counts against the decoder and the image reader that the trainer uses: PyAV and Pillow. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measureImage } from "../../src/host/media/probe-image.ts";
import { probeVideo } from "../../src/host/media/probe-video.ts";
import { hasFfmpeg, makeMediaPool } from "../rig/clips.ts";
import { describeWithMusubi } from "../rig/musubi.ts";
import { makeOddClips } from "../rig/odd-clips.ts";

const run = promisify(execFile);

/** Decodes as the trainer's `load_video` does, to the frame where it fails. */
const DECODE = `
import av, json, sys
def decode(path):
    frames, size = 0, None
    try:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                frames += 1
                size = size or frame.to_image().size
        return {"width": size[0], "height": size[1], "frames": frames}
    except Exception:
        return {"failsAfter": frames}
json.dump({path: decode(path) for path in sys.argv[1:]}, sys.stdout)
`;

/** Makes pictures of every format, mode and orientation, whole and cut, and says what the trainer would open of them. */
const PICTURES = `
import io, json, os, random, sys
from PIL import Image, features
os.chdir(sys.argv[1])
noise = Image.effect_noise((123, 77), 60).convert("RGB")
formats = ["png", "jpg", "webp", "bmp"] + (["avif"] if features.check("avif") else [])
for name in formats:
    for mode in ["RGB", "L"] + (["RGBA"] if name in ("png", "webp", "avif") else []) + (["CMYK"] if name == "jpg" else []):
        noise.convert(mode).save(f"{mode}.{name}")
    whole = open(f"RGB.{name}", "rb").read()
    for part in (40, len(whole) // 2, len(whole) * 9 // 10):
        open(f"cut-{part}.{name}", "wb").write(whole[:part])
    open(f"tail.{name}", "wb").write(whole + b"more" * 9)
    for orientation in range(1, 9) if name in ("jpg", "webp", "png") else []:
        exif = Image.Exif()
        exif[0x112] = orientation
        noise.save(f"turned-{orientation}.{name}", exif=exif.tobytes())
for other in ["GIF", "TIFF", "JPEG", "ICO"]:
    noise.save(f"really-{other}.png", format=other)
for name in ["webp"] + (["avif"] if features.check("avif") else []):
    noise.save(f"animated.{name}", save_all=True, append_images=[noise.rotate(90)])
random.seed(1)
Image.linear_gradient("L").resize((200, 150)).convert("RGB").save("lossless.webp", lossless=True)
noise.convert("P").save("palette.png")
noise.convert("1").save("bits.bmp")
for name, fmt in [("tiff.png", "TIFF"), ("gif.png", "GIF"), ("jp2.jpg", "JPEG2000"), ("pnm.jpg", "PPM"), ("tga.bmp", "TGA"), ("dds.jpg", "DDS")]:
    noise.save(name, format=fmt)
for name in ["RGB.png", "palette.png", "lossless.webp", "bits.bmp", "tiff.png", "gif.png", "jp2.jpg", "pnm.jpg", "tga.bmp", "dds.jpg"]:
    whole = open(name, "rb").read()
    for part in (len(whole) // 3, len(whole) - 12, len(whole) - 2, len(whole) - 1):
        open(f"short-{part}-{name}", "wb").write(whole[:part])
    if name.endswith("png") and name not in ("tiff.png", "gif.png"):
        for flip in range(8):
            bad = bytearray(whole)
            bad[random.randrange(8, len(bad))] ^= 1 << random.randrange(8)
            open(f"flip-{flip}-{name}", "wb").write(bad)
        open(f"zeros-{name}", "wb").write(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
whole = open("lossless.webp", "rb").read()
open("zeros-lossless.webp", "wb").write(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
Image.new("1", (14000, 13000)).save("attack.png")
Image.new("1", (13000, 13000)).save("large.png")
open("text.png", "w").write("not a picture")
open("empty.png", "wb")
def size(path):
    try:
        image = Image.open(path)
        image.load()
        return list(image.size)
    except Exception:
        return None
json.dump({path: size(path) for path in sorted(os.listdir("."))}, sys.stdout)
`;

describeWithMusubi("media as the trainer's libraries see it", (musubi) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "wan22-media-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.skipIf(!hasFfmpeg())("clips have the size and the frames that PyAV decodes", async () => {
    const script = join(folder, "decode.py");
    await writeFile(script, DECODE);
    await makeMediaPool(join(folder, "clips"));
    await makeOddClips(join(folder, "clips"));
    const entries = await readdir(join(folder, "clips"), { withFileTypes: true });
    const clips = entries
      .filter((entry) => entry.isFile() && !/\.(png|jpe?g|webp|bmp)$/.test(entry.name))
      .map(({ name }) => join(folder, "clips", name));
    const { stdout } = await run(musubi.python, [script, ...clips]);
    const decoded = JSON.parse(stdout) as Record<string, { readonly failsAfter?: number }>;
    const probed: Record<string, unknown> = {};
    for (const clip of clips) {
      const { problem, damage, width, height, frames } = await probeVideo(clip, { ffprobe: "ffprobe" });
      const failsAfter = decoded[clip]?.failsAfter;
      const certain = problem === undefined ? damage?.intactFrames : 0;
      // It fails, and not before what is certain has been read.
      const isForeseen = certain !== undefined && failsAfter !== undefined && certain <= failsAfter;
      probed[clip] = isForeseen ? { failsAfter } : { width, height, frames, certain };
    }
    expect(clips.length).toBeGreaterThan(40);
    expect(probed).toEqual(decoded);
  });

  test("images have the size that Pillow opens them with, or can't be opened by either", async () => {
    const script = join(folder, "pictures.py");
    await writeFile(script, PICTURES);
    const pictures = await mkdtemp(join(folder, "pictures-"));
    const { stdout } = await run(musubi.python, [script, pictures]);
    const opened = JSON.parse(stdout) as Record<string, unknown>;
    const measured: Record<string, unknown> = {};
    for (const name of Object.keys(opened)) {
      const { problem, width, height } = await measureImage(await readFile(join(pictures, name)));
      measured[name] = problem === undefined ? [width, height] : null;
    }
    expect(Object.keys(opened).length).toBeGreaterThan(50);
    expect(measured).toEqual(opened);
  });
});
