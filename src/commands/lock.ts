import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { LOCK_CODES } from "../core/lock/codes.ts";
import { driftText } from "../core/lock/drift.ts";
import { POLICY_CODES } from "../core/plan/policy/policy-codes.ts";
import { printable } from "../core/printable.ts";
import { explainSystemError } from "../execute/system-error.ts";
import { type PipelineLock, writeLock } from "../prepare/locks.ts";
import { type PreparedPipeline, prepare } from "../prepare/prepare.ts";
import { count } from "../views/text/quantity.ts";
import { EXIT, type ExitCode, planExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showScan } from "./plan.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface LockOptions {
  /** `check` writes nothing, and says whether a lock is as things are here. */
  readonly manner: "write" | "check";
  /** The version of this wan22. */
  readonly tool: string;
}

/** Drift is what this command says itself; a policy is about plans, and may ask for the very lock that is to be written. */
const OTHERS_AFFAIR: readonly string[] = [LOCK_CODES.drift, ...Object.values(POLICY_CODES)].map(({ code }) => code);

/** `wan22 lock`: writes down what plans are made of, so that they can be made elsewhere. */
export async function runLock(
  files: readonly string[],
  { manner, tool }: LockOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const prepared = await prepare(chosen, {
    folder: terminal.folder,
    environment: terminal.environment,
    history: "ignore",
    lock: manner === "write" ? "renew" : "plan",
    onScan: showScan(terminal),
  });
  terminal.transient("");
  const found = prepared.plan.diagnostics.filter(
    ({ severity, code }) => severity !== "note" && !OTHERS_AFFAIR.includes(code),
  );
  showDiagnostics(found, terminal, { texts: prepared.texts });
  const planned = planExitCode(prepared.plan);
  let exitCode: ExitCode = planned === EXIT.policy ? EXIT.fine : planned;
  for (const pipeline of prepared.pipelines) {
    const fault = manner === "write" ? await write(pipeline, tool, terminal) : checkLock(pipeline, terminal);
    if (fault === undefined) continue;
    if (fault !== "drift") showDiagnostics([fault], terminal);
    exitCode = EXIT.error;
  }
  return exitCode;
}

/** Undefined where all went well. */
async function write(pipeline: PreparedPipeline, tool: string, terminal: Terminal): Promise<Diagnostic | undefined> {
  const { lock } = pipeline;
  const shown = shownFile(pipeline, terminal);
  try {
    const written = await writeLock(pipeline, tool);
    const how = written === "same" ? "up to date" : lock.locked === undefined ? "written" : "written anew";
    terminal.out([`${shown}: ${how}${absent(lock, "kept as it was locked")}`, ...driftLines(lock)].join("\n"));
    return undefined;
  } catch (error) {
    const diagnostic = await explainSystemError(error, pipeline.root);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}

function checkLock(pipeline: PreparedPipeline, terminal: Terminal): Diagnostic | "drift" | undefined {
  const { lock } = pipeline;
  const shown = shownFile(pipeline, terminal);
  if (lock.locked === undefined) {
    return diagnose(LOCK_CODES.none, `${shown} is not there. ${LOCK_CODES.none.mend}`, {
      at: { file: pipeline.spec.file },
    });
  }
  const differs = lock.drift.length > 0;
  const how = differs ? count(lock.drift.length, "difference") : "as it is here";
  terminal.out([`${shown}: ${how}${absent(lock, "not compared")}`, ...driftLines(lock)].join("\n"));
  return differs ? "drift" : undefined;
}

/** What nothing could be said of. */
function absent({ taken }: PipelineLock, what: string): string {
  return taken.length === 0 ? "" : `; not on this machine, and ${what}: ${printable(taken.join(", "))}`;
}

function driftLines({ drift }: PipelineLock): readonly string[] {
  return drift.map((one) => `  ${driftText(one)}`);
}

/** A lock as the user's folder sees it. */
export function shownFile(
  { root, lock }: Pick<PreparedPipeline, "root" | "lock">,
  { folder }: Pick<Terminal, "folder">,
): string {
  return printable(relative(folder, resolve(root, lock.file)));
}
