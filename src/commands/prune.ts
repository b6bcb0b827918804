import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { storeFolder } from "../core/plan/caches/caches.ts";
import { NAME_PATTERN } from "../core/spec/shape.ts";
import type { Spec } from "../core/spec/spec.ts";
import { PRUNE_KINDS, type PruneKind, type PrunePlan } from "../core/state/prune-plan.ts";
import type { State } from "../core/state/state.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { tellUnseenEnd } from "../execute/notify.ts";
import { carryOutPrune } from "../execute/prune/carry-out-prune.ts";
import { planPrune } from "../execute/prune/plan-prune.ts";
import { planStorePrune } from "../execute/prune/plan-prune-store.ts";
import { loadPlace, takeOver } from "../execute/take-over.ts";
import type { Lock } from "../host/locks/lock.ts";
import type { LoadedState } from "../host/records/state-store.ts";
import { type CacheUse, observeCacheUse } from "../prepare/cache-use.ts";
import { describePruned, viewPrune } from "../views/human/runs.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { type FoundPipeline, findPipelines } from "./find-pipelines.ts";
import { sayNoPipeline } from "./pipeline-files.ts";
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
  /** Absent where no file says it. */
  readonly cacheDir: string | undefined;
}

interface Locked {
  readonly subject: Subject;
  readonly lock: Lock;
  readonly state: State | undefined;
}

interface Planned {
  readonly subject: Subject;
  readonly state?: State | undefined;
  readonly plan: PrunePlan;
}

/** `wan22 prune`: shows what nothing needs any more, asks, and removes that. Each pipeline under its lock. */
export async function runPrune(words: readonly string[], options: PruneOptions, terminal: Terminal): Promise<ExitCode> {
  const pipelines = await findPipelines(words, terminal);
  const { found, texts } = pipelines;
  const wrong = [...pipelines.diagnostics, ...pipelines.unread];
  if (found.length === 0 && wrong.length === 0) {
    sayNoPipeline(undefined, terminal);
    return EXIT.error;
  }
  showDiagnostics(wrong, terminal, { texts });
  const unread = found.flatMap(({ read }) => (read !== undefined && read.spec === undefined ? [read] : []));
  for (const { diagnostics, texts } of unread) showDiagnostics(diagnostics, terminal, { texts });
  const isAllRead = wrong.length + unread.length === 0;
  const subjects = await findSubjects(found, { asked: words.length > 0 ? "named" : "all", isAllRead });
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
    const failed: ExitCode = refusals[0]?.exitCode ?? (isAllRead ? EXIT.fine : EXIT.error);
    const kinds = new Set<PruneKind>(options.kinds.length === 0 ? PRUNE_KINDS : options.kinds);
    const files = found.flatMap(({ file }) => file ?? []);
    const uses = await observeUses(subjects, files, terminal);
    const plans: Planned[] = [];
    for (const one of locked) {
      const { subject, state } = one;
      const use = uses.get(subject.root);
      if (use === undefined) continue;
      const plan = await planPrune({ ...subject, pipeline: subject.name, state, use, kinds, keep: options.keep });
      if (subject.spec !== undefined || plan.items.length > 0) plans.push({ subject, state, plan });
    }
    if (kinds.has("store")) {
      const going = plans.flatMap(cachesOf);
      for (const subject of withStores(locked)) {
        const use = uses.get(subject.root);
        if (use === undefined) continue;
        const { folder, environment } = terminal;
        const store = resolve(subject.root, storeFolder(subject.spec));
        const plan = await planStorePrune({ ...subject, store, going, use, files, folder, environment });
        if (plan.items.length + plan.kept.length > 0) plans.push({ subject, plan });
      }
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
    for (const { subject, state, plan } of plans) {
      const pruned = await carryOutPrune(plan, { ...subject, state });
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

/** One pipeline for each store that there is among them. */
function withStores(locked: readonly Locked[]): readonly (Subject & { readonly spec: Spec })[] {
  const stores = new Map<string, Subject & { readonly spec: Spec }>();
  for (const { subject } of locked) {
    const { spec, root } = subject;
    if (spec !== undefined) stores.set(resolve(root, storeFolder(spec)), { ...subject, spec });
  }
  return [...stores.values()];
}

/** Cache files that go, absolute. */
function cachesOf({ subject, plan }: Planned): readonly string[] {
  const caches = plan.items.filter(({ kind }) => kind === "cache");
  return caches.flatMap(({ files = [] }) => files.map((file) => resolve(subject.root, file)));
}

async function findSubjects(
  found: readonly FoundPipeline[],
  { asked, isAllRead }: { readonly asked: "named" | "all"; readonly isAllRead: boolean },
): Promise<readonly Subject[]> {
  const subjects = found.flatMap(({ place: { root, stateDir, pipeline: name }, read }): Subject[] => {
    const spec = read?.spec;
    if (spec !== undefined) return [{ name, spec, root, stateDir, cacheDir: resolve(root, spec.cacheDir) }];
    // A file that can't be read may be that of any record.
    const isGone = read === undefined && (asked === "named" || isAllRead);
    return isGone ? [{ name, spec, root, stateDir, cacheDir: undefined }] : [];
  });
  const first = subjects.find(({ spec }) => spec !== undefined);
  // Caches of pipelines that are gone are found only where all that are there are known, and only in the project itself.
  if (asked === "named" || first?.cacheDir === undefined || first.spec === undefined || !isAllRead) return subjects;
  const { root, stateDir, cacheDir } = first;
  if (pathInside(root, cacheDir) === cacheDir) return subjects;
  const known = new Set([...subjects.map(({ name }) => name), basename(storeFolder(first.spec))]);
  const cached = (await readdir(cacheDir).catch(() => [])).filter((name) => NAME_PATTERN.test(name)).sort();
  const isGone = (subject: Subject) => subject.spec === undefined && cached.includes(subject.name);
  const withCaches = subjects.map((subject) => (isGone(subject) ? { ...subject, cacheDir } : subject));
  const unknown = cached.filter((name) => !known.has(name));
  return [...withCaches, ...unknown.map((name): Subject => ({ name, spec: undefined, root, stateDir, cacheDir }))];
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
    onNote: terminal.note,
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
