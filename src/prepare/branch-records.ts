import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { Spec } from "../core/spec/spec.ts";
import { BRANCH_CODES, mendFor } from "../core/state/branch-codes.ts";
import { stagesAtWork } from "../core/state/branch-record.ts";
import { type Standing, standOf } from "../core/state/standing.ts";
import type { State } from "../core/state/state.ts";
import { monotonicSeconds } from "../host/clock.ts";
import {
  lookAtStateBranch,
  readBranchRecord,
  type StateBranch,
  type StateBranchLook,
  type StateBranchPlace,
} from "../host/git/state-branch.ts";
import type { LoadedState } from "../host/records/state-store.ts";
import { placeOf } from "./across.ts";

/** What the state branch says of pipelines, and which record a plan is made from: this checkout's or the branch's. */

/** A remote that does not answer must not hang a plan. */
const LOOK_TIMEOUT_MS = 5_000;
/** So long it is not asked again by the same command. */
const UNHEARD_SECONDS = 60;

/** Remotes that did not answer, with why and when; by whoever plans several times. */
export type UnheardRemotes = Map<string, { readonly why: string; readonly at: number }>;

export interface BranchRecord {
  /** Undefined where nothing can be pushed: no repository, no remote, a branch that is no state branch. */
  readonly branch: StateBranch | undefined;
  readonly state: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

type Environment = StateBranchPlace["environment"];
export type ReadBranch = (spec: Pick<Spec, "name" | "stateBackend">, root: string) => Promise<BranchRecord | undefined>;

/** Looks at each branch once for all pipelines that share it. Undefined for a pipeline whose record is kept here alone. */
export function branchReader(environment: Environment, unheard: UnheardRemotes = new Map()): ReadBranch {
  const known = new Map<string, Promise<StateBranchLook>>();
  return async ({ name, stateBackend }, root) => {
    if (stateBackend.kind !== "git") return undefined;
    const { branch, remote } = stateBackend;
    const key = [root, remote, branch].join("\n");
    const before = unheard.get(key);
    const isRecent = before !== undefined && monotonicSeconds() - before.at < UNHEARD_SECONDS;
    const options = { timeoutMs: LOOK_TIMEOUT_MS, unheard: isRecent ? before.why : undefined };
    const looking = known.get(key) ?? lookAtStateBranch({ root, branch, remote, environment }, options);
    known.set(key, looking);
    const look = await looking;
    if (!isRecent && look.kind === "open" && look.why !== undefined)
      unheard.set(key, { why: look.why, at: monotonicSeconds() });
    if (look.kind === "unusable") return { branch: undefined, state: undefined, diagnostics: look.diagnostics };
    const reading = await readBranchRecord(look, name);
    return { branch: look, state: reading.state, diagnostics: [...look.diagnostics, ...reading.diagnostics] };
  };
}

/** The record that counts. */
export interface RecordInForce {
  readonly state: State | undefined;
  /** Where it was read from, if not from this checkout. */
  readonly readFrom?: string;
  readonly standing?: Standing;
}

/** The newer one. What lives here is known here best, and what contradicts the branch stays until somebody has decided. */
export function recordInForce(
  { state, alive }: Pick<LoadedState, "state" | "alive">,
  record: BranchRecord | undefined,
): RecordInForce {
  if (record?.branch === undefined) return { state };
  const standing = standOf(state, record.state);
  if (standing !== "behind" || alive.length > 0) return { state, standing };
  return { state: record.state, readFrom: record.branch.name, standing };
}

/** Two histories, between which nobody but the user can decide. */
export function contradiction(
  loaded: LoadedState,
  record: BranchRecord | undefined,
  spec: Spec,
): readonly Diagnostic[] {
  const { state, standing } = recordInForce(loaded, record);
  if (standing !== "apart" && standing !== "foreign") return [];
  if (loaded.alive.length > 0 || state === undefined || record?.state === undefined) return [];
  const shared = standing === "apart" ? "They go on from the same history. " : "";
  const detail = `The record here was last written by run ${state.run ?? "–"} on ${state.host}, and that on ${record.branch?.name ?? "the branch"} by run ${record.state.run ?? "–"} on ${record.state.host}. ${shared}${mendFor(BRANCH_CODES.contradicts, spec.name)}`;
  return [diagnose(BRANCH_CODES.contradicts, detail, { at: placeOf(spec, "state"), path: "state" })];
}

/**
 * Who is at work on the pipeline by the branch, unless that is known here: an error for whoever would begin something. A run
 * of this checkout whose record does not know it was killed between saying that it begins and doing so.
 */
export function workElsewhere(
  loaded: Pick<LoadedState, "state" | "alive">,
  record: BranchRecord | undefined,
  { name, file, isOwnRun }: Pick<Spec, "name" | "file"> & { readonly isOwnRun: (run: string) => boolean },
): Diagnostic | undefined {
  const { standing } = recordInForce(loaded, record);
  if (loaded.alive.length > 0 || record?.state === undefined || standing === "same" || standing === "ahead")
    return undefined;
  const atWork = stagesAtWork(record.state);
  const [first] = atWork;
  if (first === undefined || isOwnRun(record.state.run ?? "")) return undefined;
  const stages = atWork.map(({ stage }) => stage).join(" and ");
  const since = first.since === undefined ? "" : ` since ${first.since}`;
  const detail = `By ${record.branch?.name ?? "the state branch"}, ${stages} of ${name} is at work on ${record.state.host}${since} (run ${record.state.run ?? "–"}). Whether it lives can't be seen from here. ${mendFor(BRANCH_CODES.atWork, name)}`;
  return diagnose(BRANCH_CODES.atWork, detail, { at: { file } });
}
