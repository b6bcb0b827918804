import type { Diagnostic } from "../../core/diagnostic.ts";
import { isCarriedOut } from "../../core/plan/carried-out.ts";
import type { PipelinePlan, Plan } from "../../core/plan/plan.ts";
import { isRefused } from "../../core/plan/policy/policy.ts";
import { printable } from "../../core/printable.ts";
import { baseOf, describeChange, describeNothing, REMOVED, removedOf } from "../plan-base.ts";
import {
  describeHooks,
  describeLock,
  describeTraining,
  describeWork,
  formatEstimate,
  hasChanges,
  leavesSomethingUndone,
  summarizePipeline,
  summarizePlan,
} from "../plan-summary.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import type { Details } from "../text/few.ts";
import { printableLines, tidy } from "../text/printable.ts";
import { listWords } from "../text/quantity.ts";
import { wrapSpans } from "../text/spans.ts";
import { createStyle } from "../text/style.ts";
import { withLocalTimes } from "../text/time.ts";
import { textColumns } from "../text/width.ts";
import { wrapText } from "../text/wrap.ts";
import { formatPlace, sortDiagnostics, viewDiagnostics } from "./diagnostics.ts";
import { viewBase } from "./plan-base.ts";
import { viewCheckpoints } from "./plan-checkpoints.ts";
import { indentText, type PlanContext, ROW_INDENT, recolour, section } from "./plan-context.ts";
import { viewArguments, viewBuckets, viewCacheFiles, viewFiles } from "./plan-files.ts";
import { viewParameters } from "./plan-parameters.ts";
import { viewPolicy } from "./plan-policy.ts";
import { viewStages } from "./plan-stages.ts";

export interface PlanViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal; 80 if left out. */
  readonly width?: number | undefined;
  /** Texts of the files that diagnostics point into, by the name they are shown with. */
  readonly sources?: ReadonlyMap<string, string> | undefined;
  /** `summary` if left out. */
  readonly details?: Details | undefined;
  /** The command that carries a plan of these files out; `none` where nobody needs to be told. `wan22 apply FILES` if left out. */
  readonly applyCommand?: ((files: readonly string[]) => string) | "none" | undefined;
  /** `stages`: what is done and why, and which rules are broken; for a log, in which nobody weighs values. `all` if left out. */
  readonly sections?: "all" | "stages" | undefined;
}

const DEFAULT_COLUMNS = 80;
const NARROWEST_COLUMNS = 40;

/** The plan for people: what would happen and why, what it takes, what is wrong. Ends with a line break. */
export function viewPlanHuman(plan: Plan, options: PlanViewOptions): string {
  const context: PlanContext = {
    style: createStyle(options),
    columns: columnsOf(options.width),
    details: options.details ?? "summary",
  };
  const changing = plan.pipelines.filter((pipeline) => pipeline.valid && hasChanges(pipeline));
  const shown =
    context.details === "full"
      ? plan.pipelines.filter(({ valid }) => valid)
      : plan.pipelines.filter(
          (pipeline) => changing.includes(pipeline) || (pipeline.valid && baseOf(pipeline, plan)?.change === "changed"),
        );
  const view = options.sections === "stages" ? viewDeeds : viewPipeline;
  const blocks = shown.map((pipeline) => view(pipeline, plan, context).join("\n"));
  // Before a plan a note is worth reading; where nothing is to do, or of a pipeline with nothing to do, it was read long ago.
  const quiet = blocks.length === 0 && plan.pipelines.every(({ valid }) => valid);
  const isUnchanged = (file: string) => {
    const own = plan.pipelines.filter((one) => one.file === file);
    return own.length > 0 && own.every((one) => one.valid && !shown.includes(one));
  };
  const isRead = ({ severity, file }: Diagnostic) =>
    severity === "note" && (quiet || (file !== undefined && isUnchanged(file)));
  const found = sortDiagnostics(plan.diagnostics).filter((one) => !isRead(one));
  const notes = found.filter(({ severity }) => severity === "note");
  const faults = found.filter(({ severity }) => severity !== "note");
  if (notes.length > 0) blocks.push(viewNotes(notes, context).join("\n"));
  if (faults.length > 0) {
    blocks.push(
      viewDiagnostics(faults, {
        colour: options.colour,
        width: context.columns,
        texts: options.sources ?? new Map(),
      }).trimEnd(),
    );
  }
  const end = viewEnd(plan, changing, options.applyCommand, context).join("\n");
  if (end !== "") blocks.push(end);
  return tidy(blocks.join("\n\n"));
}

