import { baseName, folderOf } from "../../core/paths.ts";
import type { PipelinePlan } from "../../core/plan/plan.ts";
import { printable } from "../../core/printable.ts";
import { count } from "../text/quantity.ts";
import { formatValue, type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

/** What the trainer will be given: the files it reads and its arguments, as they are. */

/** Buckets of the dataset: what becomes a batch together. */
export function viewBuckets(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const rows = pipeline.dataset.buckets.map(
    ({ source, width, height, frames, items, batches }) =>
      `${indent()}source ${source + 1}: ${width}x${height}, ${count(frames, "frame")}: ${count(items, "item")}, ${count(batches, "batch", "batches")}`,
  );
  return section("Buckets", rows, context);
}

/** Every cache file of the stages that cache, folder by folder: to be made, left as it is, or to go. */
export function viewCacheFiles(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const { added, removed, faint } = context.style;
  return pipeline.stages.flatMap(({ id, cache_files = [], pending = [], leftover = [] }) => {
    const made = new Set(pending);
    const rows = [
      ...cache_files.map((file) => ({ file, mark: made.has(file) ? added("+") : faint("=") })),
      ...leftover.map((file) => ({ file, mark: removed("-") })),
    ];
    const folders = [...new Set(rows.map(({ file }) => folderOf(file)))].sort();
    return folders.flatMap((folder) => {
      const inside = rows.filter(({ file }) => folderOf(file) === folder);
      const lines = inside.map(({ file, mark }) => `${indent()}${mark}  ${printable(baseName(file))}`);
      return section(`Cache files of ${id} in ${printable(folder)}`, lines, context);
    });
  });
}

/** Every file in the work folder; one that several stages read alike is shown once. */
export function viewFiles(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const files = new Map<string, { readonly name: string; readonly text: string; readonly stages: string[] }>();
  for (const stage of pipeline.stages) {
    for (const [name, text] of Object.entries(stage.files)) {
      const key = JSON.stringify([name, text]);
      const known = files.get(key);
      if (known === undefined) files.set(key, { name, text, stages: [stage.id] });
      else known.stages.push(stage.id);
    }
  }
  return [...files.values()].flatMap(({ name, text, stages }) =>
    section(
      `${printable(name)} (${stages.join(", ")})`,
      text
        .trimEnd()
        .split("\n")
        .map((line) => `${indent()}${printable(line.replace(/\r$/, ""))}`.trimEnd()),
      context,
    ),
  );
}

/** A stage's script and its arguments, an option and its values a line. */
export function viewArguments(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  return pipeline.stages.flatMap((stage) => {
    const [script = "", ...args] = stage.argv;
    const lines: string[] = [];
    for (const argument of args) {
      const shown = quoteArgument(argument);
      if (argument.startsWith("--") || lines.length === 0) lines.push(shown);
      else lines.push(`${lines.pop() ?? ""} ${shown}`);
    }
    return section(
      `Arguments of ${stage.id}: ${printable(script)}`,
      lines.map((line) => `${indent()}${line}`),
      context,
    );
  });
}

/** As it is where a reader can see where it begins and ends, in double quotes otherwise. */
function quoteArgument(argument: string): string {
  return /^[^\s"'\\`$]+$/.test(argument) ? formatValue(argument) : `"${printable(argument)}"`;
}

function indent(): string {
  return " ".repeat(ROW_INDENT);
}
