import { hostname } from "node:os";
import { resolve } from "node:path";
import { diagnose } from "../../core/diagnostic.ts";
import type { ReconcileRecord } from "../../core/plan/watch/reconcile-record.ts";
import { present } from "../../core/present.ts";
import { readAddress } from "../../core/spec/cell.ts";
import { isCaching } from "../../core/vocabulary.ts";
import { stopRunner } from "../../execute/launch-runner.ts";
import { loadPlace } from "../../execute/take-over.ts";
import {
  checkOut,
  describeMove,
  type FollowedBranch,
  fetchTip,
  headOf,
  whyUnclean,
} from "../../host/git/followed-branch.ts";
import { undoCheckOut } from "../../host/git/undo-checkout.ts";
import { isProcessAlive } from "../../host/process.ts";
import { findRoot } from "../../host/project.ts";
import { writeReconcileRecord } from "../../host/records/reconcile-store.ts";
import { findRecorded, findStateDirs } from "../../host/records/state-folders.ts";
import { WATCH_CODES } from "../../host/watch-codes.ts";
import { projectOf } from "../pipeline-files.ts";
import type { Terminal } from "../terminal.ts";
import type { ReconcileOptions } from "./reconcile-options.ts";
import { type Standings, tellWatch } from "./tell-watch.ts";

/** A look that is under way. */
export interface RoundOptions extends ReconcileOptions {
  /** Somebody wants it to end. */
  readonly cancel: AbortSignal;
}

export interface Round {
  readonly options: RoundOptions;
  readonly terminal: Terminal;
}

export type Telling = Round & { readonly standings: Standings };

/** Fetches, and checks out what is new, where nothing is in the way of that. */
export async function followTip(
  record: ReconcileRecord,
  files: readonly string[],
  followed: FollowedBranch,
  { options, terminal, standings }: Telling,
): Promise<ReconcileRecord & { readonly blocked: boolean }> {
  const { tip, problem } = await fetchTip(followed, options.cancel);
  if (options.cancel.aborted) return { ...record, blocked: true };
  if (problem !== undefined) standings.problem(problem);
  const { moving: wasMoving, ...settled } = record;
  const head = await headOf(followed);
  // The machine went down meanwhile.
  if (wasMoving === true && head !== undefined && head === record.left && record.commit !== undefined) {
    await undoCheckOut({ ...followed, head, tip: record.commit, except: [] });
  }
  const unclean = head === undefined ? undefined : await whyUnclean(followed, head);
  if (unclean !== undefined) standings.problem(unclean);
  const asked = {
    ...settled,
    unheard: problem === undefined ? 0 : record.unheard + 1,
    // What could not be undone yet.
    ...present({ moving: unclean === undefined ? undefined : wasMoving }),
  };
  // What merely is checked out here is no commit of the branch.
  if (tip === undefined || unclean !== undefined) return { ...asked, blocked: true };
  if (tip === head) return { ...asked, commit: tip, blocked: false };
  const projects = await stateDirsOf(files, terminal);
  const open = await whoIsOpen(asked, projects);
  if (open !== undefined) {
    standings.problem(diagnose(WATCH_CODES.notCheckedOut, `${tip.slice(0, 7)} waits: ${open.why}.`));
    return { ...(open.ours === undefined ? asked : await withdraw(asked, open.ours, followed)), blocked: true };
  }
  // On disk first: HEAD at either is no commit of anybody's that would be lost.
  const moving = { ...asked, commit: tip, ...present({ left: head }) };
  await writeReconcileRecord(followed.gitDir, { ...moving, moving: true });
  const ours = [asked.commit, asked.left].filter((commit) => commit !== undefined);
  const stateDirs = projects.flatMap((project) => project.stateDirs);
  const refused = await checkOut(followed, { tip, head, followed: ours, stateDirs });
  if (refused !== undefined) {
    standings.problem(refused);
    const isHalf = head !== undefined && (await whyUnclean(followed, head)) !== undefined;
    return { ...(isHalf ? { ...moving, moving: true } : asked), blocked: true };
  }
  const from = asked.commit === undefined || asked.commit === tip ? head : asked.commit;
  const move = await describeMove(followed, from, tip);
  tellWatch(
    { type: "commit", branch: options.git, commit: tip, ...present({ before: from }), ...move },
    options,
    terminal,
  );
  return { ...moving, blocked: false };
}

interface ProjectStates {
  readonly root: string;
  readonly stateDirs: readonly string[];
}

/** Of the project around the folder, and of each that a named file lies in. */
function stateDirsOf(
  files: readonly string[],
  { folder, environment }: Round["terminal"],
): Promise<readonly ProjectStates[]> {
  const named = files.map((file) => findRoot(resolve(folder, readAddress(file).file)));
  const roots = [...new Set([projectOf(folder), ...named])];
  return Promise.all(roots.map(async (root) => ({ root, stateDirs: await findStateDirs(root, environment) })));
}

interface OpenPipeline {
  /** A main clause without a full stop. */
  readonly why: string;
  /** Its name, where the runner was begun here and has no stage at work: it can be withdrawn. */
  readonly ours?: string;
}

/**
 * Who would find other clips and captions in the place of those that it was begun for: a stage that encodes, and a runner that may
 * come to one. What trains reads caches alone.
 */
async function whoIsOpen(
  { attempts }: ReconcileRecord,
  projects: readonly ProjectStates[],
): Promise<OpenPipeline | undefined> {
  for (const { root, stateDirs } of projects) {
    for (const { stateDir, pipeline } of await findRecorded(stateDirs)) {
      const { alive, lock } = await loadPlace({ root, stateDir, pipeline, host: hostname() });
      const caching = alive.find(isCaching);
      if (caching !== undefined) return { why: `${caching} of ${pipeline} reads clips of this checkout` };
      if (lock.kind !== "held" || alive.length > 0) continue;
      const runner = attempts[pipeline]?.process;
      if (runner === undefined || !(await isProcessAlive(runner))) return { why: `an apply of ${pipeline} is open` };
      const why = `${pipeline}, begun for an earlier commit, has not come to train and is withdrawn`;
      return { why, ours: pipeline };
    }
  }
  return undefined;
}

/** It saves what it has, and is begun anew for the commit that counts by then. */
async function withdraw(record: ReconcileRecord, name: string, { gitDir }: FollowedBranch): Promise<ReconcileRecord> {
  const attempt = record.attempts[name];
  if (attempt?.process === undefined) return record;
  const now = { ...record, attempts: { ...record.attempts, [name]: { ...attempt, withdrawn: true } } };
  await writeReconcileRecord(gitDir, now);
  await stopRunner(attempt.process);
  return now;
}
