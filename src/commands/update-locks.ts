import type { Diagnostic } from "../core/diagnostic.ts";
import { driftText } from "../core/lock/drift.ts";
import { explainSystemError } from "../execute/system-error.ts";
import { writeLock } from "../prepare/locks.ts";
import type { Prepared } from "../prepare/prepare.ts";
import { shownFile } from "./lock.ts";
import type { Terminal } from "./terminal.ts";

/** `apply --update-lock`: writes the locks anew from which something here differs, and says so. What kept one from being written. */
export async function updateLocks(
  { pipelines }: Prepared,
  tool: string,
  terminal: Terminal,
): Promise<Diagnostic | undefined> {
  for (const pipeline of pipelines) {
    const { drift } = pipeline.lock;
    if (drift.length === 0) continue;
    try {
      await writeLock(pipeline, tool);
    } catch (error) {
      const diagnostic = await explainSystemError(error, pipeline.root);
      if (diagnostic === undefined) throw error;
      return diagnostic;
    }
    const lines = drift.map((one) => `  ${driftText(one)}`);
    terminal.err([`${shownFile(pipeline, terminal)}: written anew`, ...lines].join("\n"));
  }
  return undefined;
}
