import type { BasePipeline, Difference, PlanBase } from "../../core/plan/base.ts";
import { DIFFERENCE_SIGNS, describeCommit, describeDifference, visible } from "../plan-base.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { count } from "../text/quantity.ts";
import { type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

/** Differences that are shown where nobody asked for all. */
const SHOWN = 20;

/** What a pipeline's plan differs in from that of the base; nothing where it differs in nothing. */
export function viewBase({ differences }: BasePipeline, base: PlanBase, context: PlanContext): readonly string[] {
  const { columns, details } = context;
  const rows = differenceRows(differences, { ...context, shown: details === "full" ? differences.length : SHOWN });
  return section(`Against ${describeCommit(base)}`, layoutTable(rows, { columns, indent: ROW_INDENT }), context);
}

/** A row for each difference, `shown` at most, and one that counts the others. */
export function differenceRows(
  all: readonly Difference[],
  { style, shown: most }: Pick<PlanContext, "style"> & { readonly shown: number },
): readonly (readonly Cell[])[] {
  const colours: Readonly<Record<Difference["how"], (text: string) => string>> = {
    added: style.added,
    removed: style.removed,
    changed: style.changed,
  };
  const differences = visible(all);
  const shown = differences.slice(0, most);
  const rows = shown.map((difference): readonly Cell[] => [
    { text: DIFFERENCE_SIGNS[difference.how], colour: colours[difference.how] },
    { text: describeDifference(difference) },
  ]);
  const hidden = differences.length - shown.length;
  if (hidden === 0) return rows;
  return [...rows, [{ text: "" }, { text: `and ${count(hidden, "more difference")}: --details shows all` }]];
}
