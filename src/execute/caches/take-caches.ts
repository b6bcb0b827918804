import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { countText } from "../../core/plan/wording.ts";
import { EXECUTE_CODES } from "../codes.ts";
import type { Progress, StageInput } from "../stage/stage.ts";
import { importCaches } from "./import-caches.ts";
import { takeStored } from "./stored-caches.ts";
import { pendingCaches } from "./wanted-caches.ts";

/** What a caching stage need not encode. */

/** From the store, and from folders that the pipeline names; comes back with what has to be encoded. */
export async function takeCaches(input: StageInput, progress: Progress): Promise<readonly string[]> {
  const note = (files: readonly string[], from: string) => {
    if (files.length === 0) return;
    progress.done += files.length;
    const text = `${countText(files.length, "cache file")} ${files.length === 1 ? "was" : "were"} taken from ${from}.`;
    input.report({ type: "note", stage: input.stage.id, severity: "note", text });
  };
  const { taken, missing } = await takeStored(pendingCaches(input), input);
  note(taken, "the store");
  const imports = await importCaches(missing, input);
  for (const { from, files } of imports) note(files, from);
  const imported = new Set(imports.flatMap(({ files }) => files));
  return missing.flatMap(({ file }) => (imported.has(file) ? [] : [file]));
}

/** Between two looks: no GPU was waited for, so that none is there to encode with. */
export function explainGone({ stage }: StageInput, missing: readonly string[]): Diagnostic {
  const kind = EXECUTE_CODES.storeMoved;
  return diagnose(kind, `${stage.id} needs ${missing.length} files that went from the store. ${kind.mend}`);
}
