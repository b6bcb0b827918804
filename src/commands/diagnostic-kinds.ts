import { LEARNING_CODES, MODEL_CODES, SCHEDULE_CODES } from "../core/check/codes.ts";
import { DATASET_CODES } from "../core/check/dataset-codes.ts";
import type { DiagnosticKind } from "../core/diagnostic.ts";
import { LOCK_CODES } from "../core/lock/codes.ts";
import { PLAN_CODES } from "../core/plan/codes.ts";
import { POLICY_CODES } from "../core/plan/policy/policy-codes.ts";
import { SAVED_PLAN_CODES } from "../core/plan/saved/saved-plan-codes.ts";
import { PROVENANCE_CODES } from "../core/provenance/codes.ts";
import { RENDER_CODES } from "../core/render/codes.ts";
import { RESOLVE_CODES } from "../core/resolve/codes.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { BRANCH_CODES } from "../core/state/branch-codes.ts";
import { STATE_CODES } from "../core/state/codes.ts";
import { TRAINER_CODES } from "../core/trainer/refusal-codes.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { HOST_CODES } from "../host/codes.ts";
import { REVIEW_CODES } from "../host/review-codes.ts";
import { WATCH_CODES } from "../host/watch-codes.ts";
import { PREPARE_CODES } from "../prepare/codes.ts";

/** Every kind of diagnostic there is, by chapter: what `docs/DIAGNOSTICS.md` and `wan22 explain` are made of. */
export const DIAGNOSTIC_CHAPTERS: readonly { readonly title: string; readonly kinds: readonly DiagnosticKind[] }[] = [
  { title: "The pipeline file", kinds: Object.values(SPEC_CODES) },
  { title: "Presets and values", kinds: Object.values(RESOLVE_CODES) },
  { title: "The dataset", kinds: Object.values(DATASET_CODES) },
  {
    title: "The trainer's own refusals",
    kinds: [...Object.values(TRAINER_CODES), ...Object.values(LEARNING_CODES), ...Object.values(SCHEDULE_CODES)],
  },
  { title: "The models and the trainer", kinds: Object.values(MODEL_CODES) },
  { title: "Templates", kinds: Object.values(RENDER_CODES) },
  {
    title: "Plan and state",
    kinds: [
      ...Object.values(PLAN_CODES),
      ...Object.values(SAVED_PLAN_CODES),
      ...Object.values(STATE_CODES),
      ...Object.values(PREPARE_CODES),
    ],
  },
  { title: "Policy", kinds: Object.values(POLICY_CODES) },
  { title: "The lock file", kinds: Object.values(LOCK_CODES) },
  { title: "The state branch", kinds: Object.values(BRANCH_CODES) },
  { title: "A change under review", kinds: Object.values(REVIEW_CODES) },
  { title: "What a run was made from", kinds: Object.values(PROVENANCE_CODES) },
  { title: "Watch", kinds: Object.values(WATCH_CODES) },
  { title: "Apply", kinds: [...Object.values(HOST_CODES), ...Object.values(EXECUTE_CODES)] },
];

/** The kind with a code, in any case. */
export function findDiagnosticKind(code: string): DiagnosticKind | undefined {
  return DIAGNOSTIC_CHAPTERS.flatMap(({ kinds }) => kinds).find((kind) => kind.code === code.toUpperCase());
}
