import type { Script } from "../vocabulary.ts";

/** What a change to a parameter means for work already done (design §5). */
export type Change = "nothing" | "next-epoch" | "extend" | "recache-latents" | "recache-text" | "retrain";

/** What the trainer's own parser, and the code behind it, takes. Bounds are inclusive unless named otherwise. */
export type ParameterType =
  | { readonly kind: "flag" }
  | { readonly kind: "integer"; readonly min?: number; readonly max?: number }
  | { readonly kind: "number"; readonly min?: number; readonly max?: number; readonly above?: number }
  /** An integer of steps, or a fraction of all steps below 1 (`lr_warmup_steps`). */
  | { readonly kind: "steps-or-fraction" }
  /** `suggestions` are the words usually meant: the nearest one is named when the pattern does not hold. */
  | {
      readonly kind: "text";
      readonly pattern?: string;
      readonly patternHint?: string;
      readonly suggestions?: readonly string[];
    }
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  /** A file or folder; relative to the file it is written in, `${VAR}` allowed. */
  | { readonly kind: "path" }
  /** `key=value` words or plain words, an argument each. `pattern` holds for every one of them. */
  | { readonly kind: "words"; readonly pattern?: string; readonly patternHint?: string }
  | { readonly kind: "paths" }
  | { readonly kind: "numbers" }
  /** A prompts file, or a list of prompts written in the pipeline. */
  | { readonly kind: "prompts" };

/** One row of the parameter table. */
export interface Parameter {
  /** The trainer's own name, without dashes; also the pipeline's key. */
  readonly name: string;
  readonly type: ParameterType;
  /** The scripts that take it, and what a change to it means for that script's work. */
  readonly takes: Readonly<Partial<Record<Script, Change>>>;
  readonly group: "learning" | "memory" | "data" | "io";
  /** What the trainer does when it is not given; null where it then does without. */
  readonly trainerDefault: string | number | boolean | null;
  /** The manual's range; a value outside it is a warning. */
  readonly range?: readonly [number, number];
  /** One line of documentation. */
  readonly doc: string;
  /** How it becomes arguments where that is not `--name value`: `attention: sdpa` becomes the one flag `--sdpa`. */
  readonly flagOf?: Readonly<Record<string, string>>;
  /** A change that means more while another parameter is set: workers count only with `num_timestep_buckets`. */
  readonly changeWhenSet?: { readonly parameter: string; readonly change: Change };
}
