import type { ApplyEvent } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { Finding } from "../core/doctor/examination.ts";
import type { PipelineList } from "../core/pipeline-list.ts";
import type { Plan } from "../core/plan/plan.ts";
import type { WatchEvent } from "../core/plan/watch/watch-event.ts";
import type { Verification } from "../core/provenance/verification.ts";
import type { QueueList } from "../core/queue.ts";
import type { RunList } from "../core/state/run-list.ts";
import type { State } from "../core/state/state.ts";
import type { Status } from "../core/status.ts";

/** Data for programs. The same data gives the same bytes. */

/** Characters that JSON allows as they are and a terminal would obey, or a reader would not see. */
const RAW_UNPRINTABLE = /[\u007f-\u009f\u00ad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escapeUnprintable(json: string): string {
  return json.replace(RAW_UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Indented by two spaces. */
function indented(data: object): string {
  return `${escapeUnprintable(JSON.stringify(data, null, 2))}\n`;
}

/** The plan as `schemas/plan.schema.json` describes it. */
export function viewPlanJson(plan: Plan): string {
  return indented(plan);
}

/** Pipelines as `schemas/list.schema.json` describes them, in one line: what a workflow passes from job to job has no others. */
export function viewPipelineListJson(list: PipelineList): string {
  return `${escapeUnprintable(JSON.stringify(list))}\n`;
}

/** Diagnostics without a plan, for `validate --format json`. */
export function viewDiagnosticsJson(diagnostics: readonly Diagnostic[]): string {
  return indented({ diagnostics });
}

/** What `doctor --format json` prints: a pipeline's findings, or the machine's where there is none, and what is wrong with files that are none. */
export function viewExaminedJson(examined: {
  readonly machine?: readonly Finding[];
  readonly pipelines: readonly { readonly file: string; readonly findings: readonly Finding[] }[];
  readonly diagnostics: readonly Diagnostic[];
}): string {
  return indented(examined);
}

/** A record as `schemas/state.schema.json` describes it. */
export function viewStateJson(state: State): string {
  return indented(state);
}

/** How pipelines stand, as `schemas/status.schema.json` describes it. */
export function viewStatusJson(status: Status): string {
  return indented(status);
}

/** Queues, as `schemas/queue.schema.json` describes them. */
export function viewQueuesJson(list: QueueList): string {
  return indented(list);
}

/** Runs and archive folders, as `schemas/runs.schema.json` describes them. */
export function viewRunsJson(list: RunList): string {
  return indented(list);
}

/** One event of `apply`, a line of NDJSON. */
export function viewApplyEventJson(event: ApplyEvent): string {
  return `${escapeUnprintable(JSON.stringify(event))}\n`;
}

/** One event of `watch`, a line of NDJSON. */
export function viewWatchEventJson(event: WatchEvent): string {
  return `${escapeUnprintable(JSON.stringify(event))}\n`;
}

/** What is proved of checkpoints, as `schemas/verification.schema.json` describes it. */
export function viewVerificationJson(verification: Verification): string {
  return indented(verification);
}
