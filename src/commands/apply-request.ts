import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { type Choices, choiceWords } from "../core/plan/choices.ts";
import type { SavedPipeline } from "../core/plan/saved/saved-plan.ts";
import { SAVED_PLAN_CODES } from "../core/plan/saved/saved-plan-codes.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { findSavedPlans, type ReadSavedPlan } from "../prepare/read-saved-plans.ts";
import type { GpuRequest } from "./gpu-pool.ts";
import type { OnSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** How `apply` was asked to go about it. */
export interface ApplyOptions {
  readonly format: "human" | "json";
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
  readonly choices: Choices;
  /** What the pipelines are shared out among; one after the other where it is undefined. */
  readonly gpus: GpuRequest | undefined;
  /** How long to wait for a pipeline or a GPU that another has. */
  readonly lockTimeoutMs: number;
  readonly onSignal: OnSignal;
  /** `detached`: by a runner in the background. */
  readonly runner: "here" | "detached";
  /** What becomes of locks from which something here differs: `keep` refuses to go on. */
  readonly lock: { readonly kind: "keep" } | { readonly kind: "update"; readonly tool: string };
  /** The mark of the plan that was agreed to, where that was elsewhere. */
  readonly plannedAs: string | undefined;
  /** The version of this wan22. */
  readonly tool: string;
  /** What is made of each pipeline's spec first. */
  readonly adapt?: PrepareOptions["adapt"];
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
  const refused = whyRefused({ plans, others }, choices, folder);
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

function whyRefused(
  { plans, others }: { readonly plans: readonly ReadSavedPlan[]; readonly others: readonly string[] },
  choices: Choices,
  folder: string,
): string | undefined {
  const [first] = plans;
  const [other] = others;
  if (first !== undefined && other !== undefined) {
    return `${first.file} is a saved plan and ${other} is none. Apply them one after the other.`;
  }
  const words = choiceWords(choices);
  if (first !== undefined && words.length > 0) {
    const files = first.pipelines.map(({ path }) => relative(folder, path));
    const again = ["wan22 plan", ...words, "--out", first.file, ...files].join(" ");
    return `${first.file} says already what is to be done, and \`${words.join(" ")}\` asks for something else. Plan again with it: \`${again}\`.`;
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
