import { expect, test } from "vitest";
import { sectionShape } from "../../../src/core/spec/parameter-shape.ts";
import { dit, resolveWith, valuesOf } from "./sample.ts";

/** What holds whatever is asked for: nothing that a user wrote is changed, and nothing else ends in a refusal. */

const CASES = 400;

/** A small generator of its own (mulberry32), so that a failure can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const WRITTEN = {
  blocks_to_swap: [0, 1, 20, 39],
  offload_inactive_dit: [true, false],
  fp8_base: [true, false],
  fp8_scaled: [true, false],
  mixed_precision: ["auto", "bf16", "fp16", "no"],
  network_dim: [4, 32, 128],
  network_alpha: [1, 64],
  min_timestep: [0, 100],
  max_timestep: [900, 1000],
  timestep_boundary: [800, 900],
  max_data_loader_n_workers: [0, 8],
  max_train_epochs: [1, 50],
} as const;

const DTYPES = { F16: "fp16", BF16: "bf16", F32: "bf16", F8_E4M3: "bf16" } as const;
const SHAPE = sectionShape("train", "");

test("for every mixture of hardware, noise, strategy, weights, files and overrides", () => {
  const random = randomFrom(20260624);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  for (let index = 0; index < CASES; index += 1) {
    const overrides = Object.entries(WRITTEN)
      .filter(() => random() < 0.2)
      .map(([name, choices]) => [name, pick<string | number | boolean>(choices)] as const);
    const written = Object.fromEntries(overrides);
    const dtype = pick(Object.keys(DTYPES) as (keyof typeof DTYPES)[]);
    const noise = pick(["dual", "low", "high", "separate", undefined]);
    const lines = [
      `task: ${pick(["t2v-A14B", "i2v-A14B"])}`,
      `hardware: ${pick(["professional", "high-end", "mid", "entry", "RTX 4090", "A100 40GB", "RTX 2080 Ti"])}`,
      `strategy: ${pick(["conservative", "balanced", "aggressive"])}`,
      ...(noise === undefined ? [] : [`noise: ${noise}`]),
      ...(overrides.length === 0 ? [] : ["train:", ...overrides.map(([name, value]) => `  ${name}: ${value}`)]),
    ].join("\n");
    const models = { dit: dit(dtype), dit_high_noise: dit(dtype, "models/high.safetensors") };
    const { resolved, diagnostics } = resolveWith(lines, { files: pick([1, 20, 50, 150]), models });
    const impossible = diagnostics.some((each) => each.code === "R21");

    expect(resolved.trainStages.length, lines).toBe(resolved.noise === "separate" ? 2 : 1);
    for (const stage of resolved.trainStages) {
      const values = valuesOf(stage.parameters);
      const isWritten = (name: string) => Object.hasOwn(written, name);
      const narrowed = resolved.noise === "separate" ? ["min_timestep", "max_timestep"] : [];
      for (const [name, value] of overrides) {
        if (narrowed.includes(name) || (name === "mixed_precision" && value === "auto")) continue;
        if (values[name] !== undefined) expect([name, values[name]], lines).toEqual([name, value]);
      }
      // T1 to T5: refused only where a user asked for it.
      if (!isWritten("mixed_precision")) expect(values.mixed_precision, lines).toBe(DTYPES[dtype]);
      expect(values.mixed_precision, lines).not.toBe("auto");
      const swapsAndOffloads = Number(values.blocks_to_swap) > 0 && values.offload_inactive_dit === true;
      if (swapsAndOffloads) expect(isWritten("blocks_to_swap") && isWritten("offload_inactive_dit"), lines).toBe(true);
      if (values.fp8_scaled === true && values.fp8_base !== true) {
        expect(isWritten("fp8_scaled") && isWritten("fp8_base"), lines).toBe(true);
      }
      if (values.fp8_scaled === true && dtype === "F8_E4M3") expect(isWritten("fp8_scaled"), lines).toBe(true);
      if (!isWritten("network_alpha")) expect(values.network_alpha, lines).toBe(values.network_dim);
      if (stage.half !== "dual") {
        expect(values, lines).not.toHaveProperty("timestep_boundary");
        expect(values, lines).not.toHaveProperty("offload_inactive_dit");
      }
      // One half's own range is judged by the rules; of two halves none may be left without timesteps.
      if (resolved.noise === "separate" && !impossible)
        expect(Number(values.min_timestep), lines).toBeLessThan(Number(values.max_timestep));
      // Every value is one that the parameter takes, and says where it came from.
      expect(SHAPE.safeParse(values).error?.issues ?? [], lines).toEqual([]);
      for (const { source } of Object.values(stage.parameters)) expect(source.text, lines).not.toBe("");
    }
  }
}, 60_000);
