import { lockPipeline } from "../execute/lock-pipeline.ts";
import { planRestoration, type RestoreSource } from "../execute/restore-state.ts";
import { giveBack } from "../execute/take-over.ts";
import type { StateRequest } from "../host/state-store.ts";
import { viewStateChanges } from "../views/human/state.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { findRecord, type StatePlaceOptions } from "./state-place.ts";
import { askConsent, type Consent, type Terminal } from "./terminal.ts";

export interface RestoreOptions extends StatePlaceOptions {
  readonly from: RestoreSource;
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
  readonly lockTimeoutMs: number;
}

/** `wan22 state restore`: puts a record back from its backup, or from the journals of its runs. */
export async function runStateRestore(word: string, options: RestoreOptions, terminal: Terminal): Promise<ExitCode> {
  const request = await findRecord(word, options, terminal);
  if (request === undefined) return EXIT.error;
  const patience = { timeoutMs: options.lockTimeoutMs, onWaiting: terminal.err };
  const locked = await lockPipeline({ ...request, patience });
  if (locked.kind !== "acquired") {
    showDiagnostics([locked.diagnostic], terminal);
    return locked.kind === "locked" ? EXIT.locked : EXIT.error;
  }
  if (locked.note !== undefined) terminal.err(locked.note);
  try {
    return await restore(request, options, terminal);
  } finally {
    await giveBack(request, locked.lock);
  }
}

const SOURCES = { backup: "its backup", runs: "the journals of its runs" } as const;

async function restore(request: StateRequest, options: RestoreOptions, terminal: Terminal): Promise<ExitCode> {
  const { pipeline } = request;
  const restoration = await planRestoration(request, options.from);
  if (restoration.kind === "refused") {
    showDiagnostics([restoration.diagnostic], terminal);
    return EXIT.error;
  }
  const source = SOURCES[restoration.from];
  if (restoration.kind === "same") {
    terminal.out(
      `Nothing to restore: the record of ${pipeline} says what ${source} say${restoration.from === "backup" ? "s" : ""}.`,
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
