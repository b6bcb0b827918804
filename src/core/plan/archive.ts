import { joinPath } from "../paths.ts";

/** Where a stage's files go that a new start would overwrite: a folder of the run's own, beside what it trains. */
export function archiveFolder(outputDir: string | undefined, run: string): string {
  return joinPath(outputDir ?? ".", `archive/${run}`);
}
