import { printable } from "../../core/printable.ts";

/** Where a pipeline is written, for people; or why its record is all that is left. */
export function pipelineFileText({
  file,
  renamed,
}: {
  readonly file?: string | undefined;
  readonly renamed?: string | undefined;
}): string {
  if (file !== undefined) return printable(file);
  return renamed === undefined ? "its file is gone" : `its file has the name ${printable(renamed)} by now`;
}
