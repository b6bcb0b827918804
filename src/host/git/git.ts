import { withoutCredentials } from "../../core/credentials.ts";
import { findExecutable } from "../trainer/executable.ts";

/**
 * Git's plumbing, run beside whatever the user does with the repository: no working tree, index, hook or configuration of
 * theirs is touched, and nothing can ask anybody anything.
 */

export interface Git {
  /** Where it runs, absolute. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `core.sshCommand` of the repository, which what is set here would hide. */
  readonly sshCommand?: string | undefined;
}

interface Answered<Output> {
  readonly kind: "answered";
  readonly exitCode: number;
  readonly stdout: Output;
  /** What it complains of, in a line or two, without names and passwords of addresses. */
  readonly complaint: string;
}

interface Unanswered {
  readonly kind: "missing" | "timeout" | "cancelled";
}

export type GitAnswer = Answered<string>;
export type GitResult = GitAnswer | Unanswered;
/** Names that are no UTF-8, and files as they are. */
export type GitBytes = Answered<Buffer> | Unanswered;

export interface GitOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Ends it, whatever it waits for. */
  readonly cancel?: AbortSignal | undefined;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Plumbing on a local disk takes milliseconds; one on a network share that hangs must not hang a plan. */
const LOCAL_TIMEOUT_MS = 30_000;
/** The names of a whole tree, or the files that a change touches; what is larger is no answer to any question asked here. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** What asks for an end and is not heard is ended. */
const KILL_AFTER_MS = 2_000;

/** Of a repository that calls itself another one in the environment, as inside a hook, nothing is meant here. */
const NOT_INHERITED =
  /^(?:GIT_(?:DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE|PREFIX|CEILING_DIRECTORIES|EXTERNAL_DIFF)|SSH_ASKPASS)$/;

/** Hooks, signatures and upkeep are the user's own affair; a server that says nothing more for half a minute is gone. */
const SETTINGS = [
  "core.hooksPath=/dev/null",
  // A program that the repository's settings name would be run to say what has changed.
  "core.fsmonitor=false",
  // A repository that lies in the files of another is not taken for one: it could bring settings along.
  "safe.bareRepository=explicit",
  "gc.auto=0",
  "maintenance.auto=false",
  "push.gpgSign=false",
  "push.followTags=false",
  "credential.interactive=false",
  "http.lowSpeedLimit=1",
  "http.lowSpeedTime=30",
].flatMap((setting) => ["-c", setting]);

/** For a fetch: what is asked for and no more comes, and nothing else of the repository changes by it. */
export const BRING_NOTHING_ELSE: readonly string[] = [
  "--quiet",
  "--no-tags",
  "--no-write-fetch-head",
  "--no-recurse-submodules",
  "--no-auto-maintenance",
  "--refmap=",
];

/** Runs `git ARGS`. Whatever becomes of it is in the result; nothing is thrown but for a bug. */
export async function runGit(git: Git, args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
  const result = await runGitForBytes(git, args, options);
  return result.kind === "answered" ? { ...result, stdout: result.stdout.toString("utf8") } : result;
}

