import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { capitalized } from "../../core/plan/wording.ts";
import { BRANCH_CODES } from "../../core/state/branch-codes.ts";
import { readState } from "../../core/state/migrate.ts";
import type { State } from "../../core/state/state.ts";
import { BRING_NOTHING_ELSE, type Git, isDone, runGit, whyNot } from "./git.ts";

/**
 * The branch of the project's repository that holds copies of records (docs/decisions/0016): looking at it. What was fetched
 * stays under a ref of its own, `refs/wan22/…`, where no command of the user's comes by it.
 */

export interface StateBranchPlace {
  /** The project root, absolute. */
  readonly root: string;
  readonly branch: string;
  readonly remote: string;
  readonly environment: Git["environment"];
}

/** A branch that records can be read from and pushed to. */
export interface StateBranch {
  readonly kind: "open";
  readonly git: Git;
  readonly place: StateBranchPlace;
  /** The project's folder in the repository: empty, or with a `/` at its end. */
  readonly prefix: string;
  /** The commit that counts; undefined where there is no such branch yet. */
  readonly tip: string | undefined;
  /** Whether the remote has that tip, has no such branch (any more), or could not be asked. */
  readonly remote: "has-it" | "has-none" | "unheard";
  /** Why it could not be asked, as the end of a sentence. */
  readonly why?: string;
  /** `the branch wan22-state of origin`, with of when it is where that was seen some time ago. */
  readonly name: string;
  readonly diagnostics: readonly Diagnostic[];
}

export type StateBranchLook = StateBranch | { readonly kind: "unusable"; readonly diagnostics: readonly Diagnostic[] };

export interface LookOptions {
  readonly timeoutMs: number;
  /** Why it could not be asked a moment ago: then it is not asked again. */
  readonly unheard?: string | undefined;
  readonly cancel?: AbortSignal | undefined;
}

/** The only things that a state branch holds at its top. */
const RECORDS_FOLDER = "state";
export const README = "README.md";

/** Asks the remote for the branch, and fetches what is new. Where it can't be asked, what was fetched last counts. */
export async function lookAtStateBranch(place: StateBranchPlace, options: LookOptions): Promise<StateBranchLook> {
  const { root, branch, remote, environment } = place;
  const bare: Git = { folder: root, environment };
  const inside = await runGit(bare, ["rev-parse", "--show-prefix"]);
  if (!isDone(inside)) return noRemote(`The project lies in no Git repository that can be used: ${whyNot(inside)}`);
  const settings = await settingsOf(bare);
  if (!settings.has(`remote.${remote}.url`)) return noRemote(`The repository has no remote \`${remote}\``);
  const git: Git = { ...bare, sshCommand: settings.get("core.sshcommand") };
  const known = await commitOf(git, seenRef(place));
  const name = `the branch ${branch} of ${remote}`;
  const found = await fetchTip(git, place, known, options);
  const tip = found.kind === "found" ? found.commit : known;
  if (tip !== undefined && !(await isStateBranch(git, tip))) {
    const detail = `${capitalized(name)} holds files that are no records. ${BRANCH_CODES.notOurs.why} ${BRANCH_CODES.notOurs.mend}`;
    return { kind: "unusable", diagnostics: [diagnose(BRANCH_CODES.notOurs, detail)] };
  }
  const open = { kind: "open", git, place, prefix: inside.stdout.replace(/\n$/, ""), tip } as const;
  if (found.kind === "failed") {
    const seen = tip === undefined ? undefined : await dateOf(git, tip);
    const counts =
      seen === undefined ? "Nothing was ever fetched of it here" : `What was fetched last counts, of ${seen}`;
    const detail = `${capitalized(name)} could not be asked: ${found.why}. ${counts}. ${BRANCH_CODES.unreachable.mend}`;
    const as = seen === undefined ? name : `${name} as it was on ${seen}`;
    return {
      ...open,
      remote: "unheard",
      why: found.why,
      name: as,
      diagnostics: [diagnose(BRANCH_CODES.unreachable, detail)],
    };
  }
  if (found.kind === "none") {
    const gone = `${capitalized(name)} was deleted there. What was fetched last of it counts${tip === undefined ? "" : `, of ${await dateOf(git, tip)}`}. ${BRANCH_CODES.rewritten.mend}`;
    const diagnostics = tip === undefined ? [] : [diagnose(BRANCH_CODES.rewritten, gone)];
    return { ...open, remote: "has-none", name, diagnostics };
  }
  if (known !== found.commit) await runGit(git, ["update-ref", seenRef(place), found.commit]);
  const isRewritten = known !== undefined && !(await isAncestor(git, known, found.commit));
  const detail = `${capitalized(name)} was rewritten: ${known?.slice(0, 10)}, seen here before, is no part of it any more. ${BRANCH_CODES.rewritten.why} ${BRANCH_CODES.rewritten.mend}`;
  return {
    ...open,
    remote: "has-it",
    name,
    diagnostics: isRewritten ? [diagnose(BRANCH_CODES.rewritten, detail)] : [],
  };
}

function noRemote(what: string): StateBranchLook {
  return {
    kind: "unusable",
    diagnostics: [
      diagnose(BRANCH_CODES.noRemote, `${what}. ${BRANCH_CODES.noRemote.why} ${BRANCH_CODES.noRemote.mend}`),
    ],
  };
}

