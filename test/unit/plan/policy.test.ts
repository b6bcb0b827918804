// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { describe, expect, it, test } from "vitest";
import type { PolicyFacts, RealPath } from "../../../src/core/facts.ts";
import { canonicalJson } from "../../../src/core/plan/canonical.ts";
import { planPipeline } from "../../../src/core/plan/plan-pipeline.ts";
import { isRefused, judgePolicy, pathsToFollow } from "../../../src/core/plan/policy/policy.ts";
import { PIPELINE, planInput, type World } from "./world.ts";

const MUSUBI = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
const on = (hardware: string) => MUSUBI.replace("hardware: entry", `hardware: ${hardware}`);

interface Case extends World {
  /** Where paths lead, where that is elsewhere than they say; `undefined` for what can't be looked at. */
  readonly real?: Readonly<Record<string, string | undefined>>;
  /** Links that lie in folders, with where they lead. */
  readonly links?: Readonly<Record<string, RealPath["links"]>>;
  readonly hasLockFile?: boolean;
  readonly promptImages?: readonly string[];
  readonly planned?: "not";
}

/** Judges the fox by one line of policy. */
function judge(policy: string, { real = {}, links = {}, promptImages = [], hasLockFile = false, ...world }: Case = {}) {
  const input = planInput({ ...world, project: `policy:\n  ${policy}\n` });
  const { resolved, facts } = input;
  const asked = pathsToFollow(resolved, { facts, promptImages });
  const realPaths = Object.fromEntries(
    asked.map(({ path }) => {
      const place = Object.hasOwn(real, path) ? real[path] : path === "." ? "/project" : absolute(path);
      return [path, { ...(place === undefined ? {} : { real: place }), links: links[path] ?? [] } satisfies RealPath];
    }),
  );
  const observed: PolicyFacts = { realPaths, hasLockFile, promptImages };
  const plan = world.planned === "not" ? undefined : planPipeline(input).value;
  const { verdicts, diagnostics } = judgePolicy({ resolved, facts, observed, plan });
  return { verdict: verdicts[0], diagnostic: diagnostics[0], count: [verdicts.length, diagnostics.length] };
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/project/${path.replace(/^\.\//, "")}`;
}

describe("each rule is kept, broken or unknown", () => {
  const RTX: Case = { yaml: on("RTX 4090") };
  it.each<[string, string, Case, unknown, string | undefined]>([
    ["hours", "max_hours: 1000", RTX, { verdict: "kept", limit: 1000 }, undefined],
    ["hours", "max_hours: 0.0001", RTX, { verdict: "broken", limit: 0.0001 }, "Y1"],
    ["hours of a rehearsal", "max_hours: 1", {}, { verdict: "kept" }, undefined],
    ["hours without a card", "max_hours: 1000", { yaml: on("auto") }, { verdict: "unknown" }, "Y9"],
    ["GPU hours", "max_gpu_hours: 1000", RTX, { verdict: "kept" }, undefined],
    ["GPU hours", "max_gpu_hours: 0.0001", RTX, { verdict: "broken" }, "Y2"],
    ["GPU hours of a rehearsal", "max_gpu_hours: 0.0001", {}, { verdict: "kept", found: 0 }, undefined],
    ["GPU hours without a card", "max_gpu_hours: 9", { yaml: on("auto") }, { verdict: "unknown" }, "Y9"],
    ["disk", "max_disk_gb: 10", {}, { verdict: "kept" }, undefined],
    ["disk", "max_disk_gb: 0.0001", {}, { verdict: "broken" }, "Y3"],
    ["headroom", "vram_headroom_gb: 1", RTX, { verdict: "kept" }, undefined],
    ["headroom", "vram_headroom_gb: 23", RTX, { verdict: "broken" }, "Y4"],
    ["headroom of a rehearsal", "vram_headroom_gb: 23", {}, { verdict: "kept" }, undefined],
    ["headroom of a tier", "vram_headroom_gb: 1", { yaml: on("entry") }, { verdict: "unknown" }, "Y9"],
    ["task", "tasks: [t2v-A14B]", {}, { verdict: "kept", found: "t2v-A14B" }, undefined],
    ["task", "tasks: [i2v-A14B]", {}, { verdict: "broken", found: "t2v-A14B" }, "Y7"],
    ["lock", "require_lock: true", { hasLockFile: true }, { verdict: "kept", found: true }, undefined],
    ["lock", "require_lock: true", {}, { verdict: "broken", found: false }, "Y8"],
    ["inputs", "input_roots: [data]", {}, { verdict: "kept", limit: ["data"], found: [] }, undefined],
    ["outputs", "output_roots: [output]", {}, { verdict: "kept" }, undefined],
  ])("%s: `%s`", (_what, policy, world, verdict, code) => {
    const found = judge(policy, world);
    expect(found.verdict).toMatchObject(verdict as object);
    expect(found.diagnostic?.code).toBe(code);
    expect(found.count).toEqual([1, code === undefined ? 0 : 1]);
  });

  it("and one that isn't asked for has no verdict", () => {
    for (const policy of ["require_lock: false", "{}"]) expect(judge(policy)).toMatchObject({ count: [0, 0] });
    expect(judge("max_hours: 0.0001", { planned: "not" })).toMatchObject({ count: [0, 0] });
    expect(judge("tasks: [i2v-A14B]", { planned: "not" })).toMatchObject({ count: [1, 1] });
  });

  it("at its line in wan22.yaml, with the pipeline's own place, and with how to mend it", () => {
    const { diagnostic } = judge("max_hours: 0.0001", RTX);
    expect(diagnostic).toMatchObject({
      file: "wan22.yaml",
      range: { line: 2 },
      severity: "error",
      path: "policy.max_hours",
    });
    expect(diagnostic?.related).toMatchObject([{ file: "fox.yaml", range: { line: 13 } }]);
    expect(diagnostic?.detail).toContain("`max_hours` is 0.0001, and training takes up to ");
    expect(diagnostic?.detail).toContain("have `max_hours` raised");
    expect(judge("vram_headroom_gb: 1", { yaml: on("entry") }).diagnostic).toMatchObject({
      severity: "warning",
      detail: expect.stringContaining("`hardware: RTX 4090`"),
    });
  });
});

test("GPU hours count each GPU of a stage, and add up halves that train at the same time", () => {
  const separate = (gpus: string) => on("RTX 4090").replace("task:", `noise: separate\ngpus: ${gpus}\ntask:`);
  const hours = (yaml: string, rule: string) => Number(judge(`${rule}: 1000`, { yaml }).verdict?.found);
  const one = hours(separate("[0]"), "max_gpu_hours");
  expect(hours(separate("[0]"), "max_hours")).toBe(one);
  expect(hours(separate("[0, 1]"), "max_gpu_hours") / one).toBeCloseTo(1, 1);
  expect(hours(separate("[0, 1]"), "max_hours") / one).toBeCloseTo(0.5, 1);
  const both = on("RTX 4090").replace("task:", "gpus: [0, 1]\ntask:");
  expect(hours(both, "max_gpu_hours") / hours(both, "max_hours")).toBeCloseTo(2, 1);
});

describe("an input lies outside", () => {
  const source = (path: string, kind = "videos") => PIPELINE.replace("videos: data/fox", `${kind}: ${path}`);
  const clips = { clips: [] };
  it.each<[string, string, Case, string]>([
    ["by `..`", "[data]", { ...clips, yaml: source("data/../secret") }, "dataset.sources.0.videos: secret"],
    ["above the project", "[data]", { ...clips, yaml: source("../data") }, "dataset.sources.0.videos: ../data"],
    [
      "with a name that begins alike",
      "[data]",
      { ...clips, yaml: source("data-2") },
      "dataset.sources.0.videos: data-2",
    ],
    [
      "through a link",
      "[data]",
      { real: { "data/fox": "/etc/fox" } },
      "dataset.sources.0.videos: data/fox, which leads to /etc/fox",
    ],
    [
      "through a link within the project",
      "[data]",
      { real: { "data/fox": "/project/.git" } },
      "dataset.sources.0.videos: data/fox, which leads to .git",
    ],
    [
      "where the root itself is a link",
      "[data]",
      { real: { data: "/etc", "data/fox": "/etc/fox" } },
      "dataset.sources.0.videos: data/fox, which leads to /etc/fox",
    ],
    [
      "as one clip",
      "[data]",
      { real: { "data/fox/b.mp4": "/secret/b.mp4" } },
      "dataset.sources.0.videos: data/fox/b.mp4, which leads to /secret/b.mp4",
    ],
    [
      "as one caption",
      "[data]",
      { real: { "data/fox/b.txt": "/etc/passwd" } },
      "dataset.sources.0.videos: data/fox/b.txt, which leads to /etc/passwd",
    ],
    [
      "as a prompt's image",
      "[data]",
      { promptImages: ["../me.png"], real: { "../me.png": "/me.png" } },
      "train.sample_prompts: ../me.png",
    ],
    [
      "as caches that are taken over",
      "[data]",
      { yaml: PIPELINE.replace("frame_extraction: head", "cache_directory: /other/cache") },
      "dataset.sources.0.cache_directory: /other/cache",
    ],
    [
      "as a link in them",
      "[data]",
      {
        yaml: PIPELINE.replace("frame_extraction: head", "cache_directory: data/cache"),
        links: { "data/cache": [{ path: "data/cache/a", real: "/a" }] },
      },
      "dataset.sources.0.cache_directory: data/cache/a, which leads to /a",
    ],
    [
      "as a model",
      "[data]",
      { yaml: `${PIPELINE}models:\n  dit: models/dit.safetensors\n` },
      "models.dit: models/dit.safetensors",
    ],
    [
      "as weights to start from",
      "[data]",
      { yaml: PIPELINE.replace("train:", "train:\n  network_weights: ../stolen.safetensors") },
      "train.network_weights: ../stolen.safetensors",
    ],
    [
      "as weights to train on",
      "[data]",
      { yaml: PIPELINE.replace("train:", "train:\n  base_weights: [data/a.safetensors, b.safetensors]") },
      "train.base_weights: b.safetensors",
    ],
    [
      "as prompts",
      "[data]",
      { yaml: PIPELINE.replace("train:", "train:\n  sample_prompts: prompts.txt") },
      "train.sample_prompts: prompts.txt",
    ],
    ["as the trainer", "[data]", { yaml: MUSUBI }, "trainer.path: musubi"],
    [
      "as what the trainer runs",
      "[data, musubi]",
      { yaml: MUSUBI, real: { "musubi/src/musubi_tuner": "/evil" } },
      "trainer.path: musubi/src/musubi_tuner, which leads to /evil",
    ],
    [
      "as Python",
      "[data, musubi]",
      { yaml: MUSUBI.replace("path: musubi", "path: musubi\n  python: ./evil.sh") },
      "trainer.python: evil.sh",
    ],
    [
      "as a command's Python",
      "[data, musubi]",
      { yaml: MUSUBI.replace("path: musubi", "path: musubi\n  python: python3"), trainer: { python: "/bin/python3" } },
      "trainer.python: /bin/python3",
    ],
  ])("%s", (_what, roots, world, found) => {
    const { verdict, diagnostic } = judge(`input_roots: ${roots}`, world);
    expect(verdict).toMatchObject({ verdict: "broken", found: [found] });
    expect(diagnostic?.detail).toContain(found);
    expect(diagnostic?.code).toBe("Y5");
  });

  it("and is marked in the pipeline; of a folder that lies outside its clips are not told one by one", () => {
    const { verdict, diagnostic } = judge("input_roots: [other]");
    expect(verdict?.found).toEqual(["dataset.sources.0.videos: data/fox"]);
    expect(diagnostic?.related).toMatchObject([{ file: "fox.yaml", range: { line: 9 } }]);
  });

  it("or nobody can see where it lies", () => {
    const { verdict, diagnostic } = judge("input_roots: [data]", { real: { "data/fox/a.mp4": undefined } });
    expect(verdict).toEqual({ rule: "input_roots", verdict: "unknown", limit: ["data"] });
    expect(diagnostic).toMatchObject({ code: "Y9", detail: expect.stringContaining("data/fox/a.mp4") });
  });
});

test("a root elsewhere counts by where it really lies, and may be a file", () => {
  const yaml = MUSUBI.replace("path: musubi", "path: /opt/musubi\n  python: /opt/python");
  const real = {
    "/opt/musubi": "/srv/m",
    "/opt/musubi/src/musubi_tuner": "/srv/m/src",
    "/opt/python": "/bin/python3.11",
  };
  expect(judge("input_roots: [data, /opt/musubi, /bin/python3.11]", { yaml, real }).verdict?.verdict).toBe("kept");
  expect(judge("input_roots: [data, /opt/musubi, /bin/python3]", { yaml, real }).verdict?.found).toEqual([
    "trainer.python: /opt/python, which leads to /bin/python3.11",
  ]);
});

test("what a variable stands for is not told", () => {
  const input = planInput({
    yaml: PIPELINE.replace("data/fox", "${CLIPS:-/home/me/clips}"),
    clips: [],
    project: "policy: { input_roots: [data] }",
  });
  const { resolved, facts } = input;
  const realPaths = { ".": { real: "/project" }, data: {}, "/home/me/clips": { real: "/mnt/me" } };
  const judged = judgePolicy({ resolved, facts, observed: { realPaths, hasLockFile: false, promptImages: [] } });
  expect(judged.verdicts[0]?.found).toEqual([
    "dataset.sources.0.videos: ${CLIPS:-/home/me/clips}, which leads elsewhere through a link",
  ]);
  expect(JSON.stringify(judged)).not.toContain("/mnt/me");
});

describe("an output lies outside", () => {
  const cache = () => planInput({}).resolved.dataset.sources[0]?.cacheDir ?? "";
  it.each<[string, string, Case, string]>([
    ["by `..`", "[output]", { yaml: PIPELINE.replace("output/fox", "output/../../fox") }, "output.dir: ../fox"],
    [
      "through a link above what is not there yet",
      "[output]",
      { real: { "output/fox": "/elsewhere/fox" } },
      "output.dir: output/fox, which leads to /elsewhere/fox",
    ],
    [
      "through a link in it",
      "[output]",
      { links: { "output/fox": [{ path: "output/fox/fox.safetensors", real: "/etc/hosts" }] } },
      "output.dir: output/fox/fox.safetensors, which leads to /etc/hosts",
    ],
    [
      "as logs",
      "[output]",
      { yaml: PIPELINE.replace("train:", "train:\n  logging_dir: /var/log/fox") },
      "train.logging_dir: /var/log/fox",
    ],
    ["as logs that nobody named, where they are kept", "[output]", { yaml: MUSUBI }, "train.logging_dir: logs"],
    [
      "as the project's own folder that is a link",
      "[output]",
      { real: { ".wan22": "/home/me", ".wan22/cache": "/project/.wan22/cache" } },
      "state_dir: .wan22, which leads to /home/me",
    ],
    [
      "as a link in it",
      "[output]",
      { links: { ".wan22": [{ path: ".wan22/state", real: "/project/src" }] } },
      "state_dir: .wan22/state, which leads to src",
    ],
    ["as a cache", "[output]", { real: { [cache()]: "/tmp/c" } }, `cache_dir: ${cache()}, which leads to /tmp/c`],
    [
      "in the folder that only wan22 writes to",
      "[output]",
      { yaml: PIPELINE.replace("output/fox", ".wan22/state") },
      "output.dir: .wan22/state",
    ],
  ])("%s", (_what, roots, world, found) => {
    const { verdict, diagnostic } = judge(`output_roots: ${roots}`, world);
    expect(verdict).toMatchObject({ verdict: "broken", found: [found] });
    expect(diagnostic?.code).toBe("Y6");
  });

  it("unless its root is named", () => {
    const yaml = MUSUBI.replace("output/fox", "/mnt/out/fox");
    expect(judge("output_roots: [/mnt/out, logs]", { yaml }).verdict).toMatchObject({ verdict: "kept" });
  });
});

test("a policy moves neither the plan nor its digest, and what isn't kept is refused", () => {
  const [with_, without] = [planInput({ project: "policy: { max_hours: 1 }" }), planInput({})].map(
    (input) => planPipeline(input).value,
  );
  expect(canonicalJson(with_)).toBe(canonicalJson(without));
  const verdict = { rule: "max_hours", limit: 1 } as const;
  expect(isRefused({})).toBe(false);
  expect(isRefused({ policy: [{ ...verdict, verdict: "kept" }] })).toBe(false);
  expect(isRefused({ policy: [{ ...verdict, verdict: "unknown" }] })).toBe(true);
  expect(isRefused({ policy: [{ ...verdict, verdict: "broken" }] })).toBe(true);
});
