import * as z from "zod";
import { bindingSchema } from "../plan/saved/binding.ts";
import { DRIVERS, STAGE_IDS } from "../vocabulary.ts";

/** What a run was made from, and the digests of what it made: `runs/RUN/provenance.json`. Nothing in it is a secret. */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits");
const count = z.number().int().nonnegative();
const path = z.string().describe("Relative to the root where inside it");

const changedSchema = z.strictObject({
  file: z.string().describe("From the repository's top"),
  kind: z.enum(["tracked", "untracked"]).describe("Whether Git follows it"),
  sha256: sha256.optional().describe("Absent where it is removed, no file, or too large to be read for this"),
});

const sourceSchema = z.strictObject({
  commit: z.string().describe("What HEAD was when the run began"),
  project: z.string().describe("The project's root, from the repository's top; `.` where they are the same"),
  remote: z.string().optional().describe("Where the repository comes from, without names and passwords"),
  changed: z.array(changedSchema).describe("What differed from the commit; the run's own files aside"),
  changed_count: count.describe("How many there were, also of those that are not listed"),
});

const textSchema = z.strictObject({
  file: path,
  sha256: sha256.describe("Of its bytes"),
  commit: z.enum(["same", "differs", "absent"]).optional().describe("How it stands to the commit, where there is one"),
});

const stageSchema = z.strictObject({
  id: z.enum(STAGE_IDS),
  action: z.string().describe("The plan's"),
  driver: z.enum(DRIVERS).describe("What runs it"),
  fingerprint: z.string().describe("Of everything that shapes the result, epochs aside"),
  argv: z.array(z.string()).describe("Script and arguments; paths of variables as they are written"),
  seed: z.number().optional().describe("The trainer's"),
  total_epochs: count.optional().describe("Epochs that were wanted"),
  goes_on_from: z
    .strictObject({ training_state: path, run: z.string().optional().describe("The run that made it") })
    .optional()
    .describe("What was trained before, and where it stands"),
  environment: z.array(z.string()).describe("Names of the variables that its process gets; no values"),
});

const outputSchema = z.strictObject({
  stage: z.enum(STAGE_IDS).describe("The stage that made it"),
  file: path,
  epoch: count.describe("Epochs trained when it was saved"),
  step: count.describe("Steps trained when it was saved"),
  bytes: count.describe("Of the whole file"),
  sha256: sha256.describe("Of the whole file"),
});

export const PROVENANCE_FORMAT = "wan22-provenance";

export const provenanceSchema = z
  .strictObject({
    format: z.literal(PROVENANCE_FORMAT).describe("What this file is"),
    version: z.literal(1).describe("Version of this format"),
    run: z.string(),
    pipeline: z.string().describe("Its name"),
    file: z.string().describe("The pipeline file, relative to the root; of a cell of a matrix with its name"),
    plan_digest: z.string().describe("The plan that was carried out"),
    started: z.string().describe("ISO 8601"),
    ended: z.string().optional().describe("ISO 8601; absent as long as nobody has seen the end"),
    source: sourceSchema.optional().describe("Absent where the project lies in no Git repository with a commit"),
    texts: z.array(textSchema).describe("Pipeline, what it extends, wan22.yaml, lock, templates of the project"),
    made_from: bindingSchema.describe("What the plan was made from: spec, templates, presets, clips, models, trainer"),
    stages: z.array(stageSchema).describe("What was to be done"),
    tool: z.strictObject({ version: z.string() }).describe("The wan22 that began the run"),
    python: z.string().optional().describe("Version of the Python that ran the trainer"),
    machine: z.strictObject({
      host: z.string(),
      platform: z.string().describe("System and processor, such as linux-x64"),
      driver: z.string().optional().describe("Version of the cards' driver"),
      gpus: z.array(z.strictObject({ index: count, name: z.string(), vram_gib: z.number() })),
    }),
    outputs: z.array(outputSchema).describe("Checkpoints that the run made and has kept to its end"),
  })
  .describe("What a run was made from and what it made, `.wan22/runs/RUN/provenance.json`");

export type Provenance = z.infer<typeof provenanceSchema>;
export type ProvenanceSource = z.infer<typeof sourceSchema>;
export type ProvenanceText = z.infer<typeof textSchema>;
export type ProvenanceOutput = z.infer<typeof outputSchema>;

/** Why a run's commit alone does not make what it made: files that were not as the commit has them. Empty where it does. */
export function beyondCommit({ source, texts }: Pick<Provenance, "source" | "texts">): readonly string[] {
  const tracked = (source?.changed ?? []).flatMap(({ file, kind }) => (kind === "tracked" ? [file] : []));
  const prefix = source === undefined || source.project === "." ? "" : `${source.project}/`;
  const own = texts.flatMap(({ file, commit }) => (commit === "same" ? [] : [`${prefix}${file}`]));
  return [...new Set([...own, ...tracked])];
}
