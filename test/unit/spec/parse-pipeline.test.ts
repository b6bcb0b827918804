// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { expect, test } from "vitest";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import { parse, parseSound, pipelineWith, SOUND } from "./sample.ts";

test("A sound pipeline has no finding", () => {
  expect(parse(SOUND).diagnostics).toEqual([]);
});

test("Every section arrives as written", () => {
  const spec = parseSound(SOUND);
  expect(spec).toMatchObject({
    name: "fox-t2v",
    file: "pipelines/fox.yaml",
    task: "t2v-A14B",
    noise: "dual",
    hardware: { kind: "name", name: "high-end" },
    strategy: "balanced",
    dataset: {
      settings: { resolution: [1280, 720], enable_bucket: true },
      sources: [
        {
          kind: "videos",
          input: { written: "data/fox", path: "pipelines/data/fox", unset: [] },
          target_frames: [1, 25, 45],
          frame_extraction: "head",
          source_fps: "auto",
        },
        { kind: "images", input: { path: "pipelines/data/stills" }, num_repeats: 2 },
      ],
    },
    models: { dit: { path: "pipelines/models/low.safetensors" }, t5: { path: "pipelines/models/t5.pth" } },
    output: { dir: { path: "pipelines/output/fox" }, name: "fox-t2v" },
    trainer: { backend: "rehearsal" },
    gpus: [0],
  });
  expect(spec.overrides.map(({ section, name, value, layer }) => [section, name, value, layer])).toEqual(
    [
      ["cache_latents", "vae_cache_cpu", true, "pipeline"],
      ["cache_text", "fp8_t5", true, "pipeline"],
      ["train", "learning_rate", 2e-4, "pipeline"],
      ["train", "network_dim", 32, "pipeline"],
      ["train", "attention", "sdpa", "pipeline"],
      ["train", "sample_prompts", ["a fox --w 832 --h 480"], "pipeline"],
    ].sort((a, b) => order(a) - order(b)),
  );
});

/** Overrides come in the order of stages, and within a section in the order of the parameter table. */
function order([section, name]: readonly unknown[]): number {
  const names = parseSound(SOUND).overrides.map((override) => `${override.section}.${override.name}`);
  return names.indexOf(`${String(section)}.${String(name)}`);
}

test("What is left out gets its default", () => {
  const spec = parseSound(pipelineWith(""));
  expect(spec).toMatchObject({
    hardware: { kind: "auto" },
    strategy: "balanced",
    models: {},
    overrides: [],
    output: { dir: { path: "output/fox", written: "output/fox" }, name: "fox" },
    trainer: { backend: "rehearsal" },
    stateDir: ".wan22",
    cacheDir: ".wan22/cache",
  });
  expect(spec.noise).toBeUndefined();
  expect(spec.gpus).toBeUndefined();
  expect(spec.templatesDir).toBeUndefined();
});

test("An empty section is as good as none", () => {
  expect(parse(pipelineWith("train:\nmodels:\ncache_text:\ncache_latents:\noutput:\ntrainer:")).diagnostics).toEqual(
    [],
  );
});

test("A pipeline overrides the project file key by key", () => {
  const spec = parseSound(
    pipelineWith("models:\n  vae: own/vae.safetensors\ntrain:\n  seed: 7\nstrategy: aggressive"),
    [
      "models:",
      "  vae: shared/vae.safetensors",
      "  t5: shared/t5.pth",
      "train:",
      "  seed: 1",
      "  save_state: true",
      "strategy: conservative",
      "hardware: RTX 4090",
      "dataset:",
      "  resolution: 640x360",
      "  batch_size: 2",
      "state_dir: .state",
    ].join("\n"),
  );
  expect(spec.models.vae?.path).toBe("pipelines/own/vae.safetensors");
  expect(spec.models.t5?.path).toBe("shared/t5.pth");
  expect(spec.strategy).toBe("aggressive");
  expect(spec.hardware).toMatchObject({ kind: "name", name: "RTX 4090" });
  expect(spec.dataset.settings).toEqual({ resolution: [1280, 720], batch_size: 2 });
  expect(spec.stateDir).toBe(".state");
  expect(spec.cacheDir).toBe(".state/cache");
  // Both are kept, the project's first, so that the plan can say which won.
  expect(
    spec.overrides.filter(({ name }) => name === "seed").map(({ layer, value, place }) => [layer, value, place.file]),
  ).toEqual([
    ["project", 1, "wan22.yaml"],
    ["pipeline", 7, "pipelines/fox.yaml"],
  ]);
});

