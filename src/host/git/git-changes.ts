import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { PROJECT_FILE } from "../project.ts";
import { REVIEW_CODES } from "../review-codes.ts";
import { type GitBytes, isDone, whyNot } from "./git.ts";
import { askGit, findRepository } from "./repository.ts";

/** What differs between a commit and the working tree: as a pull request shows it, with what is not committed yet. */

/** A path that differs. It is a file or a link; of a submodule, its folder. */
export interface ChangedPath {
  /** From the repository's top, with `/`. */
  readonly path: string;
  /** What the commit has there; undefined where it has nothing. */
  readonly before: { readonly mode: string; readonly object: string } | undefined;
  /** Whether Git follows it, or it merely lies there. */
  readonly kind: "tracked" | "untracked";
}

export interface Changes {
  /** The repository's top folder, absolute. */
  readonly top: string;
  /** As it was asked for. */
  readonly ref: string;
  /** The commit that both sides come from, which is compared with. */
  readonly commit: string;
  readonly paths: readonly ChangedPath[];
}

/**
 * Everything that differs from the commit that `ref` and HEAD come from: committed, staged, in the working tree, and new files
 * that are not ignored. Ignored files count for nothing: Git knows no other version of them.
 */
export async function findChanges(folder: string, ref: string): Promise<Changes | Diagnostic> {
  const top = findRepository(folder);
  if (top === undefined) {
    const { noRepository } = REVIEW_CODES;
    return diagnose(noRepository, `${folder} lies in no Git repository. ${noRepository.mend}`);
  }
  const commit = await findCommonCommit(top, ref);
  if (typeof commit !== "string") return commit;
  const paths = await changedPaths(top, commit);
  return "kind" in paths ? gitFailed(paths) : { top, ref, commit, paths };
}

/** Everything in the working tree that differs from a commit, or what Git answered where it could not tell. */
export async function changedPaths(top: string, commit: string): Promise<readonly ChangedPath[] | GitBytes> {
  const [tracked, untracked] = await Promise.all([
    askGit(top, [...DIFF, commit, "--"]),
    askGit(top, ["ls-files", "-z", "--others", "--exclude-standard"]),
  ]);
  if (!isDone(tracked)) return tracked;
  if (!isDone(untracked)) return untracked;
  return [...readRawDiff(tracked.stdout.toString("utf8")), ...readNames(untracked.stdout).map(untrackedPath)];
}

/** Every variable (`${NAME}`) that files of a commit name: those at `paths`, and every wan22.yaml. */
export async function variablesAt(
  { top, commit }: Pick<Changes, "top" | "commit">,
  paths: readonly string[],
): Promise<ReadonlySet<string> | Diagnostic> {
  const places = [`:(top,glob)**/${PROJECT_FILE}`, ...paths.map((path) => `:(top,literal)${path}`)];
  const found = await askGit(top, ["grep", ...GREP, "-E", VARIABLE, commit, "--", ...places]);
  // That nothing was found is told without words.
  if (hasFailed(found)) return gitFailed(found);
  const lines = isDone(found) ? found.stdout.toString("utf8").split("\n") : [];
  return new Set(lines.flatMap((line) => (line.startsWith("${") ? [line.slice(2)] : [])));
}

const GREP = ["-h", "-o", "-I", "--no-textconv", "--no-color", "--no-column", "--no-line-number"] as const;
const VARIABLE = "\\$\\{[A-Za-z_][A-Za-z0-9_]*";

/** No program of anybody's settings has a part in it, and no setting changes what is printed. */
const DIFF = [
  "diff",
  "--raw",
  "-z",
  "--no-abbrev",
  "--no-renames",
  "--no-relative",
  "--no-ext-diff",
  "--no-textconv",
  "--ignore-submodules=dirty",
] as const;

async function findCommonCommit(top: string, ref: string): Promise<string | Diagnostic> {
  const { noSuchCommit, noCommonCommit } = REVIEW_CODES;
  const unknown = diagnose(noSuchCommit, `\`${ref}\` names no commit of this repository. ${noSuchCommit.mend}`);
  // Git would take it for an option.
  if (ref === "" || ref.startsWith("-")) return unknown;
  const named = await askGit(top, ["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]);
  if (hasFailed(named)) return gitFailed(named);
  if (!isDone(named)) return unknown;
  const base = await askGit(top, ["merge-base", named.stdout.toString("utf8").trim(), "HEAD"]);
  if (isDone(base)) return base.stdout.toString("utf8").trim();
  if (hasFailed(base)) return gitFailed(base);
  const shallow = await askGit(top, ["rev-parse", "--is-shallow-repository"]);
  const isShallow = isDone(shallow) && shallow.stdout.toString("utf8").trim() === "true";
  const why = isShallow ? "this clone has only the end of the history" : "their histories have nothing in common";
  const mend = isShallow ? noCommonCommit.mend : "Compare with a commit that HEAD comes from.";
  return diagnose(noCommonCommit, `\`${ref}\` and HEAD share no commit: ${why}. ${mend}`);
}

/** With `--quiet`, and of two commits, a plain no has no words. */
function hasFailed(result: GitBytes): boolean {
  return result.kind !== "answered" || (result.exitCode !== 0 && result.complaint !== "");
}

export function gitFailed(result: GitBytes): Diagnostic {
  const { gitFailed: kind } = REVIEW_CODES;
  if (result.kind === "missing") return diagnose(kind, "There is no `git` on this machine. Install Git.");
  return diagnose(kind, `Git was asked what has changed, and there is no answer: ${whyNot(result)}.`);
}

/** Records of `:MODE MODE OBJECT OBJECT STATUS`, each followed by its path. */
function readRawDiff(text: string): readonly ChangedPath[] {
  const parts = text.split("\0");
  const found: ChangedPath[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [mode = "", , object = ""] = (parts[at] ?? "").slice(1).split(" ");
    const before = mode === "000000" ? undefined : { mode, object };
    found.push({ path: parts[at + 1] ?? "", before, kind: "tracked" });
  }
  return found;
}

function readNames(output: Buffer): readonly string[] {
  return output
    .toString("utf8")
    .split("\0")
    .filter((name) => name !== "");
}

/** A repository that lies in this one is named with a slash at its end. */
function untrackedPath(name: string): ChangedPath {
  return { path: name.replace(/\/$/, ""), before: undefined, kind: "untracked" };
}