/** A terminal that doesn't know its width says 0; below the narrowest nothing could be laid out. */
function columnsOf(width: number | undefined): number {
  return width === undefined || !(width > 0) ? DEFAULT_COLUMNS : Math.max(NARROWEST_COLUMNS, width);
}

function viewPipeline(pipeline: PipelinePlan, plan: Plan, context: PlanContext): readonly string[] {
  const entry = baseOf(pipeline, plan);
  return [
    ...viewHead(pipeline, plan, context),
    ...(entry === undefined || plan.base === undefined ? [] : viewBase(entry, plan.base, context)),
    ...viewStages(pipeline, context),
    ...viewCheckpoints(pipeline, context),
    ...viewEstimates(pipeline, context),
    ...viewPolicy(pipeline, context),
    ...viewParameters(pipeline, context),
    ...(context.details === "full"
      ? [
          ...viewBuckets(pipeline, context),
          ...viewCacheFiles(pipeline, context),
          ...viewFiles(pipeline, context),
          ...viewArguments(pipeline, context),
        ]
      : []),
  ];
}

function viewDeeds(pipeline: PipelinePlan, plan: Plan, context: PlanContext): readonly string[] {
  const broken = (pipeline.policy ?? []).filter(({ verdict }) => verdict !== "kept");
  return [
    ...viewHead(pipeline, plan, context),
    ...viewStages(pipeline, context),
    ...viewPolicy({ ...pipeline, policy: broken }, context),
  ];
}

function viewHead(pipeline: PipelinePlan, plan: Plan, { style, columns }: PlanContext): readonly string[] {
  const entry = baseOf(pipeline, plan);
  const change = entry === undefined || plan.base === undefined ? "" : ` · ${describeChange(entry, plan.base)}`;
  const summary = printable(`${pipeline.name}: ${summarizePipeline(pipeline)}${change}`);
  const [first = "", ...rest] = wrapText(summary, columns - 2);
  const hooks = describeHooks(pipeline);
  const lock = describeLock(pipeline);
  const about = pipeline.backend === "rehearsal" ? style.warning : style.faint;
  return [
    style.strong(first),
    ...rest.map((line) => `  ${style.strong(line)}`),
    ...indentText(printable(describeTraining(pipeline)), columns).map((line) => recolour(line, about)),
    ...indentText(describeWork(pipeline), columns),
    ...(lock === undefined ? [] : indentText(printable(lock), columns).map((line) => recolour(line, style.warning))),
    ...(hooks === undefined ? [] : indentText(printable(hooks), columns)),
  ];
}

/** What it takes, with the ground of each figure. */
export function viewEstimates(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const rows = Object.entries(pipeline.estimates).map(([name, estimate]): readonly Cell[] => [
    { text: printable(name).replaceAll("_", " ") },
    { text: printable(formatEstimate(estimate)) },
    { text: printable(estimate.basis), colour: context.style.faint },
  ]);
  return section("Estimates", layoutTable(rows, { columns: context.columns, indent: ROW_INDENT }), context);
}

/** Notes without their lines of text: they say what was decided, and nothing is to be mended. */
function viewNotes(notes: readonly Diagnostic[], { style, columns }: PlanContext): readonly string[] {
  const lines = notes.flatMap((note) => {
    const place =
      note.file === undefined
        ? ""
        : ` (${formatPlace({ file: note.file, ...(note.range === undefined ? {} : { range: note.range }) })})`;
    const text = `${printable(note.summary)}: ${printableLines(withLocalTimes(note.detail))}${place}`;
    const head = `    ${printable(note.code)}  `;
    return wrapText(text, Math.max(20, columns - head.length)).map((line, index) =>
      (index === 0 ? style.note(head) + line : " ".repeat(head.length) + line).trimEnd(),
    );
  });
  return [`  ${style.strong("Notes")}`, ...lines];
}

