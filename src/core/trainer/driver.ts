import { type Backend, type Driver, type StageId, scriptOf } from "../vocabulary.ts";

/** What drives a stage's process: the rehearsal, the bridge to Musubi Tuner, or, where no bridge fits, Musubi's own script. */

export interface DriverInput {
  readonly backend: Backend;
  /** Musubi's, where it is known. */
  readonly version: string | undefined;
  /** In training; caching is one process always. */
  readonly processes: number;
}

/** The versions whose training loop the bridge has been held against, oldest and newest; each is run in `test/contract/`. */
export const BRIDGED_VERSIONS = { oldest: "0.3.0", newest: "0.3.4" } as const;

/** A version that is not known is taken for one that the bridge knows: it looks for itself before it starts. */
export function driverOf(stage: StageId, input: DriverInput): Driver {
  if (input.backend === "rehearsal") return "rehearsal";
  return whyUnbridged(stage, input) === undefined ? "bridge" : "scripts";
}

/** Why a stage of Musubi runs without the bridge, as a clause; undefined where it runs with it. */
export function whyUnbridged(stage: StageId, { version, processes }: DriverInput): string | undefined {
  if (version !== undefined && isOlder(version, BRIDGED_VERSIONS.oldest)) {
    return `this Musubi Tuner is ${version}, and the bridge needs ${BRIDGED_VERSIONS.oldest} or newer`;
  }
  if (scriptOf(stage) === "train" && processes > 1) {
    return `it trains with ${processes} processes, and the bridge keeps one process exact`;
  }
  return undefined;
}

/** Whether a version comes before another, by its numbers. */
function isOlder(version: string, other: string): boolean {
  const [numbers, others] = [version, other].map((text) =>
    text.split(".").map((part) => Number.parseInt(part, 10) || 0),
  );
  for (const [index, number] of (others ?? []).entries()) {
    const difference = (numbers?.[index] ?? 0) - number;
    if (difference !== 0) return difference < 0;
  }
  return false;
}