test("An empty project file marks the root and shares nothing", () => {
  for (const text of ["", "\n", "# what our pipelines share\n"]) {
    expect(parseSound(pipelineWith(""), text)).toEqual(parseSound(pipelineWith("")));
  }
});

test("Hardware is one thing: the pipeline's replaces the project's whole", () => {
  const spec = parseSound(
    pipelineWith("hardware: {gpu: A100, vram_gb: 40}"),
    "hardware: {gpu: RTX 4090, ram_gb: 64}\n",
  );
  expect(spec.hardware).toMatchObject({ kind: "described", gpu: "A100", vramGiB: 40 });
  // Key by key: the host's memory stays, the memory of another card does not.
  expect(spec.hardware).toMatchObject({ ramGiB: 64 });
  const other = parseSound(pipelineWith("hardware: {gpu: A100}"), "hardware: {gpu: RTX 4090, vram_gb: 48}\n");
  expect(other.hardware).not.toHaveProperty("vramGiB");
  const more = parseSound(pipelineWith("hardware: {ram_gb: 128}"), "hardware: {gpu: RTX 4090, vram_gb: 48}\n");
  expect(more.hardware).toMatchObject({ gpu: "RTX 4090", vramGiB: 48, ramGiB: 128 });
});

test("The backend is musubi where a path is set in either file, unless it is named", () => {
  const backend = (pipeline: string, project?: string) => parseSound(pipelineWith(pipeline), project).trainer.backend;
  expect(backend("")).toBe("rehearsal");
  expect(backend("trainer:\n  path: ../musubi")).toBe("musubi");
  expect(backend("", "trainer:\n  path: ../musubi\n")).toBe("musubi");
  expect(backend("trainer:\n  backend: rehearsal", "trainer:\n  path: ../musubi\n")).toBe("rehearsal");
  expect(backend("trainer:\n  backend: musubi", "trainer:\n  path: ../musubi\n")).toBe("musubi");
});

test("A python without a slash is a command, anything else a path", () => {
  const python = (text: string) => parseSound(pipelineWith(`trainer:\n  python: ${text}`)).trainer.python;
  expect(python("python3")).toMatchObject({ command: "python3" });
  expect(python("../venv/bin/python")).toMatchObject({ path: "venv/bin/python" });
  expect(python("./python")).toMatchObject({ path: "pipelines/python" });
  expect(python("~/venv/bin/python")).toMatchObject({ path: "/home/fox/venv/bin/python" });
});

test("Paths are relative to their own file, then to the root where they lie inside", () => {
  const vae = (path: string) => parseSound(pipelineWith(`models:\n  vae: ${path}`)).models.vae?.path;
  expect(vae("vae.safetensors")).toBe("pipelines/vae.safetensors");
  expect(vae("../models/vae.safetensors")).toBe("models/vae.safetensors");
  expect(vae("../../shared/vae.safetensors")).toBe("/shared/vae.safetensors");
  expect(vae("/project/models/vae.safetensors")).toBe("models/vae.safetensors");
  expect(vae("/models/vae.safetensors")).toBe("/models/vae.safetensors");
  expect(vae("${MODELS}/vae.safetensors")).toBe("/models/vae.safetensors");
  expect(vae("${NOWHERE:-fallback}/vae.safetensors")).toBe("pipelines/fallback/vae.safetensors");
  expect(vae("模型/🦊.safetensors")).toBe("pipelines/模型/🦊.safetensors");
  expect(vae("'C:\\models\\vae'")).toBe("pipelines/C:\\models\\vae");
});

