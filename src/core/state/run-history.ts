import type { StageId } from "../vocabulary.ts";
import { foldState } from "./fold.ts";
import type { RecordedRun } from "./rebuild.ts";
import type { State } from "./state.ts";

/** The runs of a pipeline, each with what was done in it: from the record, and from runs that it does not speak of. */

type Ended = State["history"][number];

export interface StageInRun {
  readonly stage: StageId;
  readonly action: string;
  readonly outcome: Ended["outcome"] | "running";
  /** ISO 8601. */
  readonly started: string | undefined;
  readonly ended: string | undefined;
  /** Steps done by then, of the whole training. */
  readonly doneSteps: number | undefined;
  readonly message: string | undefined;
}

export interface RunInHistory {
  readonly run: string;
  /** The last that was heard of it counts; `nothing` was begun in one that was refused, or killed before. */
  readonly outcome: StageInRun["outcome"] | "nothing";
  readonly stages: readonly StageInRun[];
}

/** Oldest first: a run's name starts with its time. `runs`: those that are on disk. */
export function historyOf(state: State | undefined, runs: readonly RecordedRun[]): readonly RunInHistory[] {
  const found = new Map<string, readonly StageInRun[]>();
  for (const { name, entries } of runs) found.set(name, stagesOf(foldState(undefined, entries), name));
  // What the record says counts: it also knows of runs that were cleared away, and of ends that nobody saw.
  const named = [...(state?.history ?? []), ...Object.values(state?.stages ?? {})].map(({ run }) => run);
  for (const run of new Set(named)) {
    const recorded = stagesOf(state, run);
    if (recorded.length > 0) found.set(run, recorded);
  }
  return [...found]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([run, stages]) => ({ run, stages, outcome: stages.at(-1)?.outcome ?? "nothing" }));
}

function stagesOf(state: State | undefined, run: string): readonly StageInRun[] {
  if (state === undefined) return [];
  const ended = state.history.filter((entry) => entry.run === run);
  const running = Object.entries(state.stages) as readonly (readonly [StageId, State["stages"][StageId]])[];
  return [
    ...ended.map((entry) => ({
      ...{ stage: entry.stage, action: entry.action, outcome: entry.outcome },
      ...{ started: entry.started, ended: entry.ended, doneSteps: entry.done_steps, message: entry.message },
    })),
    ...running.flatMap(([stage, record]): readonly StageInRun[] =>
      record?.run !== run || record.status !== "running"
        ? []
        : [
            {
              ...{ stage, action: record.action ?? "", outcome: "running", started: record.started },
              ...{ ended: undefined, doneSteps: record.done_steps, message: undefined },
            },
          ],
    ),
  ];
}
