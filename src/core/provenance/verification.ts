import * as z from "zod";
import { baseName } from "../paths.ts";
import { canonicalJson } from "../plan/canonical.ts";
import { beyondCommit, type Provenance, type ProvenanceOutput } from "./record.ts";
import { readStatement, statementOf } from "./statement.ts";

/** What is proved of a checkpoint, and what is not: `wan22 verify` as data. */

const findingSchema = z.strictObject({
  about: z
    .enum(["bytes", "name", "header", "statement", "commit", "source"])
    .describe("The file's bytes, its name, its header, the statement beside it, the run's commit, or the files read"),
  verdict: z.enum(["proved", "refuted", "unknown"]).describe("unknown is what can't be proved here, nor refuted"),
  text: z.string().describe("A sentence"),
});

export const verificationSchema = z
  .strictObject({
    format_version: z.literal("1.0"),
    proved: z.boolean().describe("Whether all that was named was found, and every finding of every file is"),
    files: z.array(
      z.strictObject({
        file: z.string().describe("As it was named, or relative to the root where inside it"),
        run: z.string().optional().describe("The run that it belongs to"),
        commit: z.string().optional().describe("Of that run"),
        findings: z.array(findingSchema),
      }),
    ),
  })
  .describe("What `wan22 verify --format json` prints");

export type Verification = z.infer<typeof verificationSchema>;
export type VerifiedFile = Verification["files"][number];
export type VerifyFinding = z.infer<typeof findingSchema>;

/** What was found of a checkpoint's file, and of the run that it may belong to. */
export interface Evidence {
  /** As shown to people. */
  readonly file: string;
  /** Absent where there is no file that can be read. */
  readonly sha256?: string | undefined;
  /** What is wrong with its header, as the end of a sentence. */
  readonly problem?: string | undefined;
  /** Of its header. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The text beside it. */
  readonly statement?: string | undefined;
  /** The run that recorded these bytes, or else bytes under this name. */
  readonly record?: Provenance | undefined;
  /** That entry of it. */
  readonly output?: ProvenanceOutput | undefined;
  /** What the run's journal says of the same output. */
  readonly journalled?: string | undefined;
  /** The pipeline whose state has these bytes, where the run itself is cleared away. */
  readonly knownTo?: string | undefined;
  /** The run whose journal has these bytes, and whose record can't be read. */
  readonly unreadRun?: string | undefined;
  /** Whether a statement is to lie beside it: it is a stage's last checkpoint. */
  readonly isLast: boolean;
  /** How the run's commit stands in the repository; absent where there is none. */
  readonly commit?: "held" | "loose" | "gone" | undefined;
  /** Texts of the record that the commit, asked now, has otherwise; absent where it can't be asked. */
  readonly otherwise?: readonly string[] | undefined;
}

/** The verdicts, in the order in which each follows from the one before. */
export function verifyFile(evidence: Evidence): VerifiedFile {
  const { file, record } = evidence;
  const findings = [...ofBytes(evidence), ...ofStatement(evidence), ...ofCommit(evidence)];
  const known = record === undefined ? {} : { run: record.run };
  const source = record?.source;
  return { file, ...known, ...(source === undefined ? {} : { commit: source.commit }), findings };
}

/** `found`: whether there was something to look at for each thing that was named. */
export function verificationOf(files: readonly VerifiedFile[], { found }: { readonly found: boolean }): Verification {
  const proved = files.every(({ findings }) => findings.every(({ verdict }) => verdict === "proved"));
  return { format_version: "1.0", proved: proved && found && files.length > 0, files: [...files] };
}

function ofBytes(evidence: Evidence): readonly VerifyFinding[] {
  const { file, sha256, record, output, journalled, knownTo, problem } = evidence;
  if (sha256 === undefined) {
    const where = record === undefined ? "" : `, where run ${record.run} put it: it was removed or moved`;
    return [{ about: "bytes", verdict: "unknown", text: `There is no file ${file} that can be read${where}.` }];
  }
  if (record === undefined || output === undefined) return [unrecorded(evidence, knownTo)];
  if (output.sha256 !== sha256) {
    const text = `Run ${record.run} wrote other bytes under this name (SHA-256 ${short(output.sha256)}, not ${short(sha256)}): the file was changed or replaced since.`;
    return [{ about: "bytes", verdict: "refuted", text }];
  }
  if (journalled !== sha256) {
    const says = journalled === undefined ? "nothing of it" : `SHA-256 ${short(journalled)}`;
    const text = `The journal of run ${record.run} says ${says}, and its provenance.json ${short(sha256)}: one of them was edited.`;
    return [{ about: "bytes", verdict: "refuted", text }];
  }
  const found: VerifyFinding[] = [
    {
      about: "bytes",
      verdict: "proved",
      text: `Its bytes (SHA-256 ${short(sha256)}) are those that run ${record.run} wrote: ${output.stage}, epoch ${output.epoch}, step ${output.step}.`,
    },
  ];
  const name = baseName(output.file);
  if (name !== baseName(file)) {
    found.push({ about: "name", verdict: "proved", text: `The run called it ${name}; it was renamed since.` });
  }
  found.push(
    problem === undefined
      ? { about: "header", verdict: "proved", text: headerText(evidence) }
      : { about: "header", verdict: "refuted", text: `It is no whole safetensors file: ${problem}.` },
  );
  return found;
}

function headerText({ metadata = {} }: Evidence): string {
  return metadata.wan22_rehearsal === undefined
    ? "It is a whole safetensors file."
    : "It is a whole safetensors file, and says of itself that it comes of a rehearsal: it is no LoRA to use.";
}

