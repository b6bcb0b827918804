import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DERIVED, LEFT_OUT } from "../../../src/core/trainer/left-out.ts";
import type { Parameter } from "../../../src/core/trainer/parameter.ts";
import { changeOf, findParameter, PARAMETERS, parametersOf } from "../../../src/core/trainer/parameters.ts";
import { SCRIPTS, type Script } from "../../../src/core/vocabulary.ts";

/** The trainer's argument surface, read from its own parsers by introspection. */
interface Argument {
  readonly kind: "flag" | "value";
  readonly type?: "string" | "int" | "float" | "int_or_float" | "path";
  readonly choices?: readonly string[];
  readonly default?: string;
  readonly nargs?: string;
}

const surface: { scripts: Record<string, Record<string, Argument>> } = JSON.parse(
  readFileSync(new URL("../../../src/core/trainer/musubi-0.3.4-args.json", import.meta.url), "utf8"),
);

const FILE_OF: Record<Script, string> = {
  "cache-latents": "wan_cache_latents.py",
  "cache-text": "wan_cache_text_encoder_outputs.py",
  train: "wan_train_network.py",
};

function argumentsOf(script: Script): ReadonlyMap<string, Argument> {
  const found = surface.scripts[FILE_OF[script]] ?? {};
  return new Map(Object.entries(found).map(([name, argument]) => [name.slice(2), argument]));
}

/** The trainer's arguments that a row writes: itself, or the flags of its values. */
function argumentNames(parameter: Parameter): readonly string[] {
  return parameter.flagOf === undefined
    ? [parameter.name]
    : Object.values(parameter.flagOf).map((argument) => argument.slice(2));
}

/** Where the table deliberately says more or less than the trainer's parser, and why. */
const NARROWER_THAN_TEXT = new Set(["vae_dtype", "huggingface_repo_type", "huggingface_repo_visibility"]);
/** The parsers say nothing here; both scripts then take this in their `main`. */
const DEFAULT_IN_CODE: Record<string, string> = { vae_dtype: "bfloat16" };
const OWN_CHOICES: Record<string, readonly string[]> = { mixed_precision: ["auto"] };

describe("table, left out and derived together are the trainer's arguments", () => {
  for (const script of SCRIPTS) {
    test(script, () => {
      const written = parametersOf(script)
        .filter((parameter) => parameter.flagOf === undefined)
        .map((parameter) => parameter.name);
      const elsewhere = [...LEFT_OUT, ...DERIVED].filter((entry) => entry.scripts.includes(script));
      const accounted = [...written, ...elsewhere.map((entry) => entry.name)].sort();
      expect(accounted).toEqual([...argumentsOf(script).keys()].sort());
    });
  }

  test("no row stands twice", () => {
    const names = PARAMETERS.map((parameter) => parameter.name);
    expect(names).toEqual([...new Set(names)]);
  });

  test("every flag of a row's values exists and is derived", () => {
    for (const parameter of PARAMETERS.filter((each) => each.flagOf !== undefined)) {
      expect(parameter.type).toEqual({ kind: "choice", choices: Object.keys(parameter.flagOf ?? {}) });
      for (const name of argumentNames(parameter)) {
        expect(argumentsOf("train").get(name)?.kind).toBe("flag");
        expect(DERIVED.map((entry) => entry.name)).toContain(name);
      }
    }
  });
});

