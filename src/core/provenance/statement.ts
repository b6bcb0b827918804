import * as z from "zod";
import { baseName } from "../paths.ts";
import type { Provenance, ProvenanceOutput } from "./record.ts";

/**
 * What is said of a checkpoint to people and programs that know nothing of wan22: an in-toto statement
 * (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) whose predicate is SLSA's provenance
 * (https://slsa.dev/spec/v1.0/provenance). It is not signed.
 */

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://slsa.dev/provenance/v1";
/** What the parameters of the predicate mean: docs/decisions/0019-provenance.md. */
const BUILD_TYPE = "urn:wan22:training:v1";
const BUILDER = "urn:wan22:runner";

const SUFFIX = ".intoto.json";

/** The file beside a checkpoint. */
export function statementFile(checkpoint: string): string {
  return `${checkpoint}${SUFFIX}`;
}

/** The checkpoint that a file is the statement of; undefined for any other file. */
export function checkpointOfStatement(file: string): string | undefined {
  return file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length) : undefined;
}

const digest = z.record(z.string(), z.string());
const resource = z.strictObject({
  name: z.string().optional(),
  uri: z.string().optional(),
  digest: digest.optional(),
  annotations: z.record(z.string(), z.unknown()).optional(),
});

export const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.strictObject({ name: z.string(), digest })),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.strictObject({
    buildDefinition: z.strictObject({
      buildType: z.string(),
      externalParameters: z.record(z.string(), z.unknown()),
      internalParameters: z.record(z.string(), z.unknown()),
      resolvedDependencies: z.array(resource),
    }),
    runDetails: z.strictObject({
      builder: z.strictObject({ id: z.string(), version: z.record(z.string(), z.string()) }),
      metadata: z.strictObject({ invocationId: z.string(), startedOn: z.string(), finishedOn: z.string().optional() }),
      byproducts: z.array(resource),
    }),
  }),
});

export type Statement = z.infer<typeof statementSchema>;
type Resource = z.infer<typeof resource>;

/** What lies beside a checkpoint; undefined of what is no statement of this program's. */
export function readStatement(text: string | undefined): Statement | undefined {
  if (text === undefined) return undefined;
  try {
    return statementSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The statement of one output of a run. Undefined where there is no commit that it could be traced to. */
export function statementOf(record: Provenance, output: ProvenanceOutput): Statement | undefined {
  const { source, stages, made_from, tool, python, machine, started, ended, run, plan_digest } = record;
  if (source === undefined) return undefined;
  const stage = stages.find(({ id }) => id === output.stage);
  const others = record.outputs.filter(({ stage, file }) => stage === output.stage && file !== output.file);
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: baseName(output.file), digest: { sha256: output.sha256 } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { project: source.project, pipeline: record.file, spec: made_from.spec },
        internalParameters: {
          stage: output.stage,
          epoch: output.epoch,
          step: output.step,
          plan: plan_digest,
          ...(stage === undefined ? {} : stageParameters(stage)),
          ...(python === undefined ? {} : { python }),
          platform: machine.platform,
          ...(machine.driver === undefined ? {} : { gpu_driver: machine.driver }),
          gpus: machine.gpus.map(({ name, vram_gib }) => ({ name, vram_gib })),
        },
        resolvedDependencies: dependenciesOf(record, source),
      },
      runDetails: {
        builder: { id: BUILDER, version: { wan22: tool.version } },
        metadata: { invocationId: run, startedOn: started, ...(ended === undefined ? {} : { finishedOn: ended }) },
        byproducts: others.map(({ file, sha256 }) => ({ name: baseName(file), digest: { sha256 } })),
      },
    },
  };
}

function stageParameters({ fingerprint, driver, seed, goes_on_from }: Provenance["stages"][number]) {
  return {
    fingerprint,
    driver,
    ...(seed === undefined ? {} : { seed }),
    ...(goes_on_from === undefined ? {} : { goes_on_from }),
  };
}

/** The commit first, with what differed from it; then what was trained on and by whom. */
function dependenciesOf({ texts, made_from }: Provenance, source: NonNullable<Provenance["source"]>): Resource[] {
  const { commit, remote, changed, changed_count } = source;
  const { trainer, models, dataset } = made_from;
  const tracked = changed.filter(({ kind }) => kind === "tracked").map(({ file }) => file);
  return [
    {
      name: "source",
      ...(remote === undefined ? {} : { uri: `git+${remote}` }),
      digest: { gitCommit: commit },
      ...(changed_count === 0 ? {} : { annotations: { changed: tracked, changed_count } }),
    },
    ...texts.map(({ file, sha256, commit: standing }) => ({
      name: file,
      digest: { sha256 },
      annotations: { commit: standing ?? "absent" },
    })),
    // Not the file's SHA-256: bytes, header and 64 blocks of it, which is read in a moment where a model has 28 GB.
    ...Object.entries(models).map(([name, identity]) => ({ name, digest: { wan22ModelIdentity: identity } })),
    ...Object.entries(dataset).map(([name, identity]) => ({ name: `clip ${name}`, digest: { wan22Clip: identity } })),
    ...(trainer.commit === undefined && trainer.version === undefined
      ? []
      : [
          {
            name: "musubi-tuner",
            ...(trainer.version === undefined ? {} : { uri: `pkg:github/kohya-ss/musubi-tuner@${trainer.version}` }),
            ...(trainer.commit === undefined ? {} : { digest: { gitCommit: trainer.commit } }),
          },
        ]),
  ];
}
