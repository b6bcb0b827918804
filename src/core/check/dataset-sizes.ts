import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostic.ts";
import type { MediaFacts } from "../facts.ts";
import type { CheckedSource } from "./checked-source.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { countOf, listNames } from "./listing.ts";

/** Enlarging by less than this comes from rounding to buckets. */
const NOTICEABLE = 1.05;

interface Placed {
  readonly media: MediaFacts;
  readonly width: number;
  readonly height: number;
  /** What it is scaled and cropped to. */
  readonly bucket: { readonly width: number; readonly height: number };
}

/** Files with the size that caching gives them: a video's cached size, an image's bucket. */
function placeFiles({ facts, made }: CheckedSource): readonly Placed[] {
  const itemOf = new Map(made.items.map((item) => [item.sourceFile, item]));
  return facts.media.flatMap((media) => {
    const item = itemOf.get(media.file);
    const { width, height } = media;
    if (item === undefined || width === undefined || height === undefined) return [];
    return [{ media, width, height, bucket: item.kind === "video" ? item : item.bucket }];
  });
}

const sizeText = ({ width, height }: { readonly width: number; readonly height: number }) => `${width}x${height}`;

function checkUpscaling(files: readonly Placed[], { source, at }: CheckedSource): readonly Diagnostic[] {
  const small = files.filter(
    ({ width, height, bucket }) => Math.max(bucket.width / width, bucket.height / height) > NOTICEABLE,
  );
  const [first] = small;
  if (first === undefined) return [];
  const names = listNames(
    small.map(({ media, ...file }) => `${media.file} (${sizeText(file)} to ${sizeText(file.bucket)})`),
  );
  const isVideo = first.media.kind === "video";
  const mend = isVideo
    ? `Lower \`resolution\`${source.bucketNoUpscale ? " (caching ignores `bucket_no_upscale` for clips)" : ""}, or use larger clips.`
    : "Lower `resolution`, or set `enable_bucket: true` and `bucket_no_upscale: true`, which keeps images at their size.";
  const detail = `${countOf(small.length, isVideo ? "clip" : "image")} of ${files.length} ${small.length === 1 ? "is" : "are"} smaller than the resolution ${source.resolution.join("x")} and enlarged: ${names}. ${mend}`;
  return [diagnose(DATASET_CODES.upscaled, detail, at)];
}

type Orientation = "portrait" | "landscape" | "square";

function orientationOf(width: number, height: number): Orientation {
  return width === height ? "square" : width > height ? "landscape" : "portrait";
}

/** Images without buckets lose what doesn't fit: a warning. Otherwise shapes are kept, and only if most files are turned it says so. */
function checkOrientation(files: readonly Placed[], { source, at }: CheckedSource): readonly Diagnostic[] {
  const [width, height] = source.resolution;
  const wanted = orientationOf(width, height);
  if (wanted === "square") return [];
  const other = files.filter((file) => ![wanted, "square"].includes(orientationOf(file.width, file.height)));
  const [first] = other;
  if (first === undefined) return [];
  const isVideo = first.media.kind === "video";
  const which = `${countOf(other.length, isVideo ? "clip" : "image")} of ${files.length} ${other.length === 1 ? "is" : "are"} ${orientationOf(first.width, first.height)} under the ${wanted} resolution ${width}x${height}: ${listNames(other.map(({ media, ...file }) => `${media.file} (${sizeText(file)})`))}.`;
  const turned = `\`resolution: ${height}x${width}\``;
  const mostly = other.length * 2 > files.length;
  if (!isVideo && !source.enableBucket) {
    const scale = Math.max(width / first.width, height / first.height);
    const kept = Math.round((100 * width * height) / (first.width * scale * first.height * scale));
    const detail = `${which} Without buckets each is cropped to the resolution, which leaves ${kept} % of the first. Set \`enable_bucket: true\`${mostly ? `, or ${turned}` : ""}.`;
    return [diagnose(DATASET_CODES.otherOrientation, detail, at)];
  }
  const kept = `They keep their shape: the first is trained at ${sizeText(first.bucket)}.`;
  const mend = mostly ? ` As most of them are, ${turned} would say it plainer.` : "";
  return [
    diagnose(DATASET_CODES.otherOrientation, `${which} ${kept}${mend}`, {
      ...at,
      severity: mostly ? "warning" : "note",
    }),
  ];
}

/** Latents are an eighth of a picture each way, and the model's patches take two of them. */
const PER_LATENT = 8;

/** A side of buckets is a multiple of 16; that of an image without buckets is what the resolution says. */
function checkPairs(files: readonly Placed[], { source, at }: CheckedSource): readonly Diagnostic[] {
  const [first] = files;
  if (first === undefined || first.media.kind === "video" || source.enableBucket) return [];
  const odd = source.resolution.filter((side) => Math.floor(side / PER_LATENT) % 2 !== 0);
  if (odd.length === 0) return [];
  const near = source.resolution.map((side) => Math.max(16, Math.round(side / 16) * 16));
  const detail = `The images of ${source.input.written} are cached at ${source.resolution.join("x")}, which makes ${source.resolution.map((side) => Math.floor(side / PER_LATENT)).join("x")} latents, and the model takes them in pairs. Set \`resolution: ${near.join("x")}\`, or \`enable_bucket: true\`.`;
  return [diagnose(DATASET_CODES.oddLatents, detail, at)];
}

/** The sizes of a source's files against its resolution. */
export function checkSizes(checked: CheckedSource): readonly Diagnostic[] {
  const files = placeFiles(checked);
  return [checkPairs, checkUpscaling, checkOrientation].flatMap((rule) => rule(files, checked));
}
