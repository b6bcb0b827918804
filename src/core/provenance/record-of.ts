import type { GpuFacts } from "../facts.ts";
import type { PipelinePlan, StagePlan } from "../plan/plan.ts";
import type { Binding } from "../plan/saved/binding.ts";
import { withWrittenPaths } from "../plan/written-paths.ts";
import type { Spec } from "../spec/spec.ts";
import { isoTime } from "../state/iso-time.ts";
import type { State } from "../state/state.ts";
import { PROVENANCE_FORMAT, type Provenance, type ProvenanceSource, type ProvenanceText } from "./record.ts";

/** Puts a run's record together: what went in when it begins, what came out when it has ended. */

export interface RunBeginning {
  readonly run: string;
  /** Unix seconds. */
  readonly startedAt: number;
  readonly plan: PipelinePlan;
  readonly planDigest: string;
  /** Those that the run carries out. */
  readonly stages: readonly StagePlan[];
  /** Before the run. */
  readonly state: State | undefined;
  readonly spec: Pick<Spec, "expanded">;
  readonly madeFrom: Binding;
  readonly source: ProvenanceSource | undefined;
  readonly texts: readonly ProvenanceText[];
  /** Names of the variables that a stage's process gets. */
  readonly environmentOf: (stage: StagePlan) => readonly string[];
  readonly tool: string;
  readonly python: string | undefined;
  readonly host: string;
  /** Such as `linux-x64`. */
  readonly platform: string;
  readonly gpus: readonly GpuFacts[];
  /** Version of the cards' driver. */
  readonly driver: string | undefined;
}

export function provenanceOf(begun: RunBeginning): Provenance {
  const { run, plan, spec, source, texts, python } = begun;
  const record: Provenance = {
    format: PROVENANCE_FORMAT,
    version: 1,
    run,
    pipeline: plan.name,
    file: plan.file,
    plan_digest: begun.planDigest,
    started: isoTime(begun.startedAt),
    ...(source === undefined ? {} : { source }),
    texts: [...texts],
    made_from: begun.madeFrom,
    stages: begun.stages.map((stage) => stageOf(stage, begun)),
    tool: { version: begun.tool },
    ...(python === undefined ? {} : { python }),
    machine: {
      host: begun.host,
      platform: begun.platform,
      ...(begun.driver === undefined ? {} : { driver: begun.driver }),
      gpus: begun.gpus.map(({ index, name, vramGiB }) => ({ index, name, vram_gib: vramGiB })),
    },
    outputs: [],
  };
  return withWrittenPaths(record, spec.expanded);
}

function stageOf(stage: StagePlan, { plan, state, environmentOf }: RunBeginning): Provenance["stages"][number] {
  const { id, action, driver, fingerprint, argv, total_epochs, resume_from } = stage;
  const seed = plan.parameters[`${id}.seed`]?.value ?? plan.parameters.seed?.value;
  const before = state?.stages[id]?.run;
  return {
    id,
    action,
    driver,
    fingerprint,
    argv,
    ...(typeof seed === "number" && id.startsWith("train") ? { seed } : {}),
    ...(total_epochs === undefined ? {} : { total_epochs }),
    ...(resume_from === undefined
      ? {}
      : { goes_on_from: { training_state: resume_from, ...(before === undefined ? {} : { run: before }) } }),
    environment: [...environmentOf(stage)].sort(),
  };
}

export interface RunEnding {
  /** Unix seconds. */
  readonly endedAt: number;
  /** After the run. */
  readonly state: State | undefined;
  /** Checkpoints that the run's own processes say they made. */
  readonly made: ReadonlySet<string>;
}

/** The record with what came of the run; what retention has removed again is nobody's output. */
export function withOutputs(record: Provenance, { endedAt, state, made }: RunEnding): Provenance {
  const outputs = (state?.checkpoints ?? []).flatMap(({ stage, file, epoch, step, bytes, sha256 }) =>
    sha256 === undefined || !made.has(file) ? [] : [{ stage, file, epoch, step, bytes, sha256 }],
  );
  return { ...record, ended: isoTime(endedAt), outputs };
}
