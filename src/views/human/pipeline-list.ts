import type { PipelineList } from "../../core/pipeline-list.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { tidy } from "../text/printable.ts";
import { gpuNames } from "../text/quantity.ts";
import { createStyle } from "../text/style.ts";
import { cell } from "./plan-context.ts";

export interface PipelineListOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

/** A line a pipeline: its name, what it is, and what `plan` and `apply` take for it. Ends with a line break. */
export function viewPipelineList({ include }: PipelineList, { colour, width }: PipelineListOptions): string {
  const style = createStyle({ colour });
  const rows = include.map(({ name, task, noise, hardware, gpus, address, valid }): readonly Cell[] => [
    cell(name, style.strong),
    cell(task),
    cell(noise === "" ? "" : `noise ${noise}`),
    cell([hardware, ...(gpus.length === 0 ? [] : [gpuNames(gpus)])].filter((part) => part !== "").join(", ")),
    valid ? { text: "" } : { text: "not valid", colour: style.error },
    cell(address),
  ]);
  return tidy(layoutTable(rows, { columns: width, indent: 0, maxCellColumns: 48 }).join("\n"));
}
