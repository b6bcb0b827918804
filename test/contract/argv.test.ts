/** Argument lists as rendered, read by the trainer's own parsers; and random options, accepted exactly where it accepts them. */
import { beforeAll, expect, test } from "vitest";
import { hasErrors } from "../../src/core/diagnostic.ts";
import type { TrainerFacts } from "../../src/core/facts.ts";
import { render } from "../../src/core/render/render.ts";
import type { RenderedStage } from "../../src/core/render/rendered.ts";
import { ARGUMENT_SURFACE } from "../../src/core/trainer/argument-surface.ts";
import type { Parameter } from "../../src/core/trainer/parameter.ts";
import { parametersOf } from "../../src/core/trainer/parameters.ts";
import { SCRIPTS, type Script, SECTION_OF, scriptOf } from "../../src/core/vocabulary.ts";
import { observeTrainer } from "../../src/host/trainer/trainer.ts";
import { askOracle, describeWithMusubi } from "../rig/musubi.ts";
import { type Random, randomFrom } from "../rig/random.ts";
import { resolveCase } from "../unit/check/judge.ts";
import { located } from "../unit/host/samples.ts";
import { TEMPLATES } from "../unit/render/sample.ts";

const PIPELINES = Number(process.env.WAN22_RANDOM_PIPELINES ?? 300);
const SEED = Number(process.env.WAN22_SEED ?? 22);

const TEXTS = [
  "a",
  "狐狸 🦊",
  "-dash",
  "--task",
  "-1",
  "a b",
  "q\"uo'te",
  "$HOME `x`",
  "{{x}}",
  "a=b",
  "--a=b",
  "\\",
  "-",
];

/** Values for parameters whose table row says less than the trainer wants. */
const SPECIAL: Readonly<Record<string, (random: Random) => unknown>> = {
  metadata_reso: (random) => `${random.integer(1, 2000)},${random.integer(1, 2000)}`,
  device: (random) => random.pick(["cpu", "cuda", "cuda:1"]),
  optimizer_type: (random) => random.pick(["adamw", "AdamW8bit", "lion", "sgd", "prodigyopt.Prodigy"]),
  optimizer_args: (random) => random.some(["weight_decay=0.1", "betas=(0.9, 0.99)", "name='x y'"], 0, 3),
  lr_scheduler: (random) => random.pick(["constant", "cosine", "REX", "adafactor:1e-3"]),
  lr_scheduler_type: (random) => random.pick(["StepLR", "my.Scheduler"]),
  lr_scheduler_args: (random) => random.some(["num_cycles=2", "step_rules='1:10,0.1'"], 0, 2),
  network_args: (random) => random.some(["rank_dropout=0.1", "loraplus_lr_ratio=4", "verbose=True"], 0, 3),
};

function randomValue({ name, type }: Parameter, random: Random): unknown {
  const special = SPECIAL[name];
  if (special !== undefined) return special(random);
  switch (type.kind) {
    case "flag":
      return random.chance(0.5);
    case "integer":
      return random.integer(type.min ?? -100, Math.min(type.max ?? 1e9, 1e9));
    case "number": {
      const low = type.above ?? type.min ?? -5;
      const high = type.max ?? 5;
      return random.pick([
        high,
        (low + high) / 2,
        low + (high - low) * 1e-7,
        low + (high - low) / random.integer(2, 999),
      ]);
    }
    case "steps-or-fraction":
      return random.chance(0.5) ? random.integer(0, 5000) : random.integer(1, 999) / 1000;
    case "choice":
      return random.pick(type.choices);
    case "paths":
      return random.some(["a.safetensors", "/m/b c.safetensors", "狐.safetensors"], 0, 3);
    case "numbers":
      return random.some([0.5, -1, -1e-7, 1e-9, 2], 0, 4);
    case "path":
    case "prompts":
      return random.pick(["x/狐狸 🦊.txt", "/abs/-x.toml", "a b.json"]);
    default:
      return random.pick(TEXTS);
  }
}

