import type { PipelinePlan } from "../../core/plan/plan.ts";
import { printable } from "../../core/printable.ts";
import { findParameter } from "../../core/trainer/parameters.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { count, formatNumber } from "../text/quantity.ts";
import { cell, formatValue, indentText, type PlanContext, ROW_INDENT, recolour, section } from "./plan-context.ts";

/** Groups in the order they are read: what the result depends on first. */
const GROUPS = ["learning", "memory", "dataset", "data", "caching", "io", "derived"] as const;
type Group = (typeof GROUPS)[number];

const TITLES: Readonly<Record<Group, string>> = {
  learning: "Learning",
  memory: "Memory",
  dataset: "Dataset",
  data: "Data loading",
  caching: "Caching",
  io: "Saving and logging",
  derived: "Following from other keys",
};

type PlanParameter = PipelinePlan["parameters"][string];

/** Layers whose values nobody chose for this pipeline; a summary leaves them out. */
const QUIET_LAYERS: ReadonlySet<PlanParameter["source"]["layer"]> = new Set(["trainer", "defaults", "derived"]);

/** Parameters by group, each with value, source and recommended range. A summary holds those that were chosen for this pipeline. */
export function viewParameters(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const all = Object.entries(pipeline.parameters);
  const shown =
    context.details === "full" ? all : all.filter(([, parameter]) => !QUIET_LAYERS.has(parameter.source.layer));
  const sections = GROUPS.flatMap((group) => {
    const rows = shown
      .filter(([name]) => groupOf(name) === group)
      .map(([name, parameter]) => row(name, parameter, context));
    return section(
      TITLES[group],
      layoutTable(rows, { columns: context.columns, indent: ROW_INDENT, maxCellColumns: 34 }),
      context,
    );
  });
  const hidden = all.length - shown.length;
  if (hidden === 0) return sections;
  const text = `${count(hidden, "more parameter")} at their defaults, or following from other keys: --details shows them.`;
  return [...sections, "", ...indentText(text, context.columns).map((line) => recolour(line, context.style.faint))];
}

function row(name: string, parameter: PlanParameter, { style }: PlanContext): readonly Cell[] {
  const recommended = parameter.recommended;
  const range = recommended === undefined ? "" : ` (recommended: ${formatRange(recommended)})`;
  return [
    cell(name),
    { text: formatValue(parameter.value), colour: style.strong },
    { text: `${printable(parameter.source.text)}${range}`, colour: style.faint },
  ];
}

function formatRange([low, high]: readonly [number, number]): string {
  return low === high ? formatNumber(low) : `${formatNumber(low)} to ${formatNumber(high)}`;
}

function groupOf(name: string): Group {
  if (name.startsWith("dataset.")) return "dataset";
  if (name.startsWith("cache-latents.") || name.startsWith("cache-text.")) return "caching";
  return findParameter(name.slice(name.indexOf(".") + 1))?.group ?? "derived";
}
