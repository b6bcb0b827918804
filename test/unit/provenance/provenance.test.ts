import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { bindingOf } from "../../../src/core/plan/saved/binding.ts";
import { compareMaking, compareOutputs, type PresentMaking } from "../../../src/core/provenance/comparison.ts";
import { beyondCommit, type Provenance, provenanceSchema } from "../../../src/core/provenance/record.ts";
import { provenanceOf, withOutputs } from "../../../src/core/provenance/record-of.ts";
import { statementOf, statementSchema } from "../../../src/core/provenance/statement.ts";
import { type Evidence, verificationOf, verifyFile } from "../../../src/core/provenance/verification.ts";
import { emptyState } from "../../../src/core/state/state.ts";
import { PIPELINE, planInput, planWorld, type World } from "../plan/world.ts";

/** What a run is known to be made from, what is said of it, and what of it is proved. */

const COMMIT = "a".repeat(40);
const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)];

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function making(world: World = {}): PresentMaking & { readonly record: Provenance } {
  const { plan } = planWorld(world);
  const { resolved, presets, facts } = planInput(world);
  const { spec } = resolved;
  const madeFrom = bindingOf({ spec, templates: {}, presets, trainer: facts.trainer, plan, sha256 });
  const begun = provenanceOf({
    run: "20260101T000000Z-fox-0001",
    startedAt: 0,
    plan,
    planDigest: plan.digest,
    stages: plan.stages,
    state: undefined,
    spec,
    madeFrom,
    source: { commit: COMMIT, project: "loras", changed: [], changed_count: 0 },
    texts: [{ file: "fox.yaml", sha256: ONE, commit: "same" }],
    environmentOf: () => ["PATH", "HOME"],
    tool: "0.1.0",
    python: "3.12.1",
    host: "box",
    platform: "linux-x64",
    gpus: [{ index: 0, name: "RTX 4090", vramGiB: 24 }],
    driver: "550.54",
  });
  const checkpoints = [
    { stage: "train" as const, file: "output/fox-000001.safetensors", epoch: 1, step: 8, bytes: 100, sha256: ONE },
    { stage: "train" as const, file: "output/fox.safetensors", epoch: 2, step: 16, bytes: 100, sha256: TWO },
    { stage: "train" as const, file: "output/earlier.safetensors", epoch: 2, step: 16, bytes: 100, sha256: TWO },
  ];
  const state = { ...emptyState({ pipeline: "fox", file: "fox.yaml", lineage: "l", host: "box" }), checkpoints };
  const made = new Set(["output/fox-000001.safetensors", "output/fox.safetensors"]);
  const record = provenanceSchema.parse(withOutputs(begun, { endedAt: 60, state, made }));
  return {
    madeFrom,
    plan,
    tool: "0.1.0",
    python: "3.12.1",
    platform: "linux-x64",
    gpus: ["RTX 4090"],
    driver: "550.54",
    record,
  };
}

const { record } = making();
const [, output] = record.outputs;
if (output === undefined) throw new Error("two outputs were recorded");

describe("a record", () => {
  it("has what the run's own processes made, and the names of variables", () => {
    expect(record.outputs.map(({ file }) => file)).toEqual(["output/fox-000001.safetensors", "output/fox.safetensors"]);
    expect(record.stages[0]?.environment).toEqual(["HOME", "PATH"]);
    expect([record.started, record.ended]).toEqual(["1970-01-01T00:00:00.000Z", "1970-01-01T00:01:00.000Z"]);
  });

  it("is the commit's where what was read is, whatever else lies about", () => {
    const { texts } = record;
    const changed = [
      { file: "notes.txt", kind: "untracked" as const },
      { file: "loras/wan22.yaml", kind: "tracked" as const },
    ];
    const source = { commit: COMMIT, project: "loras", changed: changed.slice(0, 1), changed_count: 1 };

    expect(beyondCommit({ source, texts })).toEqual([]);
    expect(beyondCommit({ source: { ...source, changed }, texts })).toEqual(["loras/wan22.yaml"]);
    expect(beyondCommit({ source, texts: [{ file: "fox.yaml", sha256: ONE, commit: "absent" }] })).toEqual([
      "loras/fox.yaml",
    ]);
  });
});

describe("a statement", () => {
  it("has the shape of in-toto's and of SLSA's provenance, and names the commit first", () => {
    const statement = statementSchema.parse(statementOf(record, output));
    const { buildDefinition, runDetails } = statement.predicate;

    expect(statement.subject).toEqual([{ name: "fox.safetensors", digest: { sha256: TWO } }]);
    expect(buildDefinition.resolvedDependencies[0]).toEqual({ name: "source", digest: { gitCommit: COMMIT } });
    // Each descriptor has to say by what a thing is known.
    for (const { uri, digest } of buildDefinition.resolvedDependencies) expect(uri ?? digest).toBeDefined();
    expect(runDetails.metadata.invocationId).toBe(record.run);
    expect(buildDefinition.internalParameters).toMatchObject({ driver: "rehearsal", gpu_driver: "550.54" });
    expect(runDetails.byproducts).toEqual([{ name: "fox-000001.safetensors", digest: { sha256: ONE } }]);
  });

  it("is not made where there is no commit", () => {
    const { source: _, ...rest } = record;
    expect(statementOf(rest, output)).toBeUndefined();
  });
});

