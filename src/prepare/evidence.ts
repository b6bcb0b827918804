import { basename, join, relative, resolve } from "node:path";
import { lastCheckpoints } from "../core/provenance/last-checkpoints.ts";
import type { Provenance, ProvenanceOutput } from "../core/provenance/record.ts";
import { readStatement, statementFile } from "../core/provenance/statement.ts";
import type { Evidence } from "../core/provenance/verification.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import { findRepository } from "../host/git/repository.ts";
import { blobAt, standingOfCommit } from "../host/git/source-commit.ts";
import { hashFile, sha256 } from "../host/hash.ts";
import { findRoot } from "../host/project.ts";
import { isThere, readTextFile } from "../host/read-file.ts";
import {
  listRuns,
  pipelineOfRun,
  readJournal,
  readProvenance,
  runFiles,
  statePaths,
} from "../host/records/run-store.ts";
import { findRecorded, findStateDirs, type Recorded } from "../host/records/state-folders.ts";
import { readStateFile } from "../host/records/state-store.ts";
import { isWhole, readSafetensorsHeader } from "../host/safetensors.ts";

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
  const moves = await movesAfter(found, record.pipeline);
  const evidence: Evidence[] = [];
  for (const output of record.outputs) {
    const file = whereNow(output.file, moves);
    const path = resolve(found.root, file);
    evidence.push(await evidenceOf({ path, file, digest: await digestOf(path) }, { ...found, record, output }));
  }
  return evidence;
}

interface Move {
  readonly from: string;
  readonly to: string;
}

/** What later runs of the pipeline have archived and renamed, in the order in which they did. */
async function movesAfter({ stateDir, run }: FoundRun, pipeline: string): Promise<readonly Move[]> {
  const runs = await listRuns(statePaths(stateDir, pipeline).runsDir, pipeline);
  const later = runs.filter((runDir) => basename(runDir) > run);
  return (await Promise.all(later.map(readJournal))).flat().flatMap(movesIn);
}

function whereNow(file: string, moves: readonly Move[]): string {
  return moves.reduce((at, { from, to }) => (at === from ? to : at), file);
}

function movesIn(entry: JournalEntry): readonly Move[] {
  if (entry.type === "archived") return entry.files;
  return entry.type === "renamed" ? [{ from: entry.from, to: entry.to }] : [];
}

/** What there is of a file that somebody holds: the run that wrote its bytes, else one that wrote a file of its name. */
export async function evidenceOfFile(file: string, folder: string, environment: Environment): Promise<Evidence> {
  const path = resolve(folder, file);
  const digest = await digestOf(path);
  const roots = [...new Set([findRoot(path), findRoot(join(folder, "pipeline.yaml"))])];
  const writers: Known[] = [];
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
        if (output !== undefined) writers.push({ ...known, output });
        const other = record.outputs.find((one) => resolve(root, one.file) === path);
        if (other !== undefined) namesake ??= { ...known, output: other };
      }
      if (digest !== undefined && (await stateKnows(digest, { stateDir, pipeline }))) knownTo ??= pipeline;
    }
  }
  const writer = await writerOf(path, writers);
  if (writer !== undefined) return evidenceOf({ path, file, digest }, writer);
  const evidence = await evidenceOf({ path, file, digest }, namesake);
  return { ...evidence, knownTo, unreadRun };
}

/**
 * Which of the runs that wrote the same bytes, the newest first: what is made again from the same comes out the same. It is the one
 * that the statement beside the file names, else the one whose file lies there by the records.
 */
async function writerOf(path: string, writers: readonly Known[]): Promise<Known | undefined> {
  const [newest] = writers;
  if (writers.length < 2) return newest;
  const statement = readStatement(await readTextFile(statementFile(path)).catch(() => undefined));
  const named = statement?.predicate.runDetails.metadata.invocationId;
  const byStatement = writers.find(({ run }) => run === named);
  if (byStatement !== undefined) return byStatement;
  for (const writer of writers) {
    const moves = await movesAfter(writer, writer.record.pipeline);
    if (resolve(writer.root, whereNow(writer.output.file, moves)) === path) return writer;
  }
  return newest;
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