/** Section to parameters and values, as the pipeline file has them. */
type Values = Readonly<Record<Script, ReadonlyMap<Parameter, unknown>>>;

interface RandomPipeline {
  readonly values: Values;
  readonly blocks: readonly string[];
}

function randomValues(random: Random): Values {
  return Object.fromEntries(
    SCRIPTS.map((script) => {
      const chosen = random.some(parametersOf(script), 0, 12);
      return [script, new Map(chosen.map((parameter) => [parameter, randomValue(parameter, random)]))];
    }),
  ) as unknown as Values;
}

/** A pipeline with these values. */
function blocksOf(values: Values, random: Random): RandomPipeline {
  const sections = SCRIPTS.map((script) => {
    const lines = [...values[script]].map(([{ name }, value]) => `  ${name}: ${JSON.stringify(value)}`);
    return lines.length === 0 ? `${SECTION_OF[script]}: {}` : `${SECTION_OF[script]}:\n${lines.join("\n")}`;
  });
  const task = random.pick(["t2v-A14B", "i2v-A14B"]);
  return {
    values,
    blocks: [`task: ${task}`, `noise: ${random.pick(["dual", "low", "high", "separate"])}`, ...sections],
  };
}

/** One half trained alone has its range from the boundary between the halves, and no other half to move out of the way. */
const OF_BOTH_HALVES = [
  ...["timestep_boundary", "min_timestep", "max_timestep", "preserve_distribution_shape"],
  "offload_inactive_dit",
];

/** What the trainer's namespace has to hold for a value of the pipeline, by argument; undefined where that is not so plain. */
function expected(parameter: Parameter, value: unknown): readonly [string, unknown] | undefined {
  const { name, type } = parameter;
  if (parameter.flagOf !== undefined) return [String(value), true];
  if (name === "optimizer_type") {
    const mapped: Readonly<Record<string, string>> = { lion: "bitsandbytes.optim.Lion", sgd: "SGD" };
    return [name, mapped[String(value)] ?? value];
  }
  // Resolved against the header of the weights, or against the file that the path stands in.
  if (name === "mixed_precision" || ["path", "paths", "prompts"].includes(type.kind)) return undefined;
  if (Array.isArray(value)) return [name, value.length === 0 ? null : value];
  return [name, value];
}

/** Whether an installed trainer's parser has the argument, and the choice. */
function isTaken({ arguments: surfaces }: TrainerFacts, script: Script, parameter: Parameter, value: unknown): boolean {
  const name = parameter.flagOf?.[String(value)] ?? `--${parameter.name}`;
  const argument = surfaces?.[script]?.get(name);
  return argument !== undefined && (argument.choices?.includes(String(value)) ?? true);
}

function renderAll(blocks: readonly string[], trainer: TrainerFacts): readonly RenderedStage[] {
  const { resolved } = resolveCase({ pipeline: blocks });
  const { value, diagnostics } = render({ resolved, templates: TEMPLATES, trainer });
  if (value === undefined || hasErrors(diagnostics)) {
    throw new Error(`${blocks.join("\n")}\n${diagnostics.map(({ message }) => message).join("\n")}`);
  }
  return value.stages;
}

