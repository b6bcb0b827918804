import type { PipelinePlan, Plan } from "../../core/plan/plan.ts";
import { isRefused } from "../../core/plan/policy/policy.ts";
import { printable } from "../../core/printable.ts";
import { countDiagnostics, sortDiagnostics, viewDiagnostics } from "../human/diagnostics.ts";
import { viewEstimates } from "../human/plan.ts";
import { viewBase } from "../human/plan-base.ts";
import { viewCheckpoints } from "../human/plan-checkpoints.ts";
import type { PlanContext } from "../human/plan-context.ts";
import { viewArguments, viewBuckets, viewFiles } from "../human/plan-files.ts";
import { viewParameters } from "../human/plan-parameters.ts";
import { viewPolicy } from "../human/plan-policy.ts";
import { viewStages } from "../human/plan-stages.ts";
import { baseOf, describeChange, describeNothing, REMOVED, removedOf } from "../plan-base.ts";
import {
  describeHooks,
  describeLock,
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
import { codeSpan, hiddenMark, html, prose } from "./escape.ts";
import { type Fold, type FoldedSection, writeFolds } from "./fold.ts";

export interface PlanMarkdownOptions {
  /** Texts of the files that diagnostics point into, by the name they are shown with. */
  readonly sources?: ReadonlyMap<string, string> | undefined;
  /** GitHub refuses comments of more than 65,536; 65,000 if left out. */
  readonly maxCharacters?: number | undefined;
  /** The project's folder in its repository, by which a workflow finds its comment again. No mark if left out. */
  readonly project?: string | undefined;
}

const MAX_CHARACTERS = 65_000;
/** Columns of preformatted text: what GitHub shows of a comment without scrolling. */
const COLUMNS = 100;
/** Pipelines with a line of their own; the others are only counted. */
const MAX_SUMMARIES = 50;

/** Characters of a name or a sentence in those lines. */
const MAX_NAME_CHARACTERS = 120;
const MAX_SENTENCE_CHARACTERS = 400;
/** Of the project's folder, which is in the mark. */
const MAX_PROJECT_CHARACTERS = 1_000;
const CUT_NOTE_CHARACTERS = 140;

/** The plan as a comment for a pull request: a line a pipeline, then everything else folded, and an invisible mark. */
export function viewPlanMarkdown(plan: Plan, options: PlanMarkdownOptions = {}): string {
  const head = viewSummaries(plan);
  const mark = options.project === undefined ? "" : `${hiddenMark(shorten(options.project, MAX_PROJECT_CHARACTERS))}\n`;
  const limit = options.maxCharacters ?? MAX_CHARACTERS;
  const found = diagnosticsFold(plan, options);
  const pipelines = plan.pipelines
    .filter((pipeline) => isShown(pipeline, plan))
    .map((pipeline) => pipelineFold(pipeline, plan));
  // Notes ask nothing of a reviewer: what differs comes before them.
  const areNotes = plan.diagnostics.every(({ severity }) => severity === "note");
  const folds = areNotes ? [...pipelines, ...found] : [...found, ...pipelines];
  const body = writeFolds(folds, limit - head.length - mark.length - CUT_NOTE_CHARACTERS - 3);
  const parts = [
    head,
    ...(body.text === "" ? [] : [body.text]),
    ...(body.extent === "cut" ? [cutNote(body.missing)] : []),
    ...(mark === "" ? [] : [mark]),
  ];
  return parts.join("\n");
}

function cutNote(missing: number): string {
  const left = missing === 0 ? "" : ` The details of ${count(missing, "pipeline")} are left out.`;
  return `_Cut to fit into a comment; \`wan22 plan\` shows all of it.${left}_\n`;
}

function isShown(pipeline: PipelinePlan, plan: Plan): boolean {
  return pipeline.valid && (hasChanges(pipeline) || baseOf(pipeline, plan)?.change === "changed");
}

/** The first lines of a comment: what it comes to. */
function viewSummaries(plan: Plan): string {
  const removed = removedOf(plan);
  const all = [
    ...plan.pipelines.map((pipeline) => () => summaryOf(pipeline, plan)),
    ...removed.map((pipeline) => () => `${nameOf(pipeline)}: ${REMOVED}`),
  ];
  const lines = all.slice(0, MAX_SUMMARIES).map((write) => write());
  const rest = all.length - lines.length;
  if (rest > 0) lines.push(`and ${count(rest, "pipeline")} more`);
  if (lines.length === 0 && plan.base !== undefined)
    lines.push(prose(shorten(describeNothing(plan.base), MAX_SENTENCE_CHARACTERS)));
  const found = countDiagnostics(sortDiagnostics(plan.diagnostics));
  const total = [totalOf(plan), ...(found === "" ? [] : [`${found}.`])].filter((text) => text !== "").join(" ");
  const [first = ""] = lines;
  const list = lines.length > 1 ? lines.map((line) => `- ${line}`).join("\n") : first;
  return [list, total].flatMap((part) => (part === "" ? [] : [`${part}\n`])).join("\n");
}

function summaryOf(pipeline: PipelinePlan, plan: Plan): string {
  const sentence = prose(shorten(summarizePipeline(pipeline), MAX_SENTENCE_CHARACTERS));
  return [
    `${nameOf(pipeline)}: ${refusalOf(pipeline)}${rehearsalOf(pipeline)}${sentence}`,
    lockOf(pipeline),
    changeOf(pipeline, plan),
  ].join("");
}

/** Last of all: whether the change is what the plan comes of. */
function changeOf(pipeline: PipelinePlan, plan: Plan): string {
  const entry = baseOf(pipeline, plan);
  if (entry === undefined || plan.base === undefined) return "";
  return ` · ${prose(shorten(describeChange(entry, plan.base), MAX_SENTENCE_CHARACTERS))}`;
}

function shorten(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  // Never between the halves of a surrogate pair.
  return `${text.slice(0, maxCharacters).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** Before everything else that is said of it. */
function rehearsalOf({ backend }: PipelinePlan): string {
  return backend === "rehearsal" ? `**${prose(REHEARSAL)}.** ` : "";
}

/** Whoever reads nothing else of a pull request shall read this. */
function refusalOf(pipeline: PipelinePlan): string {
  return isRefused(pipeline) ? "**Refused by the policy.** " : "";
}

/** After what it comes to: a reviewer should know that nobody looked at the things themselves. */
function lockOf({ planned_from: from }: PipelinePlan): string {
  return from === undefined ? "" : ` · planned from ${codeSpan(shorten(from.lock, MAX_NAME_CHARACTERS))}`;
}

/** What all pipelines come to together; nothing where none could be planned. */
function totalOf(plan: Plan): string {
  if (plan.pipelines.some(hasChanges)) return summarizePlan(plan);
  if (plan.pipelines.some((pipeline) => pipeline.valid && leavesSomethingUndone(pipeline, plan))) {
    return "Nothing is to do; see the warnings.";
  }
  return plan.pipelines.some(({ valid }) => valid) ? "No changes." : "";
}

/** A legal name needs no dress; anything else is shown as code. */
function nameOf({ name, file }: Pick<PipelinePlan, "name" | "file">): string {
  const shown = shorten(name || file, MAX_NAME_CHARACTERS);
  return /^[a-z0-9][a-z0-9-]*\u2026?$/.test(shown) ? shown : codeSpan(shown);
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
      sections: [{ language: "text", rank: 0, lines: text.trimEnd().split("\n") }],
    },
  ];
}

function pipelineFold(pipeline: PipelinePlan, plan: Plan): Fold {
  const full: PlanContext = { style: createStyle({ colour: false }), columns: COLUMNS, details: "full" };
  const hooks = describeHooks(pipeline);
  const lock = describeLock(pipeline);
  const entry = baseOf(pipeline, plan);
  const base = entry === undefined || plan.base === undefined ? [] : viewBase(entry, plan.base, full);
  const sections: readonly FoldedSection[] = [
    {
      language: "text",
      rank: 0,
      lines: [
        ...wrapText(printable(describeTraining(pipeline)), COLUMNS),
        describeWork(pipeline),
        ...(lock === undefined ? [] : wrapText(printable(lock), COLUMNS)),
        ...(hooks === undefined ? [] : wrapText(printable(hooks), COLUMNS)),
      ],
    },
    { language: "diff", rank: 1, lines: asDiff(base) },
    { language: "diff", rank: 2, lines: asDiff([...viewStages(pipeline, full), ...viewCheckpoints(pipeline, full)]) },
    {
      language: "text",
      rank: 3,
      lines: outdent([
        ...viewEstimates(pipeline, full),
        ...viewPolicy(pipeline, full),
        ...viewBuckets(pipeline, full),
        ...viewParameters(pipeline, full),
      ]),
    },
    { language: "text", rank: 4, lines: outdent(viewFiles(pipeline, full)) },
    { language: "text", rank: 5, lines: outdent(viewArguments(pipeline, full)) },
  ];
  return {
    summary: `<code>${html(shorten(pipeline.name, MAX_NAME_CHARACTERS))}</code> in <code>${html(shorten(pipeline.file, MAX_SENTENCE_CHARACTERS))}</code>`,
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