/** The same, of what is no text. */
export async function runGitForBytes(git: Git, args: readonly string[], options: GitOptions = {}): Promise<GitBytes> {
  const command = await findExecutable("git");
  if (command === undefined) return { kind: "missing" };
  if (options.cancel?.aborted) return { kind: "cancelled" };
  // Loaded only here: most plans have no state branch.
  const { execa } = await import("execa");
  const subprocess = execa(command, ["--no-pager", ...SETTINGS, ...args], {
    cwd: git.folder,
    env: { ...silent(git), ...options.env },
    extendEnv: false,
    // A session of its own: no terminal is there to ask at, and Ctrl-C does not cut a push off.
    detached: true,
    windowsHide: true,
    reject: false,
    stripFinalNewline: false,
    encoding: "buffer",
    maxBuffer: MAX_BYTES,
    input: options.input ?? "",
  });
  let ended: "timeout" | "cancelled" | undefined;
  let kill: NodeJS.Timeout | undefined;
  const end = (why: "timeout" | "cancelled") => {
    ended ??= why;
    signalGroup(subprocess.pid, "SIGTERM");
    kill = setTimeout(() => signalGroup(subprocess.pid, "SIGKILL"), KILL_AFTER_MS);
  };
  const onCancel = () => end("cancelled");
  options.cancel?.addEventListener("abort", onCancel, { once: true });
  const timer = setTimeout(() => end("timeout"), options.timeoutMs ?? LOCAL_TIMEOUT_MS);
  try {
    const { exitCode, stdout, stderr, code } = await subprocess;
    if (ended !== undefined) return { kind: ended };
    if (code === "ENOENT" || code === "EACCES") return { kind: "missing" };
    const complaint = complaintIn(Buffer.from(stderr).toString("utf8"));
    return { kind: "answered", exitCode: exitCode ?? 1, stdout: Buffer.from(stdout), complaint };
  } finally {
    clearTimeout(timer);
    clearTimeout(kill);
    options.cancel?.removeEventListener("abort", onCancel);
  }
}

/** An environment in which Git and ssh fail instead of asking. */
function silent({ environment, sshCommand }: Git): Record<string, string> {
  const inherited = Object.entries(environment).flatMap(([name, value]): [string, string][] =>
    value === undefined || NOT_INHERITED.test(name) ? [] : [[name, value]],
  );
  const own = environment.GIT_SSH_COMMAND ?? sshCommand;
  // A program in place of ssh may take none of its options; without a terminal it has nobody to ask either.
  const isOther = own === undefined && environment.GIT_SSH !== undefined;
  const ssh = isOther ? {} : { GIT_SSH_COMMAND: `${own ?? "ssh"} -oBatchMode=yes -oConnectTimeout=10` };
  return {
    ...Object.fromEntries(inherited),
    ...ssh,
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GCM_INTERACTIVE: "never",
    LC_ALL: "C",
  };
}

/** With all that it started: what talks to the server is a process of its own. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, signal);
  } catch {
    // It has ended.
  }
}

/** What matters of what Git says: its errors, else the last line. */
function complaintIn(stderr: string): string {
  const lines = stderr
    // Names that an error is about stand below it, further in.
    .replace(/:\n((?:\t[^\n]*\n)+)/g, (_, names: string) => `: ${namesIn(names)}\n`)
    .split("\n")
    .map((line) => line.replace(/^remote:\s*/, "").trim())
    .filter((line) => line !== "");
  // What ssh complains of stands before the error that Git makes of it, and without a word in front.
  const isVague = (line: string) => /Could not read from remote repository/.test(line);
  const errors = lines.filter(
    (line, at) => /^(?:fatal|error|ssh): /.test(line) || lines.slice(at + 1, at + 2).some(isVague),
  );
  const clear = errors.filter((line) => !isVague(line));
  const said = (clear.length > 0 ? clear : lines.slice(-1)).slice(0, 2).join("; ");
  return withoutCredentials(said.replace(/(?:fatal|error): /g, "")).slice(0, 400);
}

/** Names that are said of a longer list. */
const MAX_NAMES = 5;

function namesIn(lines: string): string {
  const names = lines.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Whether it did what it was asked for. */
export function isDone<Result extends GitResult | GitBytes>(
  result: Result,
): result is Extract<Result, { readonly kind: "answered" }> {
  return result.kind === "answered" && result.exitCode === 0;
}

/** Why there is no good answer, as the end of a sentence. */
export function whyNot(result: GitResult | GitBytes): string {
  switch (result.kind) {
    case "missing":
      return "Git is not installed";
    case "timeout":
      return "it did not answer in time";
    case "cancelled":
      return "there was no time left";
    case "answered":
      return result.complaint === ""
        ? `Git ended with ${result.exitCode}`
        : `Git says “${result.complaint.replace(/\.$/, "")}”`;
  }
}