describe("of a file", () => {
  const sound: Evidence = {
    file: "output/fox.safetensors",
    sha256: TWO,
    statement: JSON.stringify(statementOf(record, output)),
    record,
    output,
    journalled: TWO,
    isLast: true,
    commit: "held",
    otherwise: [],
  };
  const verdicts = (evidence: Evidence) =>
    verifyFile(evidence).findings.flatMap(({ about, verdict }) =>
      verdict === "proved" ? [] : [`${about} ${verdict}`],
    );

  it.each<readonly [string, Partial<Evidence>, readonly string[]]>([
    ["nothing is wrong", {}, []],
    ["the name is another", { file: "elsewhere/best.safetensors" }, []],
    ["it is gone", { sha256: undefined }, ["bytes unknown"]],
    ["a byte is another", { sha256: ONE }, ["bytes refuted"]],
    ["the journal says otherwise", { journalled: ONE }, ["bytes refuted"]],
    ["the header is broken", { problem: "it is cut off" }, ["header refuted"]],
    ["the statement is gone", { statement: undefined }, ["statement unknown"]],
    ["no statement is due", { statement: undefined, isLast: false }, []],
    ["the statement is no JSON", { statement: "{" }, ["statement refuted"]],
    ["the commit is held by no branch", { commit: "loose" }, ["commit unknown"]],
    ["the commit is gone", { commit: "gone", otherwise: undefined }, ["commit unknown", "source unknown"]],
    ["the commit says otherwise", { otherwise: ["fox.yaml"] }, ["source refuted"]],
    ["no run wrote it", { record: undefined, output: undefined, statement: undefined }, ["bytes refuted"]],
    ["its run was cleared away", { record: undefined, output: undefined }, ["bytes unknown"]],
    [
      "its run was cleared away, and the statement is another's",
      { record: undefined, output: undefined, sha256: ONE },
      ["bytes refuted"],
    ],
    [
      "only the state knows it",
      { record: undefined, output: undefined, statement: undefined, knownTo: "fox" },
      ["bytes unknown"],
    ],
  ])("it is said what is not proved: %s", (_, change, expected) => {
    const evidence = { ...sound, ...change };

    expect(verdicts(evidence)).toEqual(expected);
    expect(verificationOf([verifyFile(evidence)], { found: true }).proved).toBe(expected.length === 0);
  });

  it("nothing at all is not proved", () => {
    expect(verificationOf([], { found: true }).proved).toBe(false);
    expect(verificationOf([verifyFile(sound)], { found: false }).proved).toBe(false);
  });
});

describe("a run that is made again", () => {
  const textsOf = (now: Partial<PresentMaking>) => compareMaking(record, { ...making(), ...now });

  it("is the same where only its places are others", () => {
    const { madeFrom } = making();
    const spec = { ...madeFrom.spec, "output.dir": "rerun-output", state_dir: "elsewhere" };

    expect(textsOf({ madeFrom: { ...madeFrom, spec } })).toEqual([]);
  });

  it("says what shapes the result, and what only the machine has otherwise", () => {
    const yaml = PIPELINE.replace("train:\n", "train:\n  network_dim: 4\n");
    expect(yaml).not.toBe(PIPELINE);
    expect(compareMaking(record, { ...making({ yaml }), tool: "0.2.0", gpus: ["H200"] })).toEqual([
      { weighs: "result", text: "train.network_dim: not set → 4" },
      { weighs: "machine", text: "wan22: 0.1.0 → 0.2.0" },
      { weighs: "machine", text: "GPUs: RTX 4090 → H200" },
    ]);
  });

  it("compares what came of it by stage and name", () => {
    const again = (name: string, sha256: string) => ({
      ...{ stage: "train" as const, file: `rerun-output/${name}`, epoch: 1, step: 8, bytes: 100, sha256 },
    });

    const first = [again("fox-000001.safetensors", TWO)];
    expect(compareOutputs(record, first, new Set())).toEqual([
      { file: "fox-000001.safetensors", becomes: "other" },
      { file: "fox.safetensors", becomes: "missing" },
    ]);
    expect(compareOutputs(record, first, new Set(["output/fox-000001.safetensors"]))[0]?.becomes).toBe("same-tensors");
    expect(compareOutputs(record, [again("fox.safetensors", TWO)], new Set())[1]?.becomes).toBe("same");
  });
});
