import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { NAME_PATTERN } from "../core/spec/shape.ts";
import type { Spec } from "../core/spec/spec.ts";
import { PRUNE_KINDS, type PruneKind, type PrunePlan } from "../core/state/prune-plan.ts";
import type { State } from "../core/state/state.ts";
import { carryOutPrune } from "../execute/carry-out-prune.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { tellUnseenEnd } from "../execute/notify.ts";
import { planPrune } from "../execute/plan-prune.ts";
import { loadPlace, takeOver } from "../execute/take-over.ts";
import type { Lock } from "../host/lock.ts";
import type { LoadedState } from "../host/state-store.ts";
import { type CacheUse, observeCacheUse } from "../prepare/cache-use.ts";
import { type ReadPipeline, readPipelines } from "../prepare/read.ts";
import { describePruned, viewPrune } from "../views/human/runs.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "./terminal.ts";

export interface PruneOptions {
  /** `auto` asks nobody. */
  readonly approval: "ask" | "auto";
  /** Everything if none is named. */
  readonly kinds: readonly PruneKind[];
  readonly keep: number;
}

/** A pipeline whose leavings are looked at: one of the files, or one that is no longer in the project. */
interface Subject {
  readonly name: string;
  readonly spec: Spec | undefined;
  readonly root: string;
  readonly stateDir: string;
  readonly cacheDir: string;
}

interface Locked {
  readonly subject: Subject;
  readonly lock: Lock;
  readonly state: State | undefined;
}

/** `wan22 prune`: shows what nothing needs any more, asks, and removes that. Each pipeline under its lock. */
export async function runPrune(files: readonly string[], options: PruneOptions, terminal: Terminal): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const read = await readPipelines(chosen, terminal);
  const unread = read.filter(({ spec }) => spec === undefined);
  for (const { diagnostics, texts } of unread) showDiagnostics(diagnostics, terminal, { texts });
  const subjects = await findSubjects(read, files.length > 0 ? "named" : "all");
  const refusals: Refusal[] = [];
  const locked: Locked[] = [];
  try {
    for (const subject of subjects) {
      const taken = await takeInHand(subject, terminal);
      if ("lock" in taken) locked.push(taken);
      else refusals.push(taken);
    }
    showDiagnostics(
      refusals.map(({ diagnostic }) => diagnostic),
      terminal,
    );
    const failed: ExitCode = refusals[0]?.exitCode ?? (unread.length > 0 ? EXIT.error : EXIT.fine);
    const kinds = new Set<PruneKind>(options.kinds.length === 0 ? PRUNE_KINDS : options.kinds);
    const uses = await observeUses(subjects, chosen, terminal);
    const plans: { readonly locked: Locked; readonly plan: PrunePlan }[] = [];
    for (const one of locked) {
      const { subject, state } = one;
      const use = uses.get(subject.root);
      if (use === undefined) continue;
      const plan = await planPrune({ ...subject, pipeline: subject.name, state, use, kinds, keep: options.keep });
      if (subject.spec !== undefined || plan.items.length > 0) plans.push({ locked: one, plan });
    }
    if (plans.length === 0) return failed;
    const { colour, width } = terminal;
    terminal.out(
      viewPrune(
        plans.map(({ plan }) => plan),
        { colour, width },
      ),
    );
    if (plans.every(({ plan }) => plan.items.length === 0)) return failed;
    if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return EXIT.error;
    const diagnostics: Diagnostic[] = [];
    let bytes = 0;
    let items = 0;
    for (const { locked: one, plan } of plans) {
      const pruned = await carryOutPrune(plan, { ...one.subject, state: one.state });
      bytes += pruned.bytes;
      items += pruned.items;
      diagnostics.push(...pruned.diagnostics);
    }
    terminal.out(describePruned({ bytes, items }));
    showDiagnostics(diagnostics, terminal);
    return diagnostics.length > 0 ? EXIT.error : failed;
  } finally {
    for (const { lock } of locked) await lock.release();
  }
}

