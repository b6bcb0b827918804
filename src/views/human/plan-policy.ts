import type { PipelinePlan, PolicyVerdict } from "../../core/plan/plan.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { formatDuration, formatNumber, formatRough } from "../text/quantity.ts";
import { cell, type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

/** The verdict on each rule of the policy; nothing where there is none. */
export function viewPolicy({ policy = [] }: PipelinePlan, context: PlanContext): readonly string[] {
  const { style, columns } = context;
  const colours = { kept: style.added, broken: style.error, unknown: style.warning };
  const rows = policy.map((verdict): readonly Cell[] => [
    { text: verdict.rule },
    { text: verdict.verdict, colour: colours[verdict.verdict] },
    cell(describe(verdict)),
  ]);
  return section("Policy", layoutTable(rows, { columns, indent: ROW_INDENT }), context);
}

/** What was found, beside what is allowed. */
function describe({ rule, verdict, limit, found }: PolicyVerdict): string {
  const allowed = Array.isArray(limit) ? limit.join(", ") : typeof limit === "number" ? formatNumber(limit) : "";
  switch (rule) {
    case "max_hours":
    case "max_gpu_hours":
      return typeof found === "number" ? `up to ${hours(found)} of ${allowed} h` : `${allowed} h at most`;
    case "max_disk_gb":
      return typeof found === "number" ? `up to ${gibibytes(found)} of ${allowed} GiB` : `${allowed} GiB at most`;
    case "vram_headroom_gb":
      if (typeof found === "number") return `${formatRough(found)} GiB stay free, of ${allowed} at least`;
      return verdict === "kept" ? "no GPU is used" : `${allowed} GiB at least`;
    case "input_roots":
    case "output_roots":
      if (verdict === "unknown") return `where some of it lies can't be seen; within ${allowed} at best`;
      return Array.isArray(found) && found.length > 0
        ? `outside of ${allowed}: ${found.join("; ")}`
        : `within ${allowed}`;
    case "tasks":
      return `${String(found)}, of ${allowed}`;
    case "require_lock":
      return found === true ? "the lock file is there" : "there is no lock file";
  }
}

function gibibytes(value: number): string {
  return value < 0.1 ? `${formatRough(value * 1024)} MiB` : `${formatRough(value)} GiB`;
}

/** In the limit's unit, but for what is over in minutes. */
function hours(value: number): string {
  return value < 1 ? formatDuration(value * 3600) : `${formatRough(value)} h`;
}
