import type { StageId } from "../vocabulary.ts";
import { canonicalJson, type Sha256 } from "./canonical.ts";

/** Names everything that shapes a stage's result, epochs aside (design §5). Equal fingerprints mean equal results. */
export type Fingerprint = string & { readonly __brand: "Fingerprint" };

/** A value that shapes a result, as a plan and a state hold it. */
export type InputValue = string | number | boolean | (string | number)[];

/** What a fingerprint is taken of. A plan and a state hold it beside the fingerprint, so that a change can be named. */
export interface StageInputs {
  /** Parameters and dataset settings, by the plan's names. */
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** Digests of clips with their captions, and of model files. No path, time, host, GPU or version is in them. */
  readonly identities: Readonly<Record<string, string>>;
}

export function fingerprintOf(stage: StageId, { inputs, identities }: StageInputs, sha256: Sha256): Fingerprint {
  return sha256(
    canonicalJson({
      // So that a later way of taking fingerprints is not mistaken for this one.
      version: 1,
      // Two stages may have the same inputs: both halves under `noise: separate`, with one set of models.
      stage,
      inputs,
      identities,
    }),
  ) as Fingerprint;
}
