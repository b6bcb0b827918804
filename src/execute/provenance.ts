import { resolve } from "node:path";
import type { StagePlan } from "../core/plan/plan.ts";
import { lastCheckpoints } from "../core/provenance/last-checkpoints.ts";
import { provenanceOf, withOutputs } from "../core/provenance/record-of.ts";
import { statementFile, statementOf } from "../core/provenance/statement.ts";
import type { State } from "../core/state/state.ts";
import { writeWholeFile } from "../host/atomic-file.ts";
import { nowSeconds } from "../host/clock.ts";
import { observeSource } from "../host/git/source-commit.ts";
import { isThere } from "../host/read-file.ts";
import { readEvents, readJournal, readProvenance, runFiles } from "../host/records/run-store.ts";
import { observeTrainingMachine } from "../host/trainer/training-machine.ts";
import { sourceTexts } from "../prepare/source-texts.ts";
import type { ApplyInput } from "./apply-input.ts";
import { stageCommand } from "./stage/command.ts";
import { removeFiles } from "./stage/make-room.ts";

/** Writes down what a run is made from when it begins, and what it made when it has ended (docs/decisions/0019). */

export interface BegunRun {
  readonly run: string;
  readonly runDir: string;
  readonly planDigest: string;
}

/** Whoever only follows what runs has begun nothing, and writes nothing. */
export async function beginProvenance(
  { plan, state, start, root, stateDir, host, environment }: ApplyInput,
  stages: readonly StagePlan[],
  { run, runDir, planDigest }: BegunRun,
): Promise<void> {
  if (start === undefined) return;
  const { resolved, trainer, pythonDir, gpus, madeFrom, tool } = start;
  const { spec } = resolved;
  const { source, texts } = await observeSource(root, {
    texts: await sourceTexts(spec, root),
    except: [stateDir, resolve(root, spec.cacheDir), resolve(root, spec.output.dir.path)],
  });
  const environmentOf = (stage: StagePlan) => {
    const { env } = stageCommand({
      ...{ stage, spec, root, python: trainer.python ?? "", pythonDir, contextFile: "", run, gpus, environment },
    });
    return Object.keys(env);
  };
  const record = provenanceOf({
    run,
    startedAt: nowSeconds(),
    plan,
    planDigest,
    stages,
    state,
    spec,
    madeFrom,
    source,
    texts,
    environmentOf,
    tool,
    python: trainer.pythonVersion,
    host,
    ...(await observeTrainingMachine(spec.trainer.backend, gpus)),
  });
  await write(runFiles.provenance(runDir), record);
}

export interface EndedRun {
  readonly run: string;
  readonly runDir: string;
  readonly state: () => State | undefined;
}

/** Adds what the run made, and writes a statement beside each last checkpoint. Who comes later does the same once more. */
export async function endProvenance({ runDir, state }: EndedRun, root: string): Promise<void> {
  const begun = await readProvenance(runDir);
  if (begun === undefined) return;
  const journal = await readJournal(runDir);
  const stages = journal.flatMap((entry) => (entry.type === "stage" ? [entry.stage] : []));
  const made = new Set<string>();
  const removed = new Set<string>();
  for (const stage of stages) {
    for (const event of await readEvents(runDir, stage)) {
      if (event.type === "checkpoint") made.add(event.file);
      if (event.type === "removed") removed.add(event.file);
    }
  }
  const record = withOutputs(begun, { endedAt: journal.at(-1)?.t ?? nowSeconds(), state: state(), made });
  await write(runFiles.provenance(runDir), record);
  for (const { stage, file } of lastCheckpoints(journal)) {
    const output = record.outputs.find((one) => one.stage === stage && one.file === file);
    const statement = output === undefined ? undefined : statementOf(record, output);
    if (statement !== undefined) await write(resolve(root, statementFile(file)), statement);
  }
  // A last checkpoint that got its epoch's name by an extend, and went by retention afterwards.
  for (const file of removed) {
    if (!(await isThere(resolve(root, file)))) await removeFiles([statementFile(file)], root);
  }
}

function write(file: string, value: object): Promise<void> {
  return writeWholeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