async function findSubjects(read: readonly ReadPipeline[], asked: "named" | "all"): Promise<readonly Subject[]> {
  const subjects = read.flatMap(({ root, spec }): Subject[] => {
    if (spec === undefined) return [];
    const [stateDir, cacheDir] = [resolve(root, spec.stateDir), resolve(root, spec.cacheDir)];
    return [{ name: spec.name, spec, root, stateDir, cacheDir }];
  });
  const [first] = subjects;
  // Caches of pipelines that are gone are found only where all that are there are known, and only in the project itself.
  if (asked === "named" || first === undefined || read.some(({ spec }) => spec === undefined)) return subjects;
  const { root, stateDir, cacheDir } = first;
  if (pathInside(root, cacheDir) === cacheDir) return subjects;
  const known = new Set(read.map(({ name }) => name));
  const found = await readdir(cacheDir).catch(() => []);
  const names = found.filter((name) => NAME_PATTERN.test(name) && !known.has(name)).sort();
  const gone = names.map((name): Subject => ({ name, spec: undefined, root, stateDir, cacheDir }));
  return [...subjects, ...gone];
}

/** What the pipelines of each project use, by its root. */
async function observeUses(
  subjects: readonly Subject[],
  files: readonly string[],
  { folder, environment }: Terminal,
): Promise<ReadonlyMap<string, CacheUse>> {
  const uses = new Map<string, CacheUse>();
  for (const { root, stateDir } of subjects) {
    if (!uses.has(root)) uses.set(root, await observeCacheUse({ root, stateDir, files, folder, environment }));
  }
  return uses;
}

interface Refusal {
  readonly diagnostic: Diagnostic;
  readonly exitCode: ExitCode;
}

/** A pipeline that nothing is at work on, in hand; or why it is left alone. */
async function takeInHand(subject: Subject, terminal: Terminal): Promise<Locked | Refusal> {
  const { name, root, stateDir } = subject;
  const place = { root, stateDir, pipeline: name, host: hostname() };
  // Asked before the lock is taken: that of a trainer whose runner is gone stays as it is.
  const busy = whyBusy(name, await loadPlace(place));
  if (busy !== undefined) return busy;
  const telling: Promise<readonly Diagnostic[]>[] = [];
  const { spec } = subject;
  const { environment } = terminal;
  const taken = await takeOver(place, {
    onNote: (text) => terminal.err(text),
    onUnseenEnd: (end) => spec !== undefined && telling.push(tellUnseenEnd({ root, spec, environment }, end)),
  });
  showDiagnostics((await Promise.all(telling)).flat(), terminal);
  if (taken.kind !== "taken") {
    return { diagnostic: taken.diagnostic, exitCode: taken.kind === "locked" ? EXIT.locked : EXIT.error };
  }
  const { lock } = taken;
  const loaded = await loadPlace(place);
  const refused = whyBusy(name, loaded);
  if (refused === undefined) return { subject, lock, state: loaded.state };
  await lock.release();
  return refused;
}

function whyBusy(name: string, { state, alive, diagnostics }: LoadedState): Refusal | undefined {
  const [error] = diagnostics.filter(({ severity }) => severity === "error");
  if (error !== undefined) return { diagnostic: error, exitCode: EXIT.error };
  if (alive.length > 0) {
    const detail = `${alive.join(", ")} of ${name} runs. Nothing of ${name} is removed as long as it does: let it end, or stop it, and prune again.`;
    return { diagnostic: diagnose(EXECUTE_CODES.busy, detail), exitCode: EXIT.locked };
  }
  if (state !== undefined && state.host !== hostname()) {
    const detail = `The record of ${name} was written on ${state.host}, and whether a trainer runs there can't be seen from here. Prune there.`;
    return { diagnostic: diagnose(EXECUTE_CODES.busy, detail), exitCode: EXIT.locked };
  }
  return undefined;
}

const CONSENT: Consent = {
  question: "\nRemove this for good?",
  undone: "Nothing was removed",
  unasked: ". Add --auto-approve to remove this without being asked.",
  does: "removes anything",
};