describeWithMusubi("the trainer's argument parsers", (musubi) => {
  let trainer: TrainerFacts;
  beforeAll(async () => {
    trainer = await observeTrainer({ root: "/", backend: "musubi", path: located(musubi.path) });
  });

  /** Without what this version of the trainer does not take: a plan says so, and the next test that it is right. */
  function taken(values: Values): Values {
    const without = (script: Script) =>
      new Map([...values[script]].filter(([parameter, value]) => isTaken(trainer, script, parameter, value)));
    return { "cache-latents": without("cache-latents"), "cache-text": without("cache-text"), train: without("train") };
  }

  test(`read the arguments of ${PIPELINES} random pipelines as they were meant`, async () => {
    const random = randomFrom(SEED);
    const pipelines = Array.from({ length: PIPELINES }, () => blocksOf(taken(randomValues(random)), random));
    const cases = pipelines.flatMap(({ values, blocks }) =>
      renderAll(blocks, trainer).map((stage) => ({ stage, blocks, values: values[scriptOf(stage.id)] })),
    );
    const answers = await askOracle<"argv">(
      musubi,
      cases.map(({ stage }) => ({ kind: "argv", script: scriptOf(stage.id), argv: stage.argv.slice(1) })),
    );
    for (const [index, { stage, blocks, values }] of cases.entries()) {
      const answer = answers[index];
      expect(answer?.error, blocks.join("\n")).toBeUndefined();
      for (const [parameter, value] of values) {
        const meant = expected(parameter, value);
        if (meant === undefined) continue;
        const [name, wanted] = meant;
        if (OF_BOTH_HALVES.includes(name) && !stage.argv.includes("--dit_high_noise")) continue;
        expect(answer?.value?.[name], `${stage.id} ${name}\n${stage.argv.join("\n")}`).toEqual(wanted);
      }
    }
  });

  test("are read from the source of this checkout, argument by argument", async () => {
    const required = {
      "cache-latents": ["--dataset_config", "x"],
      "cache-text": ["--dataset_config", "x", "--t5", "x"],
      train: [],
    };
    const answers = await askOracle<"argv">(
      musubi,
      SCRIPTS.map((script) => ({ kind: "argv", script, argv: required[script] })),
    );
    for (const [index, script] of SCRIPTS.entries()) {
      const known = Object.keys(answers[index]?.value ?? {}).map((name) => `--${name}`);
      expect([...(trainer.arguments?.[script]?.keys() ?? [])].toSorted()).toEqual(known.toSorted());
    }
    expect(trainer.bridge).toBe("fits");
  });

  test("refuse what a plan says that this version does not take", async () => {
    const random = randomFrom(SEED);
    const refused = parametersOf("train").flatMap((parameter) => {
      const value = parameter.type.kind === "flag" ? true : randomValue(parameter, random);
      if (isTaken(trainer, "train", parameter, value)) return [];
      const train: Values = {
        "cache-latents": new Map(),
        "cache-text": new Map(),
        train: new Map([[parameter, value]]),
      };
      return [blocksOf(train, random).blocks];
    });
    for (const blocks of refused)
      expect(() => renderAll(blocks, trainer), blocks.join("\n")).toThrow(/Your Musubi Tuner/);
    const stages = refused.flatMap((blocks) =>
      renderAll(blocks, { missingModules: [] }).filter(({ id }) => scriptOf(id) === "train"),
    );
    const answers = await askOracle<"argv">(
      musubi,
      stages.map(({ argv }) => ({ kind: "argv", script: "train", argv: argv.slice(1) })),
    );
    for (const [index, { argv }] of stages.entries()) expect(answers[index]?.error, argv.join("\n")).toBeDefined();
  });

  test("know every argument of the surface that plans are checked against", async (context) => {
    if (trainer.version !== "0.3.4")
      return context.skip(`the surface is that of 0.3.4, and this is ${trainer.version}`);
    const scripts = SCRIPTS.map((script) => ({ script, names: [...ARGUMENT_SURFACE[script].keys()] }));
    const required = {
      "cache-latents": ["--dataset_config", "x"],
      "cache-text": ["--dataset_config", "x", "--t5", "x"],
      train: [],
    };
    const answers = await askOracle<"argv">(
      musubi,
      scripts.map(({ script }) => ({ kind: "argv", script, argv: required[script] })),
    );
    for (const [index, { names }] of scripts.entries()) {
      const known = Object.keys(answers[index]?.value ?? {}).map((name) => `--${name}`);
      expect(names.toSorted()).toEqual(known.toSorted());
    }
  });
});