test("With an unset variable there is a spec all the same, with the path as written", () => {
  const { value, diagnostics } = parse(pipelineWith("models:\n  vae: ${NOWHERE}/vae.safetensors"));
  expect(diagnostics.map((finding) => finding.code)).toEqual(["S31"]);
  expect(value?.models.vae).toMatchObject({ path: "${NOWHERE}/vae.safetensors", unset: ["NOWHERE"] });
});

test("A variable in a value that the pipeline overrides need not be set", () => {
  expect(
    parse(pipelineWith("models:\n  vae: own.safetensors"), "models:\n  vae: ${NOWHERE}/vae\n").diagnostics,
  ).toEqual([]);
});

test("A rehearsal needs no variable in what only the real trainer reads, whichever file says that it is one", () => {
  const models = "models:\n  vae: ${NOWHERE}/vae\n";
  const trainer = "trainer:\n  backend: rehearsal\n  path: ${NOWHERE}/musubi\n";
  expect(parse(pipelineWith(models + trainer)).diagnostics).toEqual([]);
  expect(parse(pipelineWith(trainer), models).diagnostics).toEqual([]);
  expect(parse(pipelineWith(models), trainer).diagnostics).toEqual([]);
  const real = trainer.replace("rehearsal", "musubi");
  expect(parse(pipelineWith(real), models + trainer).diagnostics.map(({ code }) => code)).toEqual(["S31", "S31"]);
  const python = parse(pipelineWith("trainer:\n  backend: rehearsal\n  python: ${NOWHERE}/bin/python"));
  expect(python.diagnostics.map(({ code }) => code)).toEqual(["S31"]);
});

test("A variable named like a part of every object is not set", () => {
  expect(parse(pipelineWith("models:\n  vae: ${constructor}/vae")).diagnostics).toMatchObject([{ code: "S31" }]);
});

test("Resolutions are written with x, X or ×, with spaces, or as a list", () => {
  const resolution = (text: string) =>
    parseSound(pipelineWith("").replace("1280x720", text)).dataset.settings.resolution;
  for (const text of ["1280x720", "1280X720", "1280×720", "1280 x 720", '"1280x720"', "[1280, 720]"]) {
    expect(resolution(text)).toEqual([1280, 720]);
  }
});

test("YAML's own truth values are taken where the trainer wants the words", () => {
  const overrides = parseSound(pipelineWith("train:\n  compile_dynamic: true\n  mixed_precision: no")).overrides;
  expect(overrides.map(({ name, value }) => [name, value])).toEqual(
    expect.arrayContaining([
      ["compile_dynamic", "true"],
      ["mixed_precision", "no"],
    ]),
  );
});

test("A percentage of steps is a fraction of them", () => {
  const [override] = parseSound(pipelineWith("train:\n  lr_warmup_steps: 10%")).overrides;
  expect(override?.value).toBe(0.1);
  expect(parse(pipelineWith("train:\n  lr_warmup_steps: 100%")).diagnostics).toMatchObject([{ code: "S23" }]);
});

test("Lists of numbers and paths become arguments", () => {
  const spec = parseSound(
    pipelineWith("train:\n  base_weights: [a.safetensors, ../b.safetensors]\n  base_weights_multiplier: [1, 0.5]"),
  );
  expect(Object.fromEntries(spec.overrides.map(({ name, value }) => [name, value]))).toEqual({
    base_weights: ["pipelines/a.safetensors", "b.safetensors"],
    base_weights_multiplier: ["1", "0.5"],
  });
});

test("Prompts folded over lines are one line each", () => {
  const [override] = parseSound(
    pipelineWith("train:\n  sample_prompts:\n    - >\n      a fox\n      --w 832\n    - b"),
  ).overrides;
  expect(override?.value).toEqual(["a fox --w 832", "b"]);
});

