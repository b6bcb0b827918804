import { readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import pLimit from "p-limit";
import { withoutCredentials } from "../../core/credentials.ts";
import { pathInside } from "../../core/paths.ts";
import type { ProvenanceSource, ProvenanceText } from "../../core/provenance/record.ts";
import { sha256 } from "../hash.ts";
import { isDone } from "./git.ts";
import { changedPaths } from "./git-changes.ts";
import { askGit, findRepository } from "./repository.ts";

/** Which commit a project stands at, and what of it is not as that commit has it. */

export interface SourceQuestion {
  /** Files whose text counts, from the root. Those that are not there are passed over. */
  readonly texts: readonly string[];
  /** Folders, absolute, whose files are no part of the source: what wan22 itself writes. */
  readonly except: readonly string[];
}

export interface SourceAnswer {
  /** Absent where there is no repository, no commit in it, or Git can't tell what differs from it. */
  readonly source: ProvenanceSource | undefined;
  readonly texts: readonly ProvenanceText[];
}

/** More names say no more: who has so many has other worries. */
const MAX_LISTED = 1_000;
/** What is larger is no text, and named without its digest: clips and models have identities of their own. */
const MAX_HASHED_BYTES = 256 * 1024;
const oneOfFew = pLimit(8);

export async function observeSource(root: string, { texts, except }: SourceQuestion): Promise<SourceAnswer> {
  const top = findRepository(root);
  const commit = top === undefined ? undefined : await headOf(top);
  const project = top === undefined ? "." : pathInside(top, root);
  const read = await Promise.all(
    [...new Set(texts)].sort().map(async (file): Promise<readonly ProvenanceText[]> => {
      const bytes = await readFile(resolve(root, file)).catch(() => undefined);
      if (bytes === undefined) return [];
      if (top === undefined || commit === undefined) return [{ file, sha256: sha256(bytes) }];
      const there = await blobAt(top, commit, relative(top, resolve(root, file)));
      const standing = there === undefined ? "absent" : there.equals(bytes) ? "same" : "differs";
      return [{ file, sha256: sha256(bytes), commit: standing }];
    }),
  );
  if (top === undefined || commit === undefined) return { source: undefined, texts: read.flat() };
  const found = await changedPaths(top, commit);
  // A commit of which nobody knows whether the files are its own proves nothing.
  if ("kind" in found) return { source: undefined, texts: read.flat() };
  const changed = found
    .map(({ path, kind }) => ({ file: path, kind }))
    .filter(
      ({ file }) => !except.some((folder) => join(top, file) === folder || join(top, file).startsWith(`${folder}/`)),
    );
  const listed = await oneOfFew.map(changed.slice(0, MAX_LISTED), async ({ file, kind }) => {
    const digest = await digestOf(join(top, file));
    return { file, kind, ...(digest === undefined ? {} : { sha256: digest }) };
  });
  const remote = await remoteOf(top);
  const known = { commit, project, ...(remote === undefined ? {} : { remote }) };
  return { source: { ...known, changed: listed, changed_count: changed.length }, texts: read.flat() };
}

/** A file as a commit has it; `path` from the repository's top. Undefined where it has none, or is not here itself. */
export async function blobAt(top: string, commit: string, path: string): Promise<Buffer | undefined> {
  const answer = await askGit(top, ["cat-file", "blob", `${commit}:${path}`]);
  return isDone(answer) ? answer.stdout : undefined;
}

/** Whether a repository has a commit, and whether any branch, tag or HEAD comes from it. */
export async function standingOfCommit(top: string, commit: string): Promise<"held" | "loose" | "gone"> {
  const there = await askGit(top, ["cat-file", "-e", `${commit}^{commit}`]);
  if (!isDone(there)) return "gone";
  const ancestor = await askGit(top, ["merge-base", "--is-ancestor", commit, "HEAD"]);
  if (isDone(ancestor)) return "held";
  const refs = await askGit(top, ["for-each-ref", "--count=1", `--contains=${commit}`]);
  return isDone(refs) && refs.stdout.length > 0 ? "held" : "loose";
}

async function headOf(top: string): Promise<string | undefined> {
  const answer = await askGit(top, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
  return isDone(answer) ? answer.stdout.toString("utf8").trim() : undefined;
}

async function remoteOf(top: string): Promise<string | undefined> {
  const answer = await askGit(top, ["config", "--get", "remote.origin.url"]);
  const url = isDone(answer) ? answer.stdout.toString("utf8").trim() : "";
  return url === "" ? undefined : withoutCredentials(url);
}

async function digestOf(file: string): Promise<string | undefined> {
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true || stats.size > MAX_HASHED_BYTES) return undefined;
  return readFile(file).then(sha256, () => undefined);
}
