import { formatBytes } from "../../core/bytes.ts";
import { printable } from "../../core/printable.ts";
import type { KeptItem, PruneItem, PruneKind, PrunePlan } from "../../core/state/prune-plan.ts";
import { PRUNE_KINDS } from "../../core/state/prune-plan.ts";
import type { RunList } from "../../core/state/run-list.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { type Details, lastFew } from "../text/few.ts";
import { tidy } from "../text/printable.ts";
import { count } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";
import { formatTime } from "../text/time.ts";
import { wrapText } from "../text/wrap.ts";
import { pipelineFileText } from "./pipeline-file.ts";

/** Runs, what they have archived, and what of it may go. */

export interface RunsViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

const INDENT = 4;

export interface RunsElsewhere {
  readonly details: Details;
  /** A sentence for pipelines that have run elsewhere and not here, by their names. */
  readonly elsewhere: ReadonlyMap<string, string>;
}

/** Every run and every archive folder of each pipeline; what lies in one is named whole with all details. */
export function viewRuns(
  { pipelines }: RunList,
  { colour, width, details, elsewhere }: RunsViewOptions & RunsElsewhere,
): string {
  const style = createStyle({ colour });
  const blocks = pipelines.map(({ name, file, renamed, runs, archives }) => {
    const runRows = runs.map(({ run, started, outcome, stages, bytes, history }): readonly Cell[] => [
      cell(run),
      cell(started === undefined ? "" : formatTime(started)),
      cell(outcome, toneOf(outcome, style)),
      { ...cell(formatBytes(bytes)), align: "right" },
      cell(
        [
          stages.map((stage) => `${stage.id} (${stage.action}): ${stage.outcome}`).join(", "),
          ...(history === "living" ? [] : ["of a history that was given up"]),
        ].join("; "),
      ),
    ]);
    const archiveRows = archives.map(({ folder, run, files, bytes }): readonly Cell[] => [
      cell(folder),
      { ...cell(formatBytes(bytes)), align: "right" },
      cell(`moved there by ${run}: ${namesText(files, details)}`),
    ]);
    const total = runs.reduce((sum, { bytes }) => sum + bytes, 0);
    const archived = archives.reduce((sum, { bytes }) => sum + bytes, 0);
    return [
      style.strong(`${printable(name)} (${pipelineFileText({ file, renamed })})`),
      ...part(`${count(runs.length, "run")}, ${formatBytes(total)}`, runRows, { style, width }),
      ...(elsewhere.has(name)
        ? wrapText(printable(elsewhere.get(name) ?? ""), width - INDENT).map((line) => " ".repeat(INDENT) + line)
        : []),
      ...(archives.length === 0
        ? []
        : part(`${count(archives.length, "archive folder")}, ${formatBytes(archived)}`, archiveRows, { style, width })),
    ].join("\n");
  });
  return tidy(blocks.join("\n\n"));
}

/** The last by name are the checkpoint and the training state that it ended with. */
function namesText(files: readonly string[], details: Details): string {
  const { shown, hidden } = lastFew(files.toSorted(), details);
  return hidden === 0 ? shown.join(", ") : `${shown.join(", ")} and ${hidden} more`;
}

const TITLES: Readonly<Record<PruneKind, string>> = {
  archive: "Archive folders",
  run: "Runs that nothing needs any more",
  log: "What runners in the background said that are gone",
  cache: "Caches that no pipeline uses any more",
  store: "Items that no pipeline takes from the store any more",
  temporary: "Temporary files that killed processes left",
};

/** What would be removed, grouped, with its bytes; and what stays and why. */
export function viewPrune(plans: readonly PrunePlan[], { colour, width }: RunsViewOptions): string {
  const style = createStyle({ colour });
  const blocks = plans.map(({ pipeline, items, kept }) => {
    const parts = PRUNE_KINDS.flatMap((kind) => {
      const own = items.filter((item) => item.kind === kind);
      if (own.length === 0) return [];
      return part(
        `${TITLES[kind]} (${formatBytes(sumOf(own))})`,
        own.map((item) => itemRow(item, style)),
        { style, width },
      );
    });
    const keptRows = kept.map((item) => keptRow(item, style));
    const stays = keptRows.length === 0 ? [] : part("Kept", keptRows, { style, width });
    const nothing = items.length === 0 ? ["  Nothing is to be removed."] : [];
    return [style.strong(printable(pipeline)), ...nothing, ...parts, ...stays].join("\n");
  });
  const all = plans.flatMap(({ items }) => items);
  const total = `Prune: ${countKinds(all)}, ${formatBytes(sumOf(all))} in all.`;
  return tidy([...blocks, ...(all.length === 0 ? [] : [style.strong(total)])].join("\n\n"));
}

function itemRow({ path, bytes, text }: PruneItem, style: Style): readonly Cell[] {
  return [
    { text: "-", colour: style.removed },
    cell(path),
    { ...cell(formatBytes(bytes)), align: "right" },
    cell(text, style.faint),
  ];
}

function keptRow({ path, why }: KeptItem, style: Style): readonly Cell[] {
  return [cell(path), cell(why, style.faint)];
}

const NOUNS: Readonly<Record<PruneKind, string>> = {
  archive: "archive folder",
  run: "run",
  log: "background log",
  cache: "cache folder",
  store: "cache store",
  temporary: "temporary file",
};

function countKinds(items: readonly PruneItem[]): string {
  return PRUNE_KINDS.flatMap((kind) => {
    const own = items.filter((item) => item.kind === kind).length;
    return own === 0 ? [] : [count(own, NOUNS[kind])];
  }).join(", ");
}

function sumOf(items: readonly PruneItem[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

function part(
  title: string,
  rows: readonly (readonly Cell[])[],
  { style, width }: { readonly style: Style; readonly width: number },
): readonly string[] {
  return ["", `  ${style.strong(title)}`, ...layoutTable(rows, { columns: width, indent: INDENT, maxCellColumns: 60 })];
}

function cell(text: string, colour?: (text: string) => string): Cell {
  return { text: printable(text), ...(colour === undefined ? {} : { colour }) };
}

function toneOf(outcome: string, style: Style): (text: string) => string {
  if (outcome === "finished") return style.added;
  return outcome === "failed" ? style.error : style.warning;
}

/** What was removed, in a line. */
export function describePruned({ bytes, items }: { readonly bytes: number; readonly items: number }): string {
  return `Removed ${count(items, "folder or file", "folders and files")}, ${formatBytes(bytes)}.`;
}
