import { basename, join, relative, resolve } from "node:path";
import { lastCheckpoints } from "../core/provenance/last-checkpoints.ts";
import type { Provenance, ProvenanceOutput } from "../core/provenance/record.ts";
import { statementFile } from "../core/provenance/statement.ts";
import type { Evidence } from "../core/provenance/verification.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import { hashFile, sha256 } from "../host/hash.ts";
import { findRoot } from "../host/project.ts";
import { isThere, readTextFile } from "../host/read-file.ts";
import { findRepository } from "../host/repository.ts";
import { listRuns, pipelineOfRun, readJournal, readProvenance, runFiles, statePaths } from "../host/run-store.ts";
import { isWhole, readSafetensorsHeader } from "../host/safetensors.ts";
import { blobAt, standingOfCommit } from "../host/source-commit.ts";
import { findRecorded, findStateDirs, type Recorded } from "../host/state-folders.ts";
import { readStateFile } from "../host/state-store.ts";

/** What there is to tell which run a checkpoint belongs to: records, journals, the file itself, Git. Changes nothing. */

type Environment = Readonly<Record<string, string | undefined>>;

/** A run of a project, with its folder. */
export interface FoundRun {
  readonly root: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly run: string;
}

/** A run by its id, in the state folders of the project that a folder lies in. */
export async function findRun(run: string, folder: string, environment: Environment): Promise<FoundRun | undefined> {
  const pipeline = pipelineOfRun(run);
  if (pipeline === undefined || basename(run) !== run) return undefined;
  const root = findRoot(join(folder, "pipeline.yaml"));
  for (const stateDir of await findStateDirs(root, environment)) {
    const runDir = join(statePaths(stateDir, pipeline).runsDir, run);
    if (await isThere(runDir)) return { root, stateDir, runDir, run };
  }
  return undefined;
}

/** What there is of each output of a run, wherever it was moved since. */
export async function evidenceOfRun(found: FoundRun, record: Provenance): Promise<readonly Evidence[]> {
  const { root, stateDir } = found;
  const runs = await listRuns(statePaths(stateDir, record.pipeline).runsDir, record.pipeline);
  const later = runs.filter((runDir) => basename(runDir) > found.run);
  const moves = (await Promise.all(later.map(readJournal))).flat().flatMap(movesIn);
  const evidence: Evidence[] = [];
  for (const output of record.outputs) {
    const file = moves.reduce((at, { from, to }) => (at === from ? to : at), output.file);
    const path = resolve(root, file);
    evidence.push(await evidenceOf({ path, file, digest: await digestOf(path) }, { ...found, record, output }));
  }
  return evidence;
}

function movesIn(entry: JournalEntry) {
  if (entry.type === "archived") return entry.files;
  return entry.type === "renamed" ? [{ from: entry.from, to: entry.to }] : [];
}

/** What there is of a file that somebody holds: the run that wrote its bytes, else one that wrote a file of its name. */
export async function evidenceOfFile(file: string, folder: string, environment: Environment): Promise<Evidence> {
  const path = resolve(folder, file);
  const digest = await digestOf(path);
  const roots = [...new Set([findRoot(path), findRoot(join(folder, "pipeline.yaml"))])];
  let namesake: Known | undefined;
  let knownTo: string | undefined;
  let unreadRun: string | undefined;
  for (const root of roots) {
    for (const { stateDir, pipeline } of await findRecorded(await findStateDirs(root, environment))) {
      const runs = await listRuns(statePaths(stateDir, pipeline).runsDir, pipeline);
      for (const runDir of [...runs].reverse()) {
        const record = await readProvenance(runDir);
        if (record === undefined) {
          if (await isJournalled(digest, runDir)) unreadRun ??= basename(runDir);
          continue;
        }
        const known = { root, stateDir, runDir, run: record.run, record };
        const output = record.outputs.find(({ sha256 }) => sha256 === digest);
        if (output !== undefined) return evidenceOf({ path, file, digest }, { ...known, output });
        const other = record.outputs.find((one) => resolve(root, one.file) === path);
        if (other !== undefined) namesake ??= { ...known, output: other };
      }
      if (digest !== undefined && (await stateKnows(digest, { stateDir, pipeline }))) knownTo ??= pipeline;
    }
  }
  const evidence = await evidenceOf({ path, file, digest }, namesake);
  return { ...evidence, knownTo, unreadRun };
}

/** Whether a run whose record is there and can't be read says in its journal that it wrote these bytes. */
async function isJournalled(digest: string | undefined, runDir: string): Promise<boolean> {
  if (digest === undefined || !(await isThere(runFiles.provenance(runDir)))) return false;
  return (await readJournal(runDir)).some((entry) => entry.type === "digest" && entry.sha256 === digest);
}

async function stateKnows(digest: string, { stateDir, pipeline }: Recorded): Promise<boolean> {
  const state = await readStateFile(statePaths(stateDir, pipeline).stateFile, pipeline);
  return state?.checkpoints.some(({ sha256 }) => sha256 === digest) === true;
}

interface Known extends FoundRun {
  readonly record: Provenance;
  readonly output: ProvenanceOutput;
}

/** Undefined of what can't be read. */
function digestOf(path: string): Promise<string | undefined> {
  return hashFile(path).catch(() => undefined);
}

interface HashedFile {
  /** Absolute. */
  readonly path: string;
  /** As shown to people. */
  readonly file: string;
  /** Checkpoints are large: hashed once. */
  readonly digest: string | undefined;
}

async function evidenceOf({ path, file, digest }: HashedFile, known: Known | undefined): Promise<Evidence> {
  const reading = digest === undefined ? undefined : await readSafetensorsHeader(path);
  const problem =
    reading?.kind === "problem"
      ? reading.problem.text
      : reading !== undefined && !isWhole(reading.header)
        ? "it is cut off"
        : undefined;
  const looked = {
    file,
    sha256: digest,
    problem,
    metadata: reading?.kind === "header" ? reading.header.metadata : undefined,
    statement: await readTextFile(statementFile(path)).catch(() => undefined),
  };
  if (known === undefined) return { ...looked, isLast: false };
  const { record, output, runDir } = known;
  const journal = await readJournal(runDir);
  const journalled = journal.findLast(
    (entry): entry is Extract<JournalEntry, { type: "digest" }> =>
      entry.type === "digest" && entry.stage === output.stage && entry.file === output.file,
  )?.sha256;
  const isLast = lastCheckpoints(journal).some(({ stage, file }) => stage === output.stage && file === output.file);
  return { ...looked, record, output, journalled, isLast, ...(await askRepository(known)) };
}

/** How the run's commit stands, and which texts it has otherwise than recorded. */
async function askRepository({ root, record }: Known): Promise<Pick<Evidence, "commit" | "otherwise">> {
  const { source, texts } = record;
  const top = findRepository(root);
  if (source === undefined || top === undefined) return {};
  const commit = await standingOfCommit(top, source.commit);
  if (commit === "gone") return { commit };
  const otherwise: string[] = [];
  for (const { file, sha256: recorded, commit: standing } of texts) {
    if (standing !== "same") continue;
    const blob = await blobAt(top, source.commit, relative(top, resolve(top, source.project, file)));
    if (blob === undefined || sha256(blob) !== recorded) otherwise.push(file);
  }
  return { commit, otherwise };
}
