import type { Diagnostic } from "../diagnostic.ts";
import { PLAN_FORMAT_VERSION } from "./format-version.ts";
import type { PipelinePlan, Plan } from "./plan.ts";

/** Puts the plans of several pipelines and everything found about them into one. */
export function assemblePlan(pipelines: readonly PipelinePlan[], diagnostics: readonly Diagnostic[]): Plan {
  return {
    format_version: PLAN_FORMAT_VERSION,
    changes: pipelines.some(changesSomething),
    pipelines: [...pipelines],
    diagnostics: diagnostics.map(({ related, range, ...diagnostic }) => ({
      ...diagnostic,
      ...(range === undefined ? {} : { range: { ...range } }),
      related: related.map(({ file, message, range: where }) => ({
        message,
        file,
        ...(where === undefined ? {} : { range: { ...where } }),
      })),
    })),
  };
}

/** Files that stay as they are, whatever a plan does; orphans are only named. */
const STAYS: readonly string[] = ["keep", "orphan"];

function changesSomething({ valid, stages, checkpoints }: PipelinePlan): boolean {
  if (!valid) return false;
  return stages.some(({ action }) => action !== "none") || checkpoints.some(({ action }) => !STAYS.includes(action));
}
