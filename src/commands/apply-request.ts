import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { Choices } from "../core/plan/choices.ts";
import type { SavedPipeline } from "../core/plan/saved-plan.ts";
import { SAVED_PLAN_CODES } from "../core/plan/saved-plan-codes.ts";
import { findSavedPlans, type ReadSavedPlan } from "../prepare/saved-plans.ts";
import { choiceWords } from "./command-line.ts";
import type { OnSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** How `apply` was asked to go about it. */
export interface ApplyOptions {
  readonly format: "human" | "json";
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
  readonly choices: Choices;
  /** How long to wait for a pipeline or a GPU that another has. */
  readonly lockTimeoutMs: number;
  readonly onSignal: OnSignal;
  /** `detached`: by a runner in the background. */
  readonly runner: "here" | "detached";
  /** The mark of the plan that was agreed to, where that was elsewhere. */
  readonly plannedAs: string | undefined;
}

/** What `apply` was asked for: pipeline files as they are, or plans that were saved. */
export interface ApplyRequest {
  /** Pipeline files to plan. */
  readonly files: readonly string[];
  readonly choices: Choices;
  /** Of saved plans: all their pipelines. */
  readonly saved?: SavedRequest;
}

export interface SavedRequest {
  readonly pipelines: readonly SavedPipeline[];
  readonly savedOf: (pipeline: {
    readonly root: string;
    readonly spec: { readonly file: string };
  }) => SavedPipeline | undefined;
}

/** Tells saved plans from pipelines, and refuses what would make them another plan than was saved. */
export async function readRequest(
  files: readonly string[],
  choices: Choices,
  { folder }: Pick<Terminal, "folder">,
): Promise<ApplyRequest | readonly Diagnostic[]> {
  const { plans, others, diagnostics } = await findSavedPlans([...new Set(files)], folder);
  if (diagnostics.length > 0) return diagnostics;
  const [first] = plans;
  if (first === undefined) return { files, choices };
  const refused = whyRefused(plans, others, choices);
  if (refused !== undefined) return [diagnose(SAVED_PLAN_CODES.saidAlready, refused, { at: { file: first.file } })];
  const byPath = new Map(plans.flatMap(({ pipelines }) => pipelines.map((pipeline) => [pipeline.path, pipeline])));
  return {
    files: [...byPath.keys()].map((path) => relative(folder, path)),
    choices: {},
    saved: {
      pipelines: [...byPath.values()],
      savedOf: ({ root, spec }) => byPath.get(resolve(root, spec.file)),
    },
  };
}

function whyRefused(plans: readonly ReadSavedPlan[], others: readonly string[], choices: Choices): string | undefined {
  const [first] = plans;
  const [other] = others;
  if (first !== undefined && other !== undefined) {
    return `${first.file} is a saved plan and ${other} is none. Apply them one after the other.`;
  }
  const words = choiceWords(choices);
  if (first !== undefined && words.length > 0) {
    return `${first.file} says already what is to be done, and \`${words.join(" ")}\` asks for something else. Plan again with it: \`wan22 plan ${words.join(" ")} --out ${first.file}\`.`;
  }
  const owners = new Map<string, string>();
  for (const { file, pipelines } of plans) {
    for (const { path, madeFrom } of pipelines) {
      const owner = owners.get(path);
      if (owner !== undefined) return `${owner} and ${file} both hold a plan of ${madeFrom.file}. Apply one of them.`;
      owners.set(path, file);
    }
  }
  return undefined;
}