/** The last lines: what was counted, and how to go on. */
function viewEnd(
  plan: Plan,
  changing: readonly PipelinePlan[],
  applyCommand: PlanViewOptions["applyCommand"],
  { style, columns }: PlanContext,
): readonly string[] {
  const invalid = plan.pipelines.filter(({ valid }) => !valid);
  const same = plan.pipelines.filter((pipeline) => pipeline.valid && !hasChanges(pipeline));
  const lines: string[] = [];
  const removed = removedOf(plan);
  for (const { name, file } of removed) lines.push(...wrapText(printable(`${name || file}: ${REMOVED}.`), columns));
  if (plan.pipelines.length === 0 && removed.length === 0 && plan.base !== undefined) {
    lines.push(...wrapText(describeNothing(plan.base), columns));
  }
  if (invalid.length > 0) {
    const names = listWords(invalid.map((pipeline) => printable(distinctName(pipeline, plan))));
    lines.push(...wrapText(`${names} can't be planned; see the errors above.`, columns).map(style.error));
  }
  const left = same.filter((pipeline) => leavesSomethingUndone(pipeline, plan));
  const asDescribed = same.filter((pipeline) => !left.includes(pipeline));
  if (asDescribed.length > 0) {
    const names = listWords(asDescribed.map(({ name }) => printable(name)));
    const text = `${names} ${asDescribed.length === 1 ? "is" : "are"} as described; nothing is to do.`;
    lines.push(...startWith("No changes.", text, style.added, columns));
  }
  if (left.length > 0) {
    const names = listWords(left.map(({ name }) => printable(name)));
    lines.push(...startWith("Nothing is to do", `for ${names}; see the warnings above.`, style.warning, columns));
  }
  if (changing.length > 0) {
    lines.push(...wrapText(summarizePlan(plan), columns).map(style.strong));
    const refused = changing.filter(isRefused);
    if (refused.length > 0) {
      const names = listWords(refused.map((pipeline) => printable(distinctName(pipeline, plan))));
      const text = `${names}: apply refuses ${refused.length === 1 ? "it" : "them"} for the policy in wan22.yaml; see above.`;
      lines.push(...wrapText(text, columns).map(style.error));
    }
    const allowed = changing.filter((pipeline) => !isRefused(pipeline));
    if (applyCommand !== "none" && runsAnything(allowed)) {
      const files = [...new Set(allowed.map(({ file }) => file))];
      const command = applyCommand === undefined ? `wan22 apply ${files.join(" ")}` : applyCommand(files);
      lines.push(...viewCommand("Apply it with:", printable(command), columns));
    }
  }
  return lines;
}

/** Whether applying starts anything, or all that would have something to do waits (`--only`). */
function runsAnything(pipelines: readonly PipelinePlan[]): boolean {
  return pipelines.some(({ stages }) => stages.some(isCarriedOut));
}

/** A sentence whose beginning is coloured. */
function startWith(start: string, rest: string, colour: (text: string) => string, columns: number): readonly string[] {
  return wrapSpans([{ text: start, colour }, { text: ` ${rest}` }], { columns, hanging: 0 });
}

/** A command in one line, whatever the terminal makes of it: pasted with a line break in it, half of it would run. */
function viewCommand(title: string, command: string, columns: number): readonly string[] {
  const line = `${title} ${command}`;
  return textColumns(line) <= columns ? [line] : [title, `  ${command}`];
}

/** A pipeline's name, or its file where the name is missing or another one's too. */
function distinctName({ name, file }: PipelinePlan, { pipelines }: Plan): string {
  return name === "" || pipelines.some((other) => other.name === name && other.file !== file) ? file : name;
}
