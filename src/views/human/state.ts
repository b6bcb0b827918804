import { printable } from "../../core/printable.ts";
import type { StateChange } from "../../core/state/compare.ts";
import type { RunInHistory, StageInRun } from "../../core/state/run-history.ts";
import type { StageRecord, State } from "../../core/state/state.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { type Details, lastFew } from "../text/few.ts";
import { tidy } from "../text/printable.ts";
import { count, formatBytes, formatDuration } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";
import { formatTime, withLocalTimes } from "../text/time.ts";

/** Records of pipelines, for people. */

export interface StateViewOptions {
  readonly colour: boolean;
  readonly width: number;
}

/** A record as a list shows it. */
export interface ListedState {
  readonly name: string;
  /** Undefined where there is none, or none that can be read. */
  readonly state: State | undefined;
  /** What is wrong with it, or who has its lock; sentences. */
  readonly remarks: readonly string[];
}

type Tone = (style: Style) => (text: string) => string;

const TONES: Readonly<Record<RunInHistory["outcome"] | "absent", Tone>> = {
  running: (style) => style.note,
  finished: (style) => style.added,
  stopped: (style) => style.changed,
  failed: (style) => style.error,
  lost: (style) => style.error,
  nothing: (style) => style.faint,
  absent: (style) => style.faint,
};

export function viewStateList(listed: readonly ListedState[], options: StateViewOptions): string {
  const style = createStyle(options);
  const head = ["pipeline", "serial", "host", "record"].map((text): Cell => ({ text, colour: style.faint }));
  const rows = listed.map(({ name, state, remarks }): readonly Cell[] => [
    { text: printable(name), colour: style.strong },
    { text: state === undefined ? "–" : String(state.serial), align: "right" },
    { text: printable(state?.host ?? "–") },
    {
      text: [state === undefined ? "no record" : summaryOf(state), ...remarks.map(withLocalTimes)]
        .map(printable)
        .join("\n"),
    },
  ]);
  return tidy(layoutTable([head, ...rows], { columns: options.width, indent: 0 }).join("\n"));
}

/** `train stopped at step 40 of 96; 3 checkpoints`. */
function summaryOf(state: State): string {
  const stages = Object.entries(state.stages).map(([id, record]) => `${id} ${record.status}${progressOf(record)}`);
  const kept = [count(state.checkpoints.length, "checkpoint"), count(state.training_states.length, "training state")];
  return `${stages.length === 0 ? "nothing was begun" : stages.join(", ")}; ${kept.join(", ")}`;
}

/** ` at step 40 of 96`, ` (24 cache files)`, or nothing. */
function progressOf({ done_steps, total_epochs = 0, steps_per_epoch = 0, caches }: StageRecord): string {
  if (caches !== undefined) return ` (${count(Object.keys(caches).length, "cache file")})`;
  const total = total_epochs * steps_per_epoch;
  return done_steps === undefined ? "" : ` at step ${done_steps}${total > 0 ? ` of ${total}` : ""}`;
}

export interface StateShowOptions extends StateViewOptions {
  readonly details: Details;
}

