import type { Place } from "../diagnostic.ts";
import type { MediaFacts, SourceFacts } from "../facts.ts";
import type { ResolvedSource } from "../resolve/resolved.ts";
import type { SourceItems } from "../trainer/dataset.ts";
import type { Task } from "../vocabulary.ts";

/** One source with everything known of it. */
export interface CheckedSource {
  readonly source: ResolvedSource;
  readonly facts: SourceFacts;
  readonly made: SourceItems;
  readonly task: Task;
  /** Where its findings are shown: the line that names its folder or file. */
  readonly at: { readonly at: Place; readonly path: string };
}

/** `data/a.mp4`, or with its line for a row of a JSONL file. */
export function nameOf({ file, line }: MediaFacts): string {
  return line === undefined ? file : `${file} (line ${line})`;
}
