/** Which known word a misspelt one was meant to be. */

/** `--learning-rate`, `learningRate` and `LEARNING RATE` as `learning_rate`: the spelling of keys here. */
export function normalizeKey(key: string): string {
  return key
    .trim()
    .replace(/^-+/, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[\s-]+/g, "_")
    .toLowerCase();
}

/**
 * The candidate nearest to `word`, ignoring case and dashes; undefined when none is near.
 * A third of the letters may differ: more would suggest things that were never meant.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = normalizeKey(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const normal = normalizeKey(candidate);
    if (Math.abs(normal.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(wanted, normal);
    // A word of one or two letters is near to every other one: it must share its first.
    if (distance < bestDistance && (wanted.length > 2 || normal[0] === wanted[0])) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Damerau-Levenshtein distance (optimal string alignment): letters inserted, deleted, replaced, neighbours swapped. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = cell(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, cell(beforeLast, j - 2) + 1);
      }
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
