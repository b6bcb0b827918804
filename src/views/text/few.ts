/** Long lists for people: the few that matter, and how many there are besides. */

/** `full` where somebody asked for all, with `--details`. */
export type Details = "summary" | "full";

export interface Few<Item> {
  readonly shown: readonly Item[];
  readonly hidden: number;
}

/** How many of a list are shown where nobody asked for all. */
const FEW = 2;

/** The last ones of a list, which is as long as it likes with all its details; one more is not worth a line about it. */
export function lastFew<Item>(items: readonly Item[], details: Details): Few<Item> {
  const hidden = details === "full" || items.length <= FEW + 1 ? 0 : items.length - FEW;
  return { shown: items.slice(hidden), hidden };
}