export function viewState({ name, state, remarks }: ListedState, options: StateShowOptions): string {
  const style = createStyle(options);
  const table = (rows: readonly (readonly Cell[])[]) =>
    layoutTable(rows, { columns: options.width, indent: 2, maxCellColumns: 60 });
  const pairs = (rows: readonly (readonly [string, string])[]) =>
    table(rows.map(([key, text]) => [{ text: printable(key), colour: style.faint }, { text: printable(text) }]));
  const few = <Item extends { readonly stage: StageId }>(
    items: readonly Item[],
    row: (item: Item) => readonly [string, string],
  ) => {
    const parts = [...new Set(items.map(({ stage }) => stage))].map((stage) =>
      lastFew(
        items.filter((item) => item.stage === stage),
        options.details,
      ),
    );
    const hidden = parts.reduce((sum, part) => sum + part.hidden, 0);
    const more = hidden === 0 ? [] : [style.faint(`  ${hidden} more: --details shows them.`)];
    return [...pairs(parts.flatMap(({ shown }) => shown.map(row))), ...more];
  };
  if (state === undefined)
    return tidy([style.strong(printable(name)), ...remarks.map(withLocalTimes).map(printable)].join("\n"));
  const stages = Object.entries(state.stages).map(([id, record]): readonly Cell[] => [
    { text: id },
    { text: record.status, colour: TONES[record.status](style) },
    {
      text: printable(
        `${progressOf(record).trim()} in ${record.run}${record.message === undefined ? "" : `: ${record.message}`}`.trim(),
      ),
    },
  ]);
  return tidy(
    [
      style.strong(printable(name)),
      ...pairs([
        ["file", state.file],
        ["host", state.host],
        ["serial", String(state.serial)],
        ["lineage", state.lineage],
        ["last run", state.run ?? "none"],
        ["plan", state.plan_digest ?? "none"],
      ]),
      "",
      ...section(style, "Stages", table(stages)),
      ...section(
        style,
        "Checkpoints",
        few(
          state.checkpoints.toSorted((a, b) => a.step - b.step),
          ({ file, epoch, step, bytes, sha256 }) => [
            file,
            `epoch ${epoch}, step ${step}, ${formatBytes(bytes)}${sha256 === undefined ? "" : `, SHA-256 ${sha256.slice(0, 12)}…`}`,
          ],
        ),
      ),
      ...section(
        style,
        "Training states",
        few(
          state.training_states.toSorted((a, b) => a.done_steps - b.done_steps),
          ({ dir, done_epochs, done_steps }) => [dir, `epoch ${done_epochs}, step ${done_steps}`],
        ),
      ),
      ...section(
        style,
        "Remarks",
        remarks.map((text) => `  ${printable(withLocalTimes(text))}`),
      ),
    ].join("\n"),
  );
}

function section(style: Style, title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [style.strong(title), ...lines, ""];
}

export function viewHistory(name: string, runs: readonly RunInHistory[], options: StateViewOptions): string {
  const style = createStyle(options);
  if (runs.length === 0) return `Nothing was run of ${printable(name)} yet.\n`;
  const rows = runs.flatMap(({ run, outcome, stages }): readonly (readonly Cell[])[] => [
    [
      { text: printable(run), colour: style.strong },
      { text: outcome === "nothing" ? "nothing was begun" : outcome, colour: TONES[outcome](style) },
      { text: "" },
    ],
    ...stages.map((stage): readonly Cell[] => [
      { text: `  ${stage.stage}` },
      { text: stage.outcome, colour: TONES[stage.outcome](style) },
      { text: printable(describeStage(stage)) },
    ]),
  ]);
  return tidy(layoutTable(rows, { columns: options.width, indent: 0, maxCellColumns: 60 }).join("\n"));
}

function describeStage({ action, started, ended, doneSteps, message }: StageInRun): string {
  const seconds = (Date.parse(ended ?? "") - Date.parse(started ?? "")) / 1000;
  return [
    action,
    ...(doneSteps === undefined ? [] : [`step ${doneSteps}`]),
    ...(started === undefined ? [] : [`from ${formatTime(started)}`]),
    ...(Number.isFinite(seconds) && seconds >= 0 ? [`for ${formatDuration(seconds)}`] : []),
    ...(message === undefined ? [] : [message]),
  ].join(", ");
}

/** What a restored record would say otherwise. */
export function viewStateChanges(changes: readonly StateChange[], options: StateViewOptions): string {
  const style = createStyle(options);
  const rows = changes.map(({ what: data, from, to }): readonly Cell[] => {
    const what = withLocalTimes(data);
    if (from === undefined)
      return [{ text: "+", colour: style.added }, { text: printable(what) }, { text: printable(to ?? "") }];
    if (to === undefined)
      return [{ text: "-", colour: style.removed }, { text: printable(what) }, { text: printable(from) }];
    return [{ text: "~", colour: style.changed }, { text: printable(what) }, { text: printable(`${from} → ${to}`) }];
  });
  return tidy(layoutTable(rows, { columns: options.width, indent: 2, maxCellColumns: 24 }).join("\n"));
}