/** The addresses of remotes, and what is run as ssh; of several the last counts, as for Git. */
async function settingsOf(git: Git): Promise<ReadonlyMap<string, string>> {
  const asked = await runGit(git, ["config", "-z", "--get-regexp", "^(remote\\..*\\.url|core\\.sshcommand)$"]);
  const entries = asked.kind === "answered" ? asked.stdout.split("\0") : [];
  return new Map(entries.map((entry) => [entry.split("\n", 1)[0] ?? "", entry.slice(entry.indexOf("\n") + 1)]));
}

/** Where the tip is kept that was seen last. */
export function seenRef({ remote, branch }: StateBranchPlace): string {
  return `refs/wan22/${remote}/${branch}`;
}

type FoundTip =
  | { readonly kind: "found"; readonly commit: string }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly why: string };

/** Others may push between two questions. */
const MAX_QUESTIONS = 3;

async function fetchTip(
  git: Git,
  place: StateBranchPlace,
  known: string | undefined,
  { timeoutMs, cancel, unheard }: LookOptions,
): Promise<FoundTip> {
  if (unheard !== undefined) return { kind: "failed", why: unheard };
  const ref = `refs/heads/${place.branch}`;
  const endsAt = performance.now() + timeoutMs;
  const left = () => ({ timeoutMs: Math.max(1, endsAt - performance.now()), cancel });
  for (let question = 1; ; question += 1) {
    const listed = await runGit(git, ["ls-remote", place.remote, ref], left());
    if (!isDone(listed)) return { kind: "failed", why: whyNot(listed) };
    // A pattern there fits the ends of names too.
    const line = listed.stdout.split("\n").find((one) => one.endsWith(`\t${ref}`));
    const commit = line?.slice(0, line.indexOf("\t"));
    if (commit === undefined) return { kind: "none" };
    if (commit === known || (await isCommit(git, commit))) return { kind: "found", commit };
    const fetched = await runGit(git, ["fetch", ...BRING_NOTHING_ELSE, place.remote, ref], left());
    if (isDone(fetched) && (await isCommit(git, commit))) return { kind: "found", commit };
    if (question === MAX_QUESTIONS || fetched.kind !== "answered") return { kind: "failed", why: whyNot(fetched) };
  }
}

async function isCommit(git: Git, commit: string): Promise<boolean> {
  const found = await runGit(git, ["cat-file", "-e", `${commit}^{tree}`]);
  return isDone(found);
}

/** The same as other commands of this checkout have left it. */
export async function seenAgain(branch: StateBranch): Promise<StateBranch> {
  const tip = await commitOf(branch.git, seenRef(branch.place));
  return tip === undefined || tip === branch.tip ? branch : { ...branch, tip, remote: "has-it" };
}

async function commitOf(git: Git, ref: string): Promise<string | undefined> {
  const found = await runGit(git, ["rev-parse", "--quiet", "--verify", `${ref}^{commit}`]);
  return isDone(found) ? found.stdout.trim() : undefined;
}

async function isAncestor(git: Git, earlier: string, later: string): Promise<boolean> {
  if (earlier === later) return true;
  const found = await runGit(git, ["merge-base", "--is-ancestor", earlier, later]);
  return isDone(found);
}

/** `2026-07-01 10:00 +0000`. */
async function dateOf(git: Git, commit: string): Promise<string> {
  const found = await runGit(git, ["show", "-s", "--format=%cd", "--date=format:%Y-%m-%d %H:%M %z", commit]);
  return found.kind === "answered" ? found.stdout.trim() : "an unknown time";
}

async function isStateBranch(git: Git, tip: string): Promise<boolean> {
  const listed = await runGit(git, ["ls-tree", "--full-tree", "--name-only", tip]);
  if (!isDone(listed)) return false;
  const names = listed.stdout.split("\n").filter((name) => name !== "");
  return names.includes(RECORDS_FOLDER) && names.every((name) => name === RECORDS_FOLDER || name === README);
}

/** Where a pipeline's record lies on the branch: below the project's folder, as several projects may share a repository. */
export function recordPath({ prefix }: Pick<StateBranch, "prefix">, pipeline: string): string {
  return `${RECORDS_FOLDER}/${prefix}${pipeline}.json`;
}

export interface BranchReading {
  readonly state: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** The record of a pipeline as the branch has it. One of a newer version is an error, a damaged one counts for nothing. */
export async function readBranchRecord(
  branch: StateBranch,
  pipeline: string,
  tip = branch.tip,
): Promise<BranchReading> {
  if (tip === undefined) return { state: undefined, diagnostics: [] };
  const path = recordPath(branch, pipeline);
  const blob = await runGit(branch.git, ["cat-file", "blob", `${tip}:${path}`]);
  if (!isDone(blob)) return { state: undefined, diagnostics: [] };
  const file = `${branch.place.branch}:${path}`;
  const reading = readState(blob.stdout, { file, pipeline });
  switch (reading.kind) {
    case "state":
      return { state: reading.state, diagnostics: [] };
    case "refused":
      return { state: undefined, diagnostics: [reading.diagnostic] };
    case "damaged": {
      const detail = `${reading.why} ${BRANCH_CODES.damaged.why} ${BRANCH_CODES.damaged.mend}`;
      return { state: undefined, diagnostics: [diagnose(BRANCH_CODES.damaged, detail)] };
    }
  }
}
