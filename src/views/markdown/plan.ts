import type { PipelinePlan, Plan } from "../../core/plan/plan.ts";
import { printable } from "../../core/printable.ts";
import { countDiagnostics, sortDiagnostics, viewDiagnostics } from "../human/diagnostics.ts";
import { viewEstimates } from "../human/plan.ts";
import { viewCheckpoints } from "../human/plan-checkpoints.ts";
import type { PlanContext } from "../human/plan-context.ts";
import { viewArguments, viewBuckets, viewFiles } from "../human/plan-files.ts";
import { viewParameters } from "../human/plan-parameters.ts";
import { viewStages } from "../human/plan-stages.ts";
import {
  describeHooks,
  describeTraining,
  describeWork,
  hasChanges,
  leavesSomethingUndone,
  REHEARSAL,
  summarizePipeline,
  summarizePlan,
} from "../plan-summary.ts";

import { count } from "../text/quantity.ts";
import { createStyle } from "../text/style.ts";
import { wrapText } from "../text/wrap.ts";
import { codeSpan, html, prose } from "./escape.ts";
import { type Fold, type FoldedSection, writeFolds } from "./fold.ts";

export interface PlanMarkdownOptions {
  /** Texts of the files that diagnostics point into, by the name they are shown with. */
  readonly sources?: ReadonlyMap<string, string> | undefined;
  /** GitHub refuses comments of more than 65,536; 65,000 if left out. */
  readonly maxCharacters?: number | undefined;
}

const MAX_CHARACTERS = 65_000;
/** Columns of preformatted text: what GitHub shows of a comment without scrolling. */
const COLUMNS = 100;
/** Pipelines with a line of their own; the others are only counted. */
const MAX_SUMMARIES = 50;

const CUT_NOTE = "_Cut to fit into a comment; `wan22 plan` shows all of it._\n";

/** The plan as a comment for a pull request: a line a pipeline, then everything else folded. */
export function viewPlanMarkdown(plan: Plan, options: PlanMarkdownOptions = {}): string {
  const head = viewSummaries(plan);
  const limit = options.maxCharacters ?? MAX_CHARACTERS;
  const folds = [...diagnosticsFold(plan, options), ...plan.pipelines.filter(isShown).map(pipelineFold)];
  const body = writeFolds(folds, limit - head.length - CUT_NOTE.length - 2);
  const parts = [head, ...(body.text === "" ? [] : [body.text]), ...(body.extent === "cut" ? [CUT_NOTE] : [])];
  return parts.join("\n");
}

function isShown(pipeline: PipelinePlan): boolean {
  return pipeline.valid && hasChanges(pipeline);
}

/** The first lines of a comment: what it comes to. */
function viewSummaries(plan: Plan): string {
  const lines = plan.pipelines
    .slice(0, MAX_SUMMARIES)
    .map((pipeline) => `${nameOf(pipeline)}: ${rehearsalOf(pipeline)}${prose(summarizePipeline(pipeline))}`);
  const rest = plan.pipelines.length - lines.length;
  if (rest > 0) lines.push(`and ${count(rest, "pipeline")} more`);
  const found = countDiagnostics(sortDiagnostics(plan.diagnostics));
  const total = [totalOf(plan), ...(found === "" ? [] : [`${found}.`])].filter((text) => text !== "").join(" ");
  const [first = ""] = lines;
  const list = lines.length > 1 ? lines.map((line) => `- ${line}`).join("\n") : first;
  return [list, "", total, ""].join("\n").trimStart();
}

/** Before everything else that is said of it. */
function rehearsalOf({ backend }: PipelinePlan): string {
  return backend === "rehearsal" ? `**${prose(REHEARSAL)}.** ` : "";
}

/** What all pipelines come to together; nothing where none could be planned. */
function totalOf(plan: Plan): string {
  if (plan.pipelines.some(isShown)) return summarizePlan(plan);
  if (plan.pipelines.some((pipeline) => pipeline.valid && leavesSomethingUndone(pipeline, plan))) {
    return "Nothing is to do; see the warnings.";
  }
  return plan.pipelines.some(({ valid }) => valid) ? "No changes." : "";
}

/** A legal name needs no dress; anything else is shown as code. */
function nameOf({ name, file }: PipelinePlan): string {
  return /^[a-z0-9][a-z0-9-]*$/.test(name) ? name : codeSpan(name || file);
}

function diagnosticsFold(plan: Plan, options: PlanMarkdownOptions): readonly Fold[] {
  const sorted = sortDiagnostics(plan.diagnostics);
  if (sorted.length === 0) return [];
  const texts = options.sources ?? new Map<string, string>();
  const text = viewDiagnostics(sorted, { colour: false, width: COLUMNS, texts });
  return [
    {
      summary: html(countDiagnostics(sorted)),
      state: sorted.some(({ severity }) => severity === "error") ? "open" : "closed",
      sections: [{ language: "text", lines: text.trimEnd().split("\n") }],
    },
  ];
}

function pipelineFold(pipeline: PipelinePlan): Fold {
  const full: PlanContext = { style: createStyle({ colour: false }), columns: COLUMNS, details: "full" };
  const hooks = describeHooks(pipeline);
  const sections: readonly FoldedSection[] = [
    {
      language: "text",
      lines: [
        ...wrapText(printable(describeTraining(pipeline)), COLUMNS),
        describeWork(pipeline),
        ...(hooks === undefined ? [] : wrapText(printable(hooks), COLUMNS)),
      ],
    },
    { language: "diff", lines: asDiff([...viewStages(pipeline, full), ...viewCheckpoints(pipeline, full)]) },
    {
      language: "text",
      lines: outdent([
        ...viewEstimates(pipeline, full),
        ...viewBuckets(pipeline, full),
        ...viewParameters(pipeline, full),
      ]),
    },
    { language: "text", lines: outdent(viewFiles(pipeline, full)) },
    { language: "text", lines: outdent(viewArguments(pipeline, full)) },
  ];
  return {
    summary: `<code>${html(pipeline.name)}</code> in <code>${html(pipeline.file)}</code>`,
    state: "closed",
    sections: sections.filter(({ lines }) => lines.length > 0),
  };
}

/** Signs at the beginning of a line, where GitHub colours them, and titles as it colours the head of a hunk. */
function asDiff(lines: readonly string[]): readonly string[] {
  return trimStart(lines.map((line) => (/^ {2}\S/.test(line) ? `@@ ${line.trim()} @@` : line.replace(/^ {4}/, ""))));
}

function outdent(lines: readonly string[]): readonly string[] {
  return trimStart(lines.map((line) => line.replace(/^ {2}/, "")));
}

function trimStart(lines: readonly string[]): readonly string[] {
  const first = lines.findIndex((line) => line !== "");
  return first < 0 ? [] : lines.slice(first);
}
