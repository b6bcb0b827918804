import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { isPythonTooOld, OLDEST_PYTHON } from "../../core/trainer/python-version.ts";
import type { StatCache } from "../stat-cache.ts";

/** Whether a Python starts, and which version it is: asked of itself, once. */

export interface PythonVersion {
  readonly version?: string;
  /** What keeps it from running anything of ours, without a subject and a full stop. */
  readonly problem?: string;
}

export interface AskOptions {
  /** The project's root, absolute: what a version manager starts hangs on the folder. */
  readonly root: string;
  readonly statCache?: StatCache | undefined;
}

/** Names and forms what is remembered. */
const CACHE_KIND = "python-1";
/** From a cold network disk a first start takes seconds. */
const TIMEOUT_MS = 30_000;

/**
 * Asks a Python for its version. A good answer is remembered by the file that the name leads to; a bad one is asked for again,
 * for it may hang on more than the file (a version manager's shim, a library that is missing).
 */
export async function askPythonVersion(python: string, { root, statCache }: AskOptions): Promise<PythonVersion> {
  const file = await realpath(python).catch(() => python);
  const known = await statCache?.lookup<string>(CACHE_KIND, file).catch(() => undefined);
  if (known?.value !== undefined) return { version: known.value };
  const { version, problem } = await ask(python, root);
  if (version === undefined) return { problem: problem ?? "says nothing that is a version" };
  if (isPythonTooOld(version)) {
    return { version, problem: `is Python ${version}, and ${OLDEST_PYTHON} or newer is needed` };
  }
  if (known !== undefined) await statCache?.remember(CACHE_KIND, file, known.stats, version);
  return { version };
}

function ask(python: string, root: string): Promise<PythonVersion> {
  return new Promise((done) => {
    // Understood by any Python since 2.6.
    const code = "import sys; print('.'.join(map(str, sys.version_info[:3])))";
    const options = { cwd: root, timeout: TIMEOUT_MS, killSignal: "SIGKILL", windowsHide: true } as const;
    execFile(python, ["-I", "-c", code], options, (error, stdout, stderr) => {
      // A wrapper may have said something before it.
      const version = /(?:^|\n)(\d+\.\d+\.\d+)$/.exec(stdout.trim())?.[1];
      if (error === null) done(version === undefined ? {} : { version });
      else done({ problem: problemOf(error, stderr) });
    });
  });
}

/** Why it did not answer: by its last words, where it has some (`pyenv: python3.9: command not found`). */
function problemOf(error: Error & { killed?: boolean | undefined; code?: unknown }, stderr: string): string {
  if (error.killed === true) return `does not answer within ${TIMEOUT_MS / 1000} seconds`;
  const last = stderr.trim().split("\n").at(-1) ?? "";
  const how =
    typeof error.code === "number" ? `ends with code ${error.code}` : `cannot be started (${String(error.code)})`;
  return last === "" ? how : `${how}: ${last.trim().replace(/\.$/, "")}`;
}
