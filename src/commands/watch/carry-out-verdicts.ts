import { relative } from "node:path";
import { choiceWords } from "../../core/plan/choices.ts";
import { failedText, type Verdict } from "../../core/plan/watch/reconcile.ts";
import type { Attempt, ReconcileRecord } from "../../core/plan/watch/reconcile-record.ts";
import { present } from "../../core/present.ts";
import { awaitBeginning, launchRunner } from "../../execute/launch-runner.ts";
import { placeOf } from "../../execute/take-over.ts";
import type { FollowedBranch } from "../../host/git/followed-branch.ts";
import { readTextFile } from "../../host/read-file.ts";
import { writeReconcileRecord } from "../../host/records/reconcile-store.ts";
import type { PreparedPipeline } from "../../prepare/prepare.ts";
import type { ObservedCandidate } from "../../prepare/reconcile-facts.ts";
import { commandLine, fileFrom } from "../command-line.ts";
import { planMark } from "../detach.ts";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";
import type { ReconcileOptions } from "./reconcile-options.ts";
import { type Happening, type Standings, tellWatch } from "./tell-watch.ts";

/** Does what was decided: begins runners in the background, and says the rest. */

export interface CarryOut {
  readonly record: ReconcileRecord;
  /** These three go together, one by one. */
  readonly pipelines: readonly PreparedPipeline[];
  readonly candidates: readonly ObservedCandidate[];
  readonly verdicts: readonly Verdict[];
  readonly followed: FollowedBranch;
  readonly options: ReconcileOptions;
  readonly terminal: Terminal;
  readonly standings: Standings;
}

/** The record with all that was begun. */
export async function carryOutVerdicts(all: CarryOut): Promise<ReconcileRecord> {
  const { pipelines, candidates, verdicts, options, terminal, standings } = all;
  let { record } = all;
  for (const [index, pipeline] of pipelines.entries()) {
    const [candidate, verdict] = [candidates[index], verdicts[index]];
    if (candidate === undefined || verdict === undefined) continue;
    const { name } = pipeline.spec;
    const about = { type: "pipeline" as const, name, file: fileFrom(terminal.folder, pipeline) };
    const tell = (happening: Happening) => tellWatch(happening, options, terminal);
    switch (verdict.kind) {
      case "nothing": {
        if (candidate.attempt === undefined) break;
        if (candidate.outcome === "finished") tell({ ...about, standing: "finished", text: "finished" });
        const { [name]: _, ...attempts } = record.attempts;
        record = { ...record, attempts };
        break;
      }
      case "held":
        standings.keep(name);
        break;
      case "leave":
        standings.pipeline({ ...about, standing: verdict.why, text: verdict.text });
        break;
      case "begin":
        record = await begin(record, { ...verdict.attempt, ...present({ run: candidate.lastRun }) }, pipeline, all);
    }
  }
  return record;
}

/** On disk before anything else is done. */
async function remember(
  record: ReconcileRecord,
  name: string,
  attempt: Attempt,
  { followed: { gitDir } }: Pick<CarryOut, "followed">,
): Promise<ReconcileRecord> {
  const now = { ...record, attempts: { ...record.attempts, [name]: attempt } };
  await writeReconcileRecord(gitDir, now);
  return now;
}

/** A year: what waits for a card waits, and is withdrawn when it is overtaken. */
const PATIENCE = "8760h";

async function begin(
  record: ReconcileRecord,
  attempt: Attempt,
  pipeline: PreparedPipeline,
  all: CarryOut,
): Promise<ReconcileRecord> {
  const { options, terminal } = all;
  const { name } = pipeline.spec;
  const file = fileFrom(terminal.folder, pipeline);
  const noted = await remember(record, name, attempt, all);
  const script = process.argv[1] ?? "wan22";
  const words = ["apply", file, "--auto-approve", ...choiceWords(options.choices), "--lock-timeout", PATIENCE];
  const launched = await launchRunner({
    place: placeOf(pipeline),
    command: process.execPath,
    args: [...process.execArgv, script, ...words, "--planned-as", planMark([pipeline.plan])],
    cwd: terminal.folder,
    environment: terminal.environment,
  });
  const about = { type: "pipeline" as const, name, file };
  if (launched.kind === "failed") {
    all.standings.pipeline({ ...about, standing: "failed", text: `could not be begun: ${launched.message}` });
    return noted;
  }
  const { identity } = launched.process;
  const log = launched.logFile;
  const running = { ...attempt, process: { ...identity }, log };
  const begun = await remember(noted, name, running, all);
  const follow = commandLine(["attach", file], terminal);
  const text = `begun, by process ${identity.pid}. Follow it with \`${follow}\`.`;
  tellWatch({ ...about, standing: "begun", text, pid: identity.pid, log }, options, terminal);
  const beginning = await awaitBeginning(launched.process, placeOf(pipeline), {
    after: attempt.run,
    patienceMs: BEGINNING_MS,
  });
  if (beginning.kind !== "ended" || beginning.exitCode === EXIT.fine) return begun;
  // Something moved meanwhile, or somebody else was first: it is looked at again.
  if (beginning.exitCode === EXIT.stale || beginning.exitCode === EXIT.locked) return begun;
  const failed = `${await lastError(log)}; ${relative(terminal.folder, log)} says more`;
  all.standings.pipeline({ ...about, standing: "failed", text: failedText(failed) });
  return remember(begun, name, { ...running, failed }, all);
}

/** The first line of the last finding in what a runner has said. */
async function lastError(log: string): Promise<string> {
  const said = await readTextFile(log).catch(() => "");
  const [, code, summary] = [...said.matchAll(/^error\[(\w+)\] (.+)$/gm)].at(-1) ?? [];
  return code === undefined ? "before anything was started" : `${code}, ${summary}`;
}

/** What takes longer waits for a card, or for clips to be read. */
const BEGINNING_MS = 20_000;