function unrecorded({ statement, sha256, unreadRun }: Evidence, knownTo: string | undefined): VerifyFinding {
  const said = readStatement(statement);
  const run = said?.predicate.runDetails.metadata.invocationId;
  if (unreadRun !== undefined) {
    const text = `By its journal run ${unreadRun} wrote these bytes; its provenance.json can't be read, since it was edited or cut short, so that nothing is known of what they were made from.`;
    return { about: "bytes", verdict: "unknown", text };
  }
  if (said?.subject.every(({ digest }) => digest.sha256 !== sha256)) {
    const text = `The statement beside it is of other bytes (run ${run}), and no run of this project wrote these.`;
    return { about: "bytes", verdict: "refuted", text };
  }
  if (run !== undefined) {
    const text = `The statement beside it says that run ${run} wrote these bytes; that run ${CLEARED}.`;
    return { about: "bytes", verdict: "unknown", text };
  }
  if (knownTo !== undefined) {
    const text = `The record of ${knownTo} has these bytes; the run that wrote them was cleared away, and its commit with it.`;
    return { about: "bytes", verdict: "unknown", text };
  }
  return { about: "bytes", verdict: "refuted", text: "No run that is recorded in this project wrote these bytes." };
}

const CLEARED = "was cleared away or is of another project, so that nothing here bears it out";

function ofStatement({ statement, record, output, isLast, sha256 }: Evidence): readonly VerifyFinding[] {
  if (record === undefined || output === undefined || sha256 !== output.sha256) return [];
  const due = isLast ? statementOf(record, output) : undefined;
  if (statement === undefined) {
    if (due === undefined) return [];
    return [{ about: "statement", verdict: "unknown", text: "The statement that the run wrote beside it is gone." }];
  }
  const said = readStatement(statement);
  if (said === undefined) {
    return [{ about: "statement", verdict: "refuted", text: "The statement beside it can't be understood." }];
  }
  const run = said.predicate.runDetails.metadata.invocationId;
  if (run !== record.run && said.subject.some(({ digest }) => digest.sha256 === sha256)) {
    // The same seed makes the same bytes: a checkpoint that was archived when its stage was started over, say.
    const text = `The statement beside it says that run ${run} wrote these same bytes; that run ${CLEARED}.`;
    return [{ about: "statement", verdict: "unknown", text }];
  }
  const own = statementOf(record, output);
  const moved = own === undefined ? ["all of it"] : differingKeys(said, own);
  return moved.length === 0
    ? [{ about: "statement", verdict: "proved", text: "The statement beside it says what the run recorded." }]
    : [
        {
          about: "statement",
          verdict: "refuted",
          text: `The statement beside it was edited, or is another file's: it differs in ${moved.slice(0, 5).join(", ")}.`,
        },
      ];
}

/** Dotted paths at which two values differ. */
function differingKeys(one: unknown, other: unknown, path = ""): readonly string[] {
  if (canonicalJson(one) === canonicalJson(other)) return [];
  if (!isObject(one) || !isObject(other)) return [path === "" ? "all of it" : path];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return keys.flatMap((key) => differingKeys(one[key], other[key], path === "" ? key : `${path}.${key}`));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function ofCommit({ record, output, sha256, commit, otherwise }: Evidence): readonly VerifyFinding[] {
  if (record === undefined || output === undefined || sha256 !== output.sha256) return [];
  const { source, texts } = record;
  if (source === undefined) {
    const text = "The project was in no Git repository with a commit when it was trained.";
    return [{ about: "commit", verdict: "unknown", text }];
  }
  return [standingFinding(source.commit, commit), sourceFinding({ source, texts }, otherwise)];
}

function standingFinding(id: string, standing: Evidence["commit"]): VerifyFinding {
  const name = id.slice(0, 12);
  switch (standing) {
    case "held":
      return { about: "commit", verdict: "proved", text: `Commit ${name} is in this repository.` };
    case "loose":
      return {
        about: "commit",
        verdict: "unknown",
        text: `Commit ${name} is here, but no branch or tag comes from it, as after a forced push: Git will remove it. Keep it with \`git tag NAME ${name}\`.`,
      };
    case "gone":
    case undefined:
      return {
        about: "commit",
        verdict: "unknown",
        text: `Commit ${name} is not in this repository: it was never fetched here, or was removed, as by a forced push.`,
      };
  }
}

function sourceFinding(
  record: Pick<Provenance, "source" | "texts">,
  otherwise: readonly string[] | undefined,
): VerifyFinding {
  const beyond = beyondCommit(record);
  if (beyond.length > 0) {
    const names = `${beyond.slice(0, 5).join(", ")}${beyond.length > 5 ? ` and ${beyond.length - 5} more` : ""}`;
    const text = `The commit alone does not make it: ${names} differed from it when the run began. What the pipeline said is in provenance.json.`;
    return { about: "source", verdict: "refuted", text };
  }
  if (otherwise === undefined) {
    const text = "By the record all files were as the commit has them; without the commit that can't be looked at.";
    return { about: "source", verdict: "unknown", text };
  }
  if (otherwise.length > 0) {
    const text = `The commit has another ${otherwise.join(", ")} than the run recorded: the record was edited.`;
    return { about: "source", verdict: "refuted", text };
  }
  const names = record.texts.map(({ file }) => file).join(", ");
  return { about: "source", verdict: "proved", text: `What was read is what the commit holds: ${names}.` };
}

function short(digest: string): string {
  return digest.slice(0, 12);
}
