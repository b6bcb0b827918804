import { setTimeout as delay } from "node:timers/promises";
import { diagnose } from "../../core/diagnostic.ts";
import { formatDuration } from "../../core/duration.ts";
import { assemblePlan } from "../../core/plan/assemble-plan.ts";
import { runToEnd } from "../../execute/run-again.ts";
import { explainSystemError } from "../../execute/system-error.ts";
import { type FollowedBranch, openFollowed } from "../../host/git/followed-branch.ts";
import { acquireLock, type HeldLock, type LockResult } from "../../host/locks/lock.ts";
import { ownerText } from "../../host/locks/lock-owner.ts";
import { readReconcileRecord, reconcilePaths } from "../../host/records/reconcile-store.ts";
import { WATCH_CODES } from "../../host/watch-codes.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { withGpuPool } from "../gpu-pool.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import { listenForEnd } from "../signals.ts";
import type { Terminal } from "../terminal.ts";
import type { ReconcileOptions } from "./reconcile-options.ts";
import { runRound } from "./reconcile-round.ts";
import { tellWatch } from "./tell-watch.ts";

/** `wan22 watch --apply`: plans and applies what the commits of a branch ask for. */
export async function runReconcile(
  files: readonly string[],
  asked: ReconcileOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  if (process.platform === "win32") {
    terminal.err("`wan22 watch --apply` does not run on Windows, as `wan22 apply` doesn't. Run it inside WSL.");
    return EXIT.error;
  }
  const choices = await withGpuPool(asked, terminal, asked);
  if (choices === undefined) return EXIT.error;
  const options = { ...asked, choices };
  const { folder, environment } = terminal;
  const followed = await openFollowed({ folder, environment, named: options.git });
  if ("severity" in followed) {
    showDiagnostics([followed], terminal, options);
    return EXIT.error;
  }
  try {
    return options.rounds === "once"
      ? await once(files, followed, options, terminal)
      : await onAndOn(followed, options, terminal);
  } catch (error) {
    // Where nothing can be written down nothing is begun.
    const diagnostic = await explainSystemError(error, followed.top);
    if (diagnostic === undefined) throw error;
    showDiagnostics([diagnostic], terminal, options);
    return EXIT.error;
  }
}

/** A look of its own, or one of a watch: that is this process's parent then. */
async function once(
  files: readonly string[],
  followed: FollowedBranch,
  options: ReconcileOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { watchLock, roundLock } = reconcilePaths(followed.gitDir);
  const watch = await acquireLock(watchLock);
  const isOfWatch = watch.kind === "held" && watch.owner?.pid === process.ppid;
  if (watch.kind !== "acquired" && !isOfWatch) return refuse(watch, followed, options, terminal);
  try {
    const round = await acquireLock(roundLock);
    if (round.kind !== "acquired") return refuse(round, followed, options, terminal);
    const end = listenForEnd(() => undefined);
    try {
      return await runRound(files, followed, { ...options, cancel: end.signal }, terminal);
    } finally {
      end.close();
      await round.lock.release();
    }
  } finally {
    if (watch.kind === "acquired") await watch.lock.release();
  }
}

function refuse(
  held: Exclude<LockResult, { kind: "acquired" }>,
  { top }: FollowedBranch,
  options: ReconcileOptions,
  terminal: Terminal,
): ExitCode {
  const kind = WATCH_CODES.watched;
  const who =
    held.kind === "held" ? whoHas(held) : "its file system has no hard links, by which a lock is one process's alone";
  showDiagnostics([diagnose(kind, `${top} is taken: ${who}. ${kind.why} ${kind.mend}`)], terminal, options);
  return EXIT.locked;
}

function whoHas({ owner, file }: HeldLock): string {
  return owner === undefined ? `${file} can't be read` : ownerText(owner);
}

/** A first look at clips takes as long as reading all of them. */
const LONGEST_ROUND_MS = 12 * 3_600_000;
/** While the remote can't be asked, no longer than this passes between two looks. */
const LONGEST_PAUSE_MS = 15 * 60_000;

/** How long whoever ends the watch waits for a look that is under way. */
const PATIENCE_MS = 5_000;

/** Each look is a process of its own: whatever a commit does to it, the watch goes on, and needs no more memory after months. */
async function onAndOn(followed: FollowedBranch, options: ReconcileOptions, terminal: Terminal): Promise<ExitCode> {
  const { gitDir, top } = followed;
  const watch = await acquireLock(reconcilePaths(gitDir).watchLock);
  if (watch.kind !== "acquired") return refuse(watch, followed, options, terminal);
  const now = new AbortController();
  const pause = new AbortController();
  let patience: NodeJS.Timeout | undefined;
  const end = listenForEnd(() => {
    pause.abort();
    // A look leaves the remote alone when it is asked to; one at thousands of clips may be ended at any moment.
    patience = setTimeout(() => now.abort(), PATIENCE_MS);
  });
  const [script = "wan22", ...words] = process.argv.slice(1);
  // Said once.
  let asked = words;
  const pace = formatDuration(options.intervalMs / 1000);
  terminal.err(`Following ${options.git}, looked at every ${pace}. Ctrl-C ends that; what trains goes on.`);
  try {
    while (!end.signal.aborted) {
      const result = await runToEnd({
        command: process.execPath,
        args: [...process.execArgv, script, ...asked, "--once", "--project", terminal.folder],
        // A commit may take the user's own folder away.
        cwd: top,
        environment: terminal.environment,
        timeoutMs: LONGEST_ROUND_MS,
        stop: end.signal,
        cancel: now.signal,
      });
      asked = words.filter((word) => word !== "--retry" && word !== "--accept-rules");
      if (typeof result === "string" && !end.signal.aborted) sayNoRound(result, options, terminal);
      const unheard = (await readReconcileRecord(gitDir).catch(() => undefined))?.unheard ?? 0;
      const longest = Math.max(options.intervalMs, LONGEST_PAUSE_MS);
      const pauseMs = Math.min(options.intervalMs * 2 ** Math.min(unheard, 20), longest);
      await delay(pauseMs, undefined, { signal: pause.signal }).catch(() => undefined);
    }
  } finally {
    clearTimeout(patience);
    end.close();
    await watch.lock.release();
  }
  terminal.err("The watch has ended. What trains goes on: `wan22 status` shows it.");
  return EXIT.fine;
}

function sayNoRound(why: string, options: ReconcileOptions, terminal: Terminal): void {
  const kind = WATCH_CODES.noRound;
  const { diagnostics } = assemblePlan([], [diagnose(kind, `It came to no end: ${why}. ${kind.why} ${kind.mend}`)]);
  for (const diagnostic of diagnostics) tellWatch({ type: "problem", diagnostic }, options, terminal);
}
