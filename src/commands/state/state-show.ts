import type { Diagnostic } from "../../core/diagnostic.ts";
import { pathInside } from "../../core/paths.ts";
import { capitalized } from "../../core/plan/wording.ts";
import { historyOf } from "../../core/state/run-history.ts";
import { standOf } from "../../core/state/standing.ts";
import type { State } from "../../core/state/state.ts";
import type { LockStanding } from "../../host/locks/lock.ts";
import { ownerText } from "../../host/locks/lock-owner.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { type LoadedState, loadState, readRuns, type StateRequest } from "../../host/records/state-store.ts";
import { type ListedState, viewHistory, viewState, viewStateList } from "../../views/human/state.ts";
import { viewStateJson } from "../../views/json.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import type { Terminal } from "../terminal.ts";
import { findOnBranch, type OnBranch } from "./state-branch.ts";
import { findRecord, findRecords, rootOf, type StatePlaceOptions } from "./state-place.ts";

/** `wan22 state list`, `show` and `history`: what is recorded. Nothing is changed. */

export async function runStateList(options: StatePlaceOptions, terminal: Terminal): Promise<ExitCode> {
  const requests = await findRecords(options, terminal);
  const onBranch = new Map((await findOnBranch([], terminal)).found.map((one) => [one.spec.name, one]));
  const listed: ListedState[] = [];
  for (const request of requests) {
    const loaded = await loadState(request);
    const one = listedAs(request, loaded);
    listed.push({ ...one, remarks: [...one.remarks, ...branchRemarks(loaded.state, onBranch.get(request.pipeline))] });
  }
  const isListed = new Set(requests.map(({ pipeline }) => pipeline));
  for (const [name, one] of onBranch) {
    if (!isListed.has(name) && one.record.state !== undefined)
      listed.push({ name, state: undefined, remarks: branchRemarks(undefined, one) });
  }
  if (listed.length > 0) terminal.out(viewStateList(listed, terminal));
  else terminal.out(`Nothing is recorded in ${rootOf(terminal)} yet.`);
  return EXIT.fine;
}

/** Where the state branch says something else than the record here. */
function branchRemarks(here: State | undefined, one: OnBranch | undefined): readonly string[] {
  const theirs = one?.record.state;
  if (one === undefined || theirs === undefined) return [];
  const { name } = one.record.branch;
  const last = `run ${theirs.run ?? "–"} on ${theirs.host}`;
  switch (standOf(here, theirs)) {
    case "same":
    case "ahead":
      return [];
    case "behind":
      return [here === undefined ? `Recorded on ${name}: ${last}.` : `${capitalized(name)} goes on from it: ${last}.`];
    case "apart":
    case "foreign":
      return [`${capitalized(name)} tells another history: ${last}.`];
  }
}

export interface StateShowOptions extends StatePlaceOptions {
  readonly format: "human" | "json";
  readonly details: "summary" | "full";
}

export async function runStateShow(word: string, options: StateShowOptions, terminal: Terminal): Promise<ExitCode> {
  const request = await findRecord(word, options, terminal);
  if (request === undefined) return EXIT.error;
  const loaded = await loadState(request);
  if (options.format === "human") {
    showDiagnostics(loaded.diagnostics, terminal);
    terminal.out(
      viewState(listedAs(request, { ...loaded, diagnostics: [] }), { ...terminal, details: options.details }),
    );
  } else {
    showDiagnostics(loaded.diagnostics, terminal);
    if (loaded.state !== undefined) terminal.out(viewStateJson(loaded.state));
    else terminal.err(`There is no record of ${request.pipeline} yet.`);
  }
  return loaded.state === undefined || hasError(loaded.diagnostics) ? EXIT.error : EXIT.fine;
}

export async function runStateHistory(word: string, options: StatePlaceOptions, terminal: Terminal): Promise<ExitCode> {
  const request = await findRecord(word, options, terminal);
  if (request === undefined) return EXIT.error;
  const loaded = await loadState(request);
  showDiagnostics(loaded.diagnostics, terminal);
  if (hasError(loaded.diagnostics)) return EXIT.error;
  const { stateDir, pipeline } = request;
  const runs = await readRuns(statePaths(stateDir, pipeline).runsDir, pipeline);
  terminal.out(viewHistory(pipeline, historyOf(loaded.state, runs), terminal));
  return EXIT.fine;
}

function hasError(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}

function listedAs({ root, pipeline, stateDir, host }: StateRequest, loaded: LoadedState): ListedState {
  const { state, lock, alive, diagnostics } = loaded;
  const remarks = [
    ...diagnostics.map(({ code, detail }) => `${code}: ${detail}`),
    ...(state === undefined || state.host === host
      ? []
      : [`It speaks of the disk of ${state.host}, not of this machine's.`]),
    ...(alive.length === 0 ? [] : [`At work: ${alive.join(", ")}.`]),
    ...lockRemarks(lock),
    ...(pathInside(root, stateDir) === ".wan22" ? [] : [`In ${pathInside(root, stateDir)}.`]),
  ];
  return { name: pipeline, state, remarks };
}

function lockRemarks(lock: LockStanding): readonly string[] {
  switch (lock.kind) {
    case "free":
    case "own":
      return [];
    case "dead":
      return [`Locked by an apply that is gone: ${ownerText(lock.owner)}. The next one takes it over.`];
    case "held":
      return [lock.owner === undefined ? "Its lock can't be read." : `Locked: ${ownerText(lock.owner)}.`];
  }
}
