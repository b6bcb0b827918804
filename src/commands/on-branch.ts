import { standOf } from "../core/state/standing.ts";
import { loadPlace } from "../execute/take-over.ts";
import { findOnBranch } from "./state/state-branch.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Sentences for whoever looks in vain for what pipelines have left here, by their names: which run of each the state branch
 * knows of, and where. None for one whose record is kept here alone, or says as much as the branch. The remote is asked.
 */
export async function findElsewhere(
  words: readonly string[],
  terminal: Terminal,
): Promise<ReadonlyMap<string, string>> {
  const sentences = new Map<string, string>();
  for (const { place, spec, record } of (await findOnBranch(words, terminal)).found) {
    const { branch, state: theirs } = record;
    const standing = standOf((await loadPlace(place)).state, theirs);
    if (theirs === undefined || standing === "same" || standing === "ahead") continue;
    const where = theirs.host === place.host ? `in another checkout on ${theirs.host}` : `on ${theirs.host}`;
    const text = `By ${branch.name} the last run of ${spec.name} is ${theirs.run ?? "–"}, ${where}; what it has left lies there.`;
    sentences.set(spec.name, text);
  }
  return sentences;
}

/** The sentence of one pipeline, by its file or name. */
export async function elsewhereOf(word: string, terminal: Terminal): Promise<string | undefined> {
  const [sentence] = (await findElsewhere([word], terminal)).values();
  return sentence;
}
