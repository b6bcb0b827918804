import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { branchMessage, branchText } from "../../core/state/branch-record.ts";
import { type Standing, standOf } from "../../core/state/standing.ts";
import type { State } from "../../core/state/state.ts";
import { type Git, type GitResult, isDone, runGit, whyNot } from "./git.ts";
import {
  lookAtStateBranch,
  README,
  readBranchRecord,
  recordPath,
  type StateBranch,
  seenAgain,
  seenRef,
} from "./state-branch.ts";

/**
 * Puts a record on the state branch: a commit on its tip, pushed without force. The server takes it only if the tip is still
 * that one, so of pushes at the same moment one wins, and the others are made again on what it has put there.
 */

export type PushResult =
  | { readonly kind: "pushed"; readonly branch: StateBranch }
  /** The branch knows it all already. */
  | { readonly kind: "current"; readonly branch: StateBranch }
  /** It knows what this record doesn't; nothing was overwritten. */
  | { readonly kind: "kept"; readonly standing: Exclude<Standing, "same" | "ahead">; readonly theirs: State }
  /** A sentence. `again`: the same may go well later. */
  | { readonly kind: "failed"; readonly why: string; readonly again: boolean };

export interface PushOptions {
  /** `force` puts it in the place of whatever the branch says; that stays in the branch's history. */
  readonly manner: "newer" | "force";
  /** For each question to the server. */
  readonly timeoutMs: number;
  readonly cancel?: AbortSignal | undefined;
}

/** Of many machines that push at once each comes through in the end; a server that refuses every one would go on for ever. */
const MAX_ATTEMPTS = 12;
/** A server that refuses although nobody else has pushed: a lock of its own, or a rule. */
const MAX_UNMOVED = 4;

/** `branch`: as it was seen last; it is looked at again only where it has moved. */
export async function pushRecord(state: State, branch: StateBranch, options: PushOptions): Promise<PushResult> {
  let seen = await seenAgain(branch);
  let refusals = 0;
  for (let attempt = 1; ; attempt += 1) {
    const reading = await readBranchRecord(seen, state.pipeline);
    const refused = reading.diagnostics.find(({ severity }) => severity === "error");
    if (refused !== undefined) return failed(refused.detail);
    const standing = standOf(state, reading.state);
    if (options.manner === "newer" && reading.state !== undefined && standing !== "ahead") {
      if (standing !== "same") return { kind: "kept", standing, theirs: reading.state };
      if (seen.remote === "has-it") return { kind: "current", branch: seen };
    }
    const commit = await commitRecord(state, seen);
    if (typeof commit !== "string") return failed(`It could not be written into the repository: ${whyNot(commit)}`);
    const { remote, branch: name } = seen.place;
    const pushed = await runGit(
      seen.git,
      ["push", "--porcelain", "--no-verify", "--recurse-submodules=no", remote, `${commit}:refs/heads/${name}`],
      options,
    );
    if (isDone(pushed)) {
      await runGit(seen.git, ["update-ref", seenRef(seen.place), commit]);
      return { kind: commit === seen.tip ? "current" : "pushed", branch: { ...seen, tip: commit, remote: "has-it" } };
    }
    const refusal = refusalIn(pushed);
    if (refusal === undefined) return failed(`The remote could not be asked: ${whyNot(pushed)}`, true);
    const look = await lookAtStateBranch(seen.place, options);
    if (look.kind === "unusable") return failed(look.diagnostics.map(({ detail }) => detail).join(" "));
    refusals = look.tip === seen.tip ? refusals + 1 : 0;
    if (refusals >= MAX_UNMOVED || attempt >= MAX_ATTEMPTS) return failed(`The remote refuses it: ${refusal}`, true);
    seen = look;
    // Those that were refused together come apart.
    await delay(Math.random() * 50 * 2 ** Math.min(attempt, 6), undefined, { signal: options.cancel }).catch(
      () => undefined,
    );
  }
}

function failed(why: string, again = false): PushResult {
  return { kind: "failed", why: why.replace(/\.$/, ""), again };
}

/** What the server, or Git for it, says against the push; undefined where it was not heard. */
function refusalIn(pushed: GitResult): string | undefined {
  if (pushed.kind !== "answered") return undefined;
  return /^!\t.*\t(\[.*)$/m.exec(pushed.stdout)?.[1];
}

/** A commit that holds the record on the branch's tip; the tip itself where it holds it already. */
async function commitRecord(state: State, branch: StateBranch): Promise<string | GitResult> {
  const { git, tip } = branch;
  const blob = await write(git, ["hash-object", "-w", "--stdin"], branchText(state));
  if (typeof blob !== "string") return blob;
  let tree = await treeWith(
    git,
    tip === undefined ? undefined : `${tip}^{tree}`,
    recordPath(branch, state.pipeline).split("/"),
    blob,
  );
  if (typeof tree !== "string") return tree;
  if (tip === undefined) {
    const readme = await write(git, ["hash-object", "-w", "--stdin"], README_TEXT);
    tree = typeof readme === "string" ? await treeWith(git, tree, [README], readme) : readme;
    if (typeof tree !== "string") return tree;
  } else {
    const before = await write(git, ["rev-parse", `${tip}^{tree}`]);
    if (before === tree) return tip;
  }
  const parent = tip === undefined ? [] : ["-p", tip];
  return write(git, ["commit-tree", tree, ...parent], branchMessage(state), identity());
}

const README_TEXT = `# Records of training

\`wan22\` keeps a copy of each pipeline's record here, so that a plan made on any machine knows what is trained already.
It writes this branch by itself. Merge it into nothing, and change nothing here: put right a record where it was
trained, and \`wan22 state push\` it.
`;

/** A tree in which one file is another blob; `base` is a tree-ish. */
async function treeWith(
  git: Git,
  base: string | undefined,
  path: readonly string[],
  blob: string,
): Promise<string | GitResult> {
  const [name = "", ...below] = path;
  const listed = base === undefined ? "" : await write(git, ["ls-tree", "--full-tree", "-z", base]);
  if (typeof listed !== "string") return listed;
  const entries = listed.split("\0").filter((entry) => entry !== "");
  const nameOf = (entry: string) => entry.slice(entry.indexOf("\t") + 1);
  const old = entries.find((entry) => nameOf(entry) === name);
  const oldTree = old === undefined ? undefined : /^040000 tree ([0-9a-f]+)\t/.exec(old)?.[1];
  const put = below.length === 0 ? blob : await treeWith(git, oldTree, below, blob);
  if (typeof put !== "string") return put;
  const kind = below.length === 0 ? "100644 blob" : "040000 tree";
  const kept = entries.filter((entry) => entry !== old);
  return write(git, ["mktree", "-z"], [...kept, `${kind} ${put}\t${name}`].map((entry) => `${entry}\0`).join(""));
}

/** The answer of a command, or why there is none. */
async function write(
  git: Git,
  args: readonly string[],
  input = "",
  env: Readonly<Record<string, string>> = {},
): Promise<string | GitResult> {
  const result = await runGit(git, args, { input, env });
  return isDone(result) ? result.stdout.replace(/\n$/, "") : result;
}

/** A commit of a machine's: it needs no name of the user's, who may have told Git none. */
function identity(): Readonly<Record<string, string>> {
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, "-");
  const [name, email] = ["wan22", `wan22@${host}`];
  return { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email };
}
