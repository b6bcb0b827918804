import type { Choices } from "../../core/plan/choices.ts";
import type { WatchRules } from "../../core/spec/spec.ts";
import type { GpuRequest } from "../gpu-pool.ts";
import type { TellOptions } from "./tell-watch.ts";

/** How `watch --apply` was asked to go about it. */
export interface ReconcileOptions extends TellOptions {
  /** The branch, as it was named. */
  readonly git: string;
  readonly intervalMs: number;
  /** `once` looks a single time. */
  readonly rounds: "once" | "on-and-on";
  readonly choices: Choices;
  readonly gpus: GpuRequest | undefined;
  /** When something may begin, in the place of what wan22.yaml says. */
  readonly allow: WatchRules | undefined;
  /** `accept`: the rules that the branch has now count from now on. */
  readonly rules: "keep" | "accept";
  /** Whether what was given up is begun anew. */
  readonly retry: boolean;
}
