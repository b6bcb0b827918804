import { pathInside } from "../../core/paths.ts";
import { lockPipeline } from "../../execute/locks/lock-pipeline.ts";
import { planRestoration, type RestoreSource } from "../../execute/restore-state.ts";
import { giveBack, loadPlace } from "../../execute/take-over.ts";
import { statePaths } from "../../host/records/run-store.ts";
import type { StateRequest } from "../../host/records/state-store.ts";
import { workElsewhere } from "../../prepare/branch-records.ts";
import { viewStateChanges } from "../../views/human/state.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "../terminal.ts";
import { findOnBranch } from "./state-branch.ts";
import { findRecord, type StatePlaceOptions } from "./state-place.ts";

export interface RestoreOptions extends StatePlaceOptions {
  readonly from: "best" | "backup" | "runs" | "branch";
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
  readonly lockTimeoutMs: number;
}

/** `wan22 state restore`: puts a record back from its backup, the journals of its runs, or the state branch. */
export async function runStateRestore(word: string, options: RestoreOptions, terminal: Terminal): Promise<ExitCode> {
  const { from } = options;
  const found =
    from === "branch"
      ? await findBranchSource(word, terminal)
      : { request: await findRecord(word, options, terminal), source: from };
  const { request, source } = found ?? {};
  if (request === undefined || source === undefined) return EXIT.error;
  const patience = { timeoutMs: options.lockTimeoutMs, onWaiting: terminal.note };
  const locked = await lockPipeline({ ...request, patience });
  if (locked.kind !== "acquired") {
    showDiagnostics([locked.diagnostic], terminal);
    return locked.kind === "locked" ? EXIT.locked : EXIT.error;
  }
  if (locked.note !== undefined) terminal.note(locked.note);
  try {
    return await restore(request, source, options, terminal);
  } finally {
    await giveBack(request, locked.lock);
  }
}

/** What the state branch says of a pipeline; undefined where it says nothing, and why was said. */
async function findBranchSource(
  word: string,
  terminal: Terminal,
): Promise<{ readonly request: StateRequest; readonly source: RestoreSource } | undefined> {
  const { found, diagnostics } = await findOnBranch([word], terminal);
  showDiagnostics(diagnostics, terminal);
  const [one] = found;
  if (one === undefined) {
    if (diagnostics.length === 0) terminal.err(`${word} has no \`state: { backend: git }\`, so there is no branch.`);
    return undefined;
  }
  const { place, record, spec } = one;
  // As if it were this machine's, nobody would hear of the other one any more.
  const atWork = workElsewhere(await loadPlace(place), record, { ...spec, isOwnRun: () => false });
  if (atWork !== undefined) {
    showDiagnostics([atWork], terminal);
    return undefined;
  }
  if (record.state === undefined) {
    terminal.err(`There is no record of ${place.pipeline} on ${record.branch.name}.`);
    return undefined;
  }
  const shownFile = pathInside(place.root, statePaths(place.stateDir, place.pipeline).stateFile);
  return { request: { ...place, shownFile }, source: { branch: record.state } };
}

const SOURCES = {
  backup: "its backup",
  runs: "the journals of its runs",
  branch: "the record on the state branch",
} as const;

async function restore(
  request: StateRequest,
  from: RestoreSource,
  options: RestoreOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { pipeline } = request;
  const restoration = await planRestoration(request, from);
  if (restoration.kind === "refused") {
    showDiagnostics([restoration.diagnostic], terminal);
    return EXIT.error;
  }
  const source = SOURCES[restoration.from];
  if (restoration.kind === "same") {
    terminal.out(
      `Nothing to restore: the record of ${pipeline} says what ${source} say${restoration.from === "runs" ? "" : "s"}.`,
    );
    return EXIT.fine;
  }
  terminal.out(
    `The record of ${pipeline}, restored from ${source}:\n${viewStateChanges(restoration.changes, terminal)}`,
  );
  if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return EXIT.error;
  const done = await restoration.carryOut();
  if ("severity" in done) {
    showDiagnostics([done], terminal);
    return EXIT.error;
  }
  terminal.out(done.keptAs === undefined ? "Restored." : `Restored. The one before is kept as ${done.keptAs}.`);
  return EXIT.fine;
}

const CONSENT: Consent = {
  question: "Put it in the place of the one that is there?",
  undone: "Nothing was done",
  unasked: ". Add --auto-approve to go ahead without asking.",
  does: "replaces a record",
};
