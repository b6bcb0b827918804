import { relative, resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { readAddress } from "../core/spec/cell.ts";
import type { ChangedPath } from "../host/git/git-changes.ts";
import { isFile } from "../host/read-file.ts";
import { type ReadPipeline, readPipelines } from "./read.ts";
import { openReview, type Review, type ReviewOptions } from "./review.ts";
import { touchingPaths } from "./touched.ts";

/** The pipelines of those given that a change touches. */

export interface Touched {
  readonly review: Review;
  /** Those to look at: files, or single cells, as the user's folder sees them. */
  readonly files: readonly string[];
  /** All that were given, touched or not. */
  readonly given: readonly ReadPipeline[];
  /** What of the change touches any of them. */
  readonly paths: readonly ChangedPath[];
}

export interface ChooseOptions extends ReviewOptions {
  /** A commit, as Git takes it. */
  readonly ref: string;
}

export async function chooseTouched(
  files: readonly string[],
  { ref, folder, environment }: ChooseOptions,
): Promise<Touched | Diagnostic> {
  const review = await openReview(ref, files, { folder, environment });
  if ("severity" in review) return review;
  const { changes } = review;
  const options = { folder, environment: review.environment, within: changes.top };
  const chosen: string[] = [];
  const given: ReadPipeline[] = [];
  const paths = new Set<ChangedPath>();
  for (const file of new Set(files)) {
    const read = await readPipelines([file], options);
    const touched: ReadPipeline[] = [];
    for (const pipeline of read) {
      const seen = pipeline.root === "" ? { ...pipeline, root: folder } : pipeline;
      const touching = await touchingPaths(seen, changes);
      for (const path of touching) paths.add(path);
      const isMissing = pipeline.root === "" && !(await isFile(resolve(folder, readAddress(file).file)));
      if (touching.length > 0 || isMissing) touched.push(pipeline);
    }
    given.push(...read);
    // A file with many cells is read once, where all of them are asked for.
    if (touched.length === read.length) chosen.push(...(read.length === 0 ? [] : [file]));
    else chosen.push(...touched.map((one) => relative(folder, resolve(one.root, one.file))));
  }
  return { review, files: chosen, given, paths: [...paths] };
}