test("Values shared through an anchor are read in each place", () => {
  const spec = parseSound(
    pipelineWith("      target_frames: &frames [1, 25]\n    - videos: data/hare\n      target_frames: *frames"),
  );
  expect(spec.dataset.sources.map((source) => source.target_frames)).toEqual([
    [1, 25],
    [1, 25],
  ]);
});

test("A byte order mark and Windows line ends change nothing", () => {
  const windows = `\uFEFF${SOUND.replaceAll("\n", "\r\n")}`;
  const { places: _, ...spec } = parseSound(windows);
  const { places: __, ...plain } = parseSound(SOUND);
  expect(spec).toEqual(plain);
});

test("Every key has a place, and the pipeline's wins", () => {
  const { places } = parseSound(pipelineWith("train:\n  seed: 7"), "train:\n  seed: 1\n  save_state: true\n");
  expect(places.get("dataset.sources.0.videos")).toEqual({
    file: "pipelines/fox.yaml",
    range: { line: 7, column: 7, end_line: 7, end_column: 23 },
  });
  expect(places.get("train.seed")).toEqual({
    file: "pipelines/fox.yaml",
    range: { line: 9, column: 3, end_line: 9, end_column: 10 },
  });
  expect(places.get("train.save_state")).toMatchObject({ file: "wan22.yaml", range: { line: 3 } });
  expect(places.get("train")).toMatchObject({ file: "pipelines/fox.yaml", range: { line: 8, end_line: 8 } });
});

test("Faults of both files are reported at once, in the order of their lines", () => {
  const { value, diagnostics } = parse(
    pipelineWith("train:\n  network_dim: x\n  sedd: 1\nfoo: 1").replace("t2v-A14B", "t2v"),
    "polcy: {}\nmodels: 1\n",
  );
  expect(value).toBeUndefined();
  expect(diagnostics.map(({ file, range, code }) => [file, range?.line, code])).toEqual([
    ["wan22.yaml", 1, "S13"],
    ["wan22.yaml", 2, "S20"],
    ["pipelines/fox.yaml", 3, "S22"],
    ["pipelines/fox.yaml", 9, "S20"],
    ["pipelines/fox.yaml", 10, "S13"],
    ["pipelines/fox.yaml", 11, "S13"],
  ]);
});

test("What ends before a syntax error is judged; what may have been swallowed by it is not", () => {
  const { diagnostics } = parse('version: 1\nnme: fox\ntask: t2v\noutput:\n  dir: "out\ntrain:\n  netwrk_dim: 1\n');
  expect(diagnostics.map(({ code, range }) => [code, range?.line])).toEqual([
    ["S13", 2],
    ["S22", 3],
    ["S1", 5],
  ]);
});

test("A file outside the root keeps its paths", () => {
  const [{ value }] = parsePipelines({
    pipeline: { file: "/elsewhere/fox.yaml", text: pipelineWith("") },
    root: "/project",
    environment: {},
  });
  expect(value?.dataset.sources[0]?.input.path).toBe("/elsewhere/data/fox");
});

test("Thousands of faults are reported as a hundred, and how many there are besides", () => {
  const text = `${pipelineWith("")}${Array.from({ length: 15_000 }, (_, index) => `k${index}: 1`).join("\n")}\n`;
  const { diagnostics } = parse(text);
  expect(diagnostics).toHaveLength(101);
});

test("A pipeline keeps the name that it has, whatever else is wrong with it", () => {
  expect(parse(pipelineWith("traim: {}")).name).toBe("fox");
  expect(parse('version: 1\nname: fox\ntask: "t2v').name).toBe("fox");
});

test("A name that is no name, or may be a syntax error's doing, is none", () => {
  expect(parse("version: 1\nname: [fox]\n").name).toBeUndefined();
  expect(parse("version: 1\nname: Fox One\n").name).toBeUndefined();
  expect(parse('version: 1\ntask: "t2v\nname: fox\n').name).toBeUndefined();
});
