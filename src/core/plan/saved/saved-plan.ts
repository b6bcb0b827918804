import * as z from "zod";
import { type Diagnostic, diagnose, type Outcome } from "../../diagnostic.ts";
import { fieldOf, parseJson } from "../../json.ts";
import { STAGE_IDS } from "../../vocabulary.ts";
import { canonicalJson, type Sha256 } from "../canonical.ts";
import type { Choices } from "../choices.ts";
import { type PipelinePlan, planSchema } from "../plan.ts";
import { bindingSchema } from "./binding.ts";
import { SAVED_PLAN_CODES } from "./saved-plan-codes.ts";

/** A plan in a file (`wan22 plan --out`): what would happen, and what that was made from. */

const FORMAT = "wan22-saved-plan";
const VERSION = 1;

const choicesSchema = z.strictObject({
  only: z.array(z.enum(STAGE_IDS)).optional().describe("Stages that may run; the others wait"),
  replace: z.array(z.enum(STAGE_IDS)).optional().describe("Stages to start over"),
  from: z.enum(STAGE_IDS).optional().describe("The stage from which all start over"),
  from_epoch: z.number().int().optional().describe("The epoch that training goes on from"),
  gpu_pool: z.array(z.number().int()).optional().describe("Devices that the pipelines are shared out among"),
});

export const savedPlanSchema = z
  .strictObject({
    format: z.literal(FORMAT).describe("What this file is, whatever its name"),
    version: z.literal(VERSION).describe("Version of this format"),
    choices: choicesSchema.describe("What was asked for beside the files"),
    plan: planSchema
      .omit({ base: true })
      .describe("What would happen, as `plan --format json` prints it; paths as the files write them"),
    made_from: z
      .array(
        z.strictObject({
          project: z.string().describe("The pipeline's project, seen from the one where the plan was saved"),
          file: z.string().describe("The pipeline file, seen from its project"),
          binding: bindingSchema,
        }),
      )
      .describe("What each pipeline of the plan was made from, in their order"),
    digest: z.string().describe("Of everything above: tells a whole file from one that was cut short or edited"),
  })
  .describe("What `wan22 plan --out FILE` saves and `wan22 apply FILE` carries out");

export type SavedPlan = z.infer<typeof savedPlanSchema>;
export type MadeFrom = SavedPlan["made_from"][number];

/** One pipeline of a saved plan. */
export interface SavedPipeline {
  readonly plan: PipelinePlan;
  readonly madeFrom: MadeFrom;
  readonly choices: Choices;
}

export function savedPipelines({ plan, made_from, choices }: SavedPlan): readonly SavedPipeline[] {
  const { from_epoch: fromEpoch, gpu_pool: gpuPool, ...rest } = choices;
  return plan.pipelines.flatMap((pipeline, index) => {
    const madeFrom = made_from[index];
    return madeFrom === undefined ? [] : [{ plan: pipeline, madeFrom, choices: { ...rest, fromEpoch, gpuPool } }];
  });
}

export interface NewSavedPlan extends Pick<SavedPlan, "plan" | "made_from"> {
  readonly choices: Choices;
}

/** The text of a file that holds a plan. */
export function writeSavedPlan({ choices, plan, made_from }: NewSavedPlan, sha256: Sha256): string {
  const { only = [], replace = [], from, fromEpoch, gpuPool } = choices;
  const named: Omit<SavedPlan, "digest"> = {
    format: FORMAT,
    version: VERSION,
    choices: {
      ...(only.length === 0 ? {} : { only: [...only] }),
      ...(replace.length === 0 ? {} : { replace: [...replace] }),
      ...(from === undefined ? {} : { from }),
      ...(fromEpoch === undefined ? {} : { from_epoch: fromEpoch }),
      ...(gpuPool === undefined ? {} : { gpu_pool: [...gpuPool] }),
    },
    plan,
    made_from,
  };
  return `${JSON.stringify({ ...named, digest: sha256(canonicalJson(named)) }, null, 2)}\n`;
}

/** As a saved plan begins, also one that was cut short. */
const BEGINNING = new RegExp(`^\\s*\\{\\s*"format"\\s*:\\s*"${FORMAT}"`);

/** Whether a text is a saved plan, whole or not: by its content, whatever the file's name. */
export function isSavedPlan(text: string): boolean {
  if (BEGINNING.test(text)) return true;
  return text.trimStart().startsWith("{") && fieldOf(parseJson(text), "format") === FORMAT;
}

/** Reads a text that is a saved plan. `file` as shown to people. Never throws. */
export function readSavedPlan(text: string, { file, sha256 }: { file: string; sha256: Sha256 }): Outcome<SavedPlan> {
  const at = { file };
  const refuse = (diagnostic: Diagnostic): Outcome<SavedPlan> => ({ value: undefined, diagnostics: [diagnostic] });
  const damaged = (why: string) =>
    refuse(diagnose(SAVED_PLAN_CODES.damaged, `${file} ${why}. Plan again: \`wan22 plan --out ${file}\`.`, { at }));
  const json = parseJson(text);
  if (json === undefined) return damaged("is cut short, or no JSON any more");
  const version = fieldOf(json, "version");
  if (typeof version === "number" && version > VERSION) {
    const detail = `${file} has version ${version}; this wan22 reads versions up to ${VERSION}. Update wan22 on this machine, or plan again with this one.`;
    return refuse(diagnose(SAVED_PLAN_CODES.newer, detail, { at }));
  }
  if (typeof json === "object" && json !== null) {
    const { digest, ...named } = json as Readonly<Record<string, unknown>>;
    if (sha256(canonicalJson(named)) !== digest) return damaged("is not what was saved: it was edited, or damaged");
  }
  const parsed = savedPlanSchema.safeParse(json);
  if (parsed.success && parsed.data.made_from.length === parsed.data.plan.pipelines.length) {
    return { value: parsed.data, diagnostics: [] };
  }
  const path = parsed.error?.issues[0]?.path.map(String).join(".") ?? "made_from";
  return damaged(`was saved by a wan22 whose plans look otherwise: \`${path}\` is not what this one saves there`);
}