describe.each(PARAMETERS.filter((each) => each.flagOf === undefined))("$name", (parameter) => {
  const scripts = SCRIPTS.filter((script) => parameter.takes[script] !== undefined);

  test.each(scripts)("has the shape that %s takes", (script) => {
    const argument = argumentsOf(script).get(parameter.name);
    expect(argument).toBeDefined();
    if (argument === undefined) return;
    const { type } = parameter;
    if (argument.kind === "flag") {
      expect(type.kind).toBe("flag");
      return;
    }
    const list = argument.nargs === "*";
    switch (argument.type) {
      case "int":
        expect(type.kind).toBe("integer");
        break;
      case "float":
        expect(type.kind).toBe(list ? "numbers" : "number");
        break;
      case "int_or_float":
        expect(type.kind).toBe("steps-or-fraction");
        break;
      default:
        if (argument.choices !== undefined || NARROWER_THAN_TEXT.has(parameter.name)) expect(type.kind).toBe("choice");
        else expect(list ? ["words", "paths"] : ["text", "path", "prompts"]).toContain(type.kind);
    }
  });

  test.each(scripts)("offers the choices of %s", (script) => {
    const { type } = parameter;
    if (type.kind !== "choice" || NARROWER_THAN_TEXT.has(parameter.name)) return;
    const own = OWN_CHOICES[parameter.name] ?? [];
    const offered = type.choices.filter((choice) => !own.includes(choice));
    expect([...offered].sort()).toEqual([...(argumentsOf(script).get(parameter.name)?.choices ?? [])].sort());
  });

  test.each(scripts)("names the default of %s", (script) => {
    const argument = argumentsOf(script).get(parameter.name);
    const { trainerDefault } = parameter;
    const inCode = DEFAULT_IN_CODE[parameter.name];
    if (inCode !== undefined) expect(trainerDefault).toBe(inCode);
    else if (argument?.kind === "flag") expect(trainerDefault).toBe(false);
    else if (argument?.default === undefined || argument.default === "") expect(trainerDefault).toBeNull();
    else if (typeof trainerDefault === "number") expect(trainerDefault).toBe(Number(argument.default));
    else expect(trainerDefault).toBe(argument.default);
  });

  test("is documented in one line, and its bounds hold its range", () => {
    expect(parameter.doc).toMatch(/^[A-Z][^\n]{10,}\.$/);
    const { type, range } = parameter;
    if (range === undefined) return;
    expect(range[0]).toBeLessThanOrEqual(range[1]);
    if (type.kind !== "integer" && type.kind !== "number") throw new Error(`a range on ${type.kind}`);
    expect(range[0]).toBeGreaterThanOrEqual(type.min ?? range[0]);
    // The manual's own range, of which the trainer takes one block less.
    const beyond = parameter.name === "blocks_to_swap" ? 1 : 0;
    expect(range[1]).toBeLessThanOrEqual((type.max ?? range[1]) + beyond);
  });
});

describe("what a change means", () => {
  test.each([
    ["learning_rate", "train", "retrain"],
    ["max_train_epochs", "train", "extend"],
    ["save_every_n_epochs", "train", "next-epoch"],
    ["sample_prompts", "train", "next-epoch"],
    ["metadata_author", "train", "next-epoch"],
    ["blocks_to_swap", "train", "nothing"],
    ["log_with", "train", "nothing"],
    ["vae_dtype", "cache-latents", "recache-latents"],
    ["vae_dtype", "train", "next-epoch"],
    ["fp8_t5", "cache-text", "recache-text"],
    ["vae_cache_cpu", "cache-latents", "nothing"],
    ["persistent_data_loader_workers", "train", "retrain"],
    ["fp8_t5", "cache-latents", undefined],
  ] as const)("%s in %s: %s", (name, script, change) => {
    const parameter = findParameter(name);
    expect(parameter && changeOf(parameter, script, new Set())).toBe(change);
  });

  test("the number of workers shapes the result only with num_timestep_buckets", () => {
    const workers = findParameter("max_data_loader_n_workers");
    expect(workers && changeOf(workers, "train", new Set(["seed"]))).toBe("nothing");
    expect(workers && changeOf(workers, "train", new Set(["num_timestep_buckets"]))).toBe("retrain");
  });
});

describe("the manual's ranges", () => {
  test.each([
    ["discrete_flow_shift", [1, 20]],
    ["timestep_boundary", [0, 1000]],
    ["min_timestep", [0, 1000]],
    ["max_timestep", [0, 1000]],
    ["blocks_to_swap", [0, 40]],
    ["learning_rate", [1e-6, 1e-3]],
    ["network_dim", [4, 128]],
    ["network_alpha", [1, 128]],
    ["max_train_epochs", [1, 100]],
    ["save_every_n_epochs", [1, 10]],
    ["seed", [0, 2147483647]],
    ["max_data_loader_n_workers", [0, 8]],
  ] as const)("%s", (name, range) => {
    expect(findParameter(name)?.range).toEqual(range);
  });
});

describe("words that the trainer takes apart", () => {
  /** What stands behind the one `=` is judged with the optimizer, the schedule or the network that takes it. */
  test.each([
    ["optimizer_args", "weight_decay= 0.1 ", true],
    ["optimizer_args", "weight_decay=0x1", true],
    ["optimizer_args", "betas=(0.9, 0.99)", true],
    ["optimizer_args", "weight_decay", false],
    ["optimizer_args", " weight_decay=0.1", false],
    ["optimizer_args", "a=b=c", false],
    ["lr_scheduler_args", "step_rules='1:200,0.1'", true],
    ["network_args", "include_patterns=None", true],
    ["network_args", "rank_dropout=", false],
    ["network_args", "a=b=c", false],
  ])("%s: %s is taken: %s", (name, word, taken) => {
    const type = findParameter(name)?.type;
    if (type?.kind !== "words" || type.pattern === undefined) throw new Error(`${name} has no pattern`);
    expect(new RegExp(type.pattern).test(word)).toBe(taken);
  });
});
