import { join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { PROVENANCE_CODES } from "../core/provenance/codes.ts";
import { checkpointOfStatement } from "../core/provenance/statement.ts";
import { type Evidence, type VerifiedFile, verificationOf, verifyFile } from "../core/provenance/verification.ts";
import { isFile, isFolder, isThere } from "../host/read-file.ts";
import { pipelineOfRun, readProvenance, runFiles } from "../host/records/run-store.ts";
import { evidenceOfFile, evidenceOfRun, findRun } from "../prepare/evidence.ts";
import { viewVerification } from "../views/human/verification.ts";
import { viewVerificationJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { elsewhereOf } from "./on-branch.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface VerifyOptions {
  readonly format: "human" | "json";
}

/** What a path names instead of a checkpoint, and what to name; undefined of what may be one. */
async function whyNoCheckpoint(word: string, folder: string): Promise<string | undefined> {
  const path = resolve(folder, word);
  const checkpoint = checkpointOfStatement(word);
  if (checkpoint !== undefined && (await isThere(path)))
    return `${word} is the statement of a checkpoint, and is proved with it: \`wan22 verify ${checkpoint}\`.`;
  if ((await isFile(path)) || !(await isThere(path))) return undefined;
  if (!(await isFolder(path))) return `${word} is a pipe or a device. ${PROVENANCE_CODES.noCheckpoint.mend}`;
  if (await isThere(join(path, "wan22.json")))
    return `${word} is a training state, of which no run records the bytes. Name a checkpoint, or a run by its id.`;
  return `${word} is a folder. Name the checkpoints in it: \`wan22 verify ${word.replace(/\/$/, "")}/*.safetensors\`.`;
}

/** `wan22 verify`: proves that checkpoints belong to a run and a commit. Changes nothing. */
export async function runVerify(
  words: readonly string[],
  { format }: VerifyOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const files: VerifiedFile[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const word of new Set(words)) {
    const found = await look(word, terminal);
    if ("severity" in found) diagnostics.push(found);
    else files.push(...found.map(verifyFile));
  }
  showDiagnostics(diagnostics, terminal, { format });
  const verification = verificationOf(files, { found: diagnostics.length === 0 });
  const { width, colour } = terminal;
  if (format === "json") terminal.out(viewVerificationJson(verification));
  else if (files.length > 0) terminal.out(viewVerification(verification, { width, colour }));
  return verification.proved ? EXIT.fine : EXIT.error;
}

async function look(word: string, terminal: Terminal): Promise<readonly Evidence[] | Diagnostic> {
  const { folder, environment } = terminal;
  const run = await findRun(word, folder, environment);
  if (run === undefined) {
    const other = await whyNoCheckpoint(word, folder);
    if (other !== undefined) return diagnose(PROVENANCE_CODES.noCheckpoint, other);
    if (await isThere(resolve(folder, word))) return [await evidenceOfFile(word, folder, environment)];
    const kind = PROVENANCE_CODES.noSuchRun;
    const pipeline = pipelineOfRun(word);
    const elsewhere = pipeline === undefined ? undefined : await elsewhereOf(pipeline, terminal);
    return diagnose(
      kind,
      `There is no file ${word}, nor a run of this name in this project. ${elsewhere ?? kind.mend}`,
    );
  }
  const record = await readProvenance(run.runDir);
  const kind = PROVENANCE_CODES.noRecord;
  if (record === undefined) {
    const isDamaged = await isThere(runFiles.provenance(run.runDir));
    const why = isDamaged ? "Its provenance.json can't be read: it was edited, or cut short." : kind.why;
    return diagnose(kind, `Run ${word}: ${why} ${kind.mend}`);
  }
  if (record.outputs.length > 0) return evidenceOfRun(run, record);
  const { why, mend } = PROVENANCE_CODES.nothingMade;
  return diagnose(PROVENANCE_CODES.nothingMade, `Run ${word}: ${why} ${mend}`);
}
