import { resolve } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { pathInside } from "../../core/paths.ts";
import { printable } from "../../core/printable.ts";
import { EXECUTE_CODES } from "../../execute/codes.ts";
import { explainSystemError } from "../../execute/system-error.ts";
import { findLock } from "../../host/locks/break-lock.ts";
import { ownerText } from "../../host/locks/lock-owner.ts";
import { errorCode } from "../../host/read-file.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { withLocalTimes } from "../../views/text/time.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "../terminal.ts";
import { unlockOnBranch } from "./state-branch.ts";
import { findRecord, rootOf, type StatePlaceOptions } from "./state-place.ts";

export interface UnlockOptions extends StatePlaceOptions {
  /** Asks nobody, and stops at no living owner. */
  readonly force: boolean;
}

/** `wan22 state unlock`: removes a lock whose owner is gone for good, on the state branch or else here. `word`: a pipeline's name or file, or a lock file. */
export async function runUnlock(word: string, options: UnlockOptions, terminal: Terminal): Promise<ExitCode> {
  if (!word.endsWith(".lock")) {
    const onBranch = await unlockOnBranch(word, options, terminal);
    if (onBranch !== undefined) return onBranch;
  }
  const root = rootOf(terminal);
  const file = await lockFileOf(word, options, terminal);
  if (file === undefined) return EXIT.error;
  const shown = printable(pathInside(root, file));
  const lock = await findLock(file);
  if (lock === undefined) {
    terminal.out(`Nothing is locked: there is no ${shown}.`);
    return EXIT.fine;
  }
  const { standing } = lock;
  const whose = standing.kind === "own" ? undefined : standing.owner;
  if (standing.kind === "held" && standing.by !== "unseen" && whose !== undefined && !options.force) {
    const detail = `${ownerText(whose)}. ${EXECUTE_CODES.ownerLives.mend}`;
    showDiagnostics([diagnose(EXECUTE_CODES.ownerLives, detail)], terminal);
    return EXIT.locked;
  }
  terminal.out(
    `${shown}: ${printable(whose === undefined ? "it can't be read, so nobody can tell whose it is" : withLocalTimes(ownerText(whose)))}.`,
  );
  if (standing.kind === "dead")
    terminal.out(
      standing.copiedFrom === undefined
        ? "Its owner is gone."
        : `It was copied from ${printable(standing.copiedFrom)}: what its owner does is done there.`,
    );
  if (!options.force && !(await askConsent(CONSENT, terminal))) return EXIT.error;
  try {
    if ((await lock.remove()) === "changed") {
      terminal.err("Nothing was removed: the lock has changed meanwhile. Look at it again.");
      return EXIT.locked;
    }
  } catch (error) {
    const diagnostic = isFilledFolder(error) ? filledFolder(shown) : await explainSystemError(error, root);
    if (diagnostic === undefined) throw error;
    showDiagnostics([diagnostic], terminal);
    return EXIT.error;
  }
  terminal.out(`${shown} was removed.`);
  return EXIT.fine;
}

function isFilledFolder(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOTEMPTY" || code === "EEXIST";
}

function filledFolder(shown: string): Diagnostic {
  const kind = EXECUTE_CODES.folderForLock;
  return diagnose(kind, `${shown} is a folder with something in it. ${kind.why} ${kind.mend}`);
}

async function lockFileOf(word: string, options: UnlockOptions, terminal: Terminal): Promise<string | undefined> {
  if (word.endsWith(".lock")) return resolve(terminal.folder, word);
  const record = await findRecord(word, options, terminal);
  return record === undefined ? undefined : statePaths(record.stateDir, record.pipeline).lockFile;
}

const CONSENT: Consent = {
  question: "If it works after all, two may train at the same time. Remove the lock?",
  undone: "Nothing was removed",
  unasked: ". Add --force to remove it without asking.",
  does: "removes a lock",
};
