import type { DatasetSettings } from "./spec.ts";

/** What the caption files of a folder end in where nothing is said. */
export const CAPTION_EXTENSION = ".txt";

/** What the caption files of a source end in: its own word goes before the dataset's. */
export function captionExtension(
  source: Pick<DatasetSettings, "caption_extension">,
  settings: Pick<DatasetSettings, "caption_extension">,
): string {
  return source.caption_extension ?? settings.caption_extension ?? CAPTION_EXTENSION;
}
