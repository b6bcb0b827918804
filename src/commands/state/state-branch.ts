import { type Diagnostic, diagnose, withoutRepeats } from "../../core/diagnostic.ts";
import { printable } from "../../core/printable.ts";
import type { Spec } from "../../core/spec/spec.ts";
import { BRANCH_CODES } from "../../core/state/branch-codes.ts";
import { withLostStages } from "../../core/state/branch-record.ts";
import type { State } from "../../core/state/state.ts";
import { publishRecord } from "../../execute/publish-record.ts";
import { loadPlace, type PipelinePlace } from "../../execute/take-over.ts";
import { nowSeconds } from "../../host/clock.ts";
import { pushRecord } from "../../host/git/push-record.ts";
import type { StateBranch } from "../../host/git/state-branch.ts";
import { type BranchRecord, branchReader, workElsewhere } from "../../prepare/branch-records.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { findPipelines } from "../find-pipelines.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "../terminal.ts";

/** Records on the state branch, as `wan22 state` deals with them. */

export interface OnBranch {
  readonly place: PipelinePlace;
  readonly spec: Spec;
  readonly record: BranchRecord & { readonly branch: StateBranch };
}

/** The pipelines, by file or name, whose records are kept on a branch that can be used. */
export async function findOnBranch(
  words: readonly string[],
  terminal: Terminal,
): Promise<{ readonly found: readonly OnBranch[]; readonly diagnostics: readonly Diagnostic[] }> {
  const { found: all, diagnostics: unknown } = await findPipelines(words, terminal);
  const readBranch = branchReader(terminal.environment);
  const found: OnBranch[] = [];
  const diagnostics = [...unknown];
  for (const { place, read } of all) {
    const spec = read?.spec;
    const record = spec === undefined ? undefined : await readBranch(spec, place.root);
    if (spec === undefined || record === undefined) continue;
    diagnostics.push(...record.diagnostics);
    if (record.branch !== undefined) found.push({ place, spec, record: { ...record, branch: record.branch } });
  }
  return { found, diagnostics: withoutRepeats(diagnostics) };
}

export interface StatePushOptions {
  /** `force` puts records in the place of what the branch says. */
  readonly manner: "newer" | "force";
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
}

/** `wan22 state push`: puts the records that lie here on the state branch. */
export async function runStatePush(
  words: readonly string[],
  { manner, approval }: StatePushOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { found, diagnostics } = await findOnBranch(words, terminal);
  showDiagnostics(diagnostics, terminal);
  const isFaulty = diagnostics.some(({ severity }) => severity === "error");
  if (found.length === 0) {
    if (diagnostics.length === 0)
      terminal.err("No pipeline here has `state: { backend: git }`: there is no branch to push to.");
    return EXIT.error;
  }
  if (manner === "force" && approval === "ask" && !(await askConsent(FORCE, terminal))) return EXIT.error;
  let isKept = false;
  for (const { place, record } of found) {
    const result = await publishRecord({ place, branch: record.branch }, { manner });
    if (result.kind === "not-pushed") {
      showDiagnostics([result.diagnostic], terminal);
      isKept = true;
    } else if (result.kind === "gone-on") {
      const { run = "–", host } = result.theirs;
      terminal.out(`${place.pipeline}: the branch goes on from it, with run ${printable(run)} on ${printable(host)}.`);
    } else terminal.out(`${place.pipeline}: ${PUSHED[result.kind]}`);
  }
  return isKept || isFaulty ? EXIT.error : EXIT.fine;
}

const PUSHED = {
  pushed: "pushed.",
  current: "the branch knows it already.",
  nothing: "nothing is recorded here.",
} as const;

const FORCE: Consent = {
  question: "Put the records here in the place of what the branch says? It keeps them in its history.",
  undone: "Nothing was pushed",
  unasked: ". Add --auto-approve to go ahead without asking.",
  does: "replaces records on the state branch",
};

/**
 * Ends on the branch what is at work there by its record, where the machine is gone for good. Undefined where nothing is at
 * work by it, or it is this checkout that knows best.
 */
export async function unlockOnBranch(
  word: string,
  { force }: { readonly force: boolean },
  terminal: Terminal,
): Promise<ExitCode | undefined> {
  const { found } = await findOnBranch([word], terminal);
  const [one] = found;
  const theirs = one?.record.state;
  if (one === undefined || theirs === undefined) return undefined;
  const loaded = await loadPlace(one.place);
  const atWork = workElsewhere(loaded, one.record, { ...one.spec, isOwnRun: () => false });
  if (atWork === undefined)
    return loaded.state === undefined && loaded.lock.kind === "free" ? sayAtRest(one, theirs, terminal) : undefined;
  const host = printable(theirs.host);
  terminal.out(
    `${one.record.branch.name}: ${one.spec.name} is at work on ${host} (run ${printable(theirs.run ?? "–")}).`,
  );
  if (!force && !(await askConsent(UNLOCK, terminal))) return EXIT.error;
  const lost: State = withLostStages(theirs, {
    now: nowSeconds(),
    message: `${theirs.host} is gone, said \`wan22 state unlock\``,
  });
  const result = await pushRecord(lost, one.record.branch, { manner: "newer", timeoutMs: UNLOCK_TIMEOUT_MS });
  if (result.kind === "pushed") {
    terminal.out(`By ${one.record.branch.name}, ${one.spec.name} is at work nowhere now.`);
    return EXIT.fine;
  }
  if (result.kind === "failed") {
    const detail = `${result.why}. ${BRANCH_CODES.unreachable.mend}`;
    showDiagnostics([diagnose(BRANCH_CODES.notPushed, detail)], terminal);
    return EXIT.error;
  }
  terminal.err(`Nothing was changed: ${host} has written its record meanwhile, so it is there. Look at it again.`);
  return EXIT.locked;
}

/** Of one that is recorded on the branch alone there is no lock here either. */
function sayAtRest({ spec, record }: OnBranch, { host, run = "–" }: State, terminal: Terminal): ExitCode {
  const where = `run ${printable(run)} on ${printable(host)} was its last`;
  terminal.out(`Nothing is locked: by ${record.branch.name}, ${spec.name} is at work nowhere; ${where}.`);
  return EXIT.fine;
}

const UNLOCK_TIMEOUT_MS = 30_000;

const UNLOCK: Consent = {
  question: "If it works after all, two may train the same thing. Say on the branch that it is gone?",
  undone: "Nothing was changed",
  unasked: ". Add --force to go ahead without asking.",
  does: "ends a run on the state branch",
};
