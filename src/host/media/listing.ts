import { readdir } from "node:fs/promises";
import { splitExtension } from "../../core/paths.ts";
import { compareText, decodeUtf8 } from "./python-text.ts";

/** The trainer's own lists (`dataset/media_utils.py`): matched by exact case, so `.Mp4` is in neither. */
const VIDEO_ENDINGS = ["mp4", "webm", "avi", "mkv", "mov", "flv", "wmv", "m4v", "mpg", "mpeg"];
const IMAGE_ENDINGS = ["png", "jpg", "jpeg", "webp", "bmp", "avif"];

const bothCases = (endings: readonly string[]) =>
  new Set(endings.flatMap((ending) => [`.${ending}`, `.${ending.toUpperCase()}`]));

const EXTENSIONS = { video: bothCases(VIDEO_ENDINGS), image: bothCases(IMAGE_ENDINGS) } as const;

/** Media that people have and the trainer does not look for in a folder. */
const OTHER_MEDIA = new Set(
  ["ts", "m2ts", "mts", "ogv", "3gp", "gif", "vob", "asf", "mxf", "heic", "heif", "tif", "tiff", "jxl", "jfif"].map(
    (ending) => `.${ending}`,
  ),
);

export interface Listing {
  /** Base names that the trainer takes, in its order. */
  readonly taken: readonly string[];
  /** Base names that look like media of this kind and are passed over. */
  readonly passedOver: readonly string[];
  /** Every name in the folder, for looking up captions. */
  readonly all: ReadonlySet<string>;
  /** Of `all`, those that are not UTF-8: with each byte beyond ASCII written as `\xba`. */
  readonly notUtf8: ReadonlySet<string>;
}

function escapeBytes(name: Buffer): string {
  return name.toString("latin1").replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** Lists a folder's media as the trainer's globs do: not its subfolders, no hidden files, sorted. Throws what `readdir` throws. */
export async function listMedia(folder: string, kind: "video" | "image"): Promise<Listing> {
  const notUtf8 = new Set<string>();
  const names = (await readdir(folder, { encoding: "buffer" })).map((bytes) => {
    const name = decodeUtf8(bytes);
    if (name !== undefined) return name;
    const shown = escapeBytes(bytes);
    notUtf8.add(shown);
    return shown;
  });
  const taken: string[] = [];
  const passedOver: string[] = [];
  for (const name of names) {
    if (name.startsWith(".")) continue;
    // A glob's `*` also matches nothing, so `fnmatch` looks at the name's end, not at `splitext`; without hidden files both agree.
    const { extension } = splitExtension(name);
    const lower = extension.toLowerCase();
    if (EXTENSIONS[kind].has(extension)) taken.push(name);
    else if (EXTENSIONS.video.has(lower) || EXTENSIONS.image.has(lower)) {
      if (EXTENSIONS[kind].has(lower)) passedOver.push(name);
    } else if (OTHER_MEDIA.has(lower)) passedOver.push(name);
  }
  return { taken: taken.sort(compareText), passedOver: passedOver.sort(compareText), all: new Set(names), notUtf8 };
}
