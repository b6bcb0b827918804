/** Refusals found by training on the trainer with options that its parsers take. */
import { describe, expect, test } from "vitest";
import { codes, findings } from "./judge.ts";

const train = (options: Readonly<Record<string, unknown>>) =>
  `train:\n${Object.entries(options)
    .map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`)
    .join("\n")}`;

describe("T30: patterns of network_args", () => {
  const patterns = (...network_args: readonly string[]) => codes({ pipeline: ["noise: low", train({ network_args })] });

  test.each([
    [["exclude_patterns=['.*']"]],
    [["exclude_patterns=['.*attn.*', '.*ffn.*']"]],
    [["exclude_patterns=['.*attn.*', '.*ffn.*']", "include_patterns=['.*norm.*']"]],
  ])("%j leave nothing to train", (words) => {
    expect(patterns(...words)).toEqual(["T30"]);
  });

  test.each([
    [["exclude_patterns=[]"]],
    [["exclude_patterns=['.*']", "include_patterns=['.*ffn.*']"]],
    [["exclude_patterns=['blocks.0.self.*']"]],
    // The trainer logs an error about this one, and goes on without it.
    [["exclude_patterns=['[']"]],
  ])("%j leave something", (words) => {
    expect(patterns(...words)).toEqual([]);
  });
});

describe("T30: values of network_args", () => {
  const taken = (word: string) => codes({ pipeline: ["noise: low", train({ network_args: [word] })] });

  test.each([
    ...["rank_dropout=1", "module_dropout=1", "rank_dropout=high", "conv_dim=4.5", "loraplus_lr_ratio=x"],
    ...["multiplier=2", "network_dim=4", "neuron_dropout=0.1", "module_class=3"],
    ...["exclude_patterns=ffn", "exclude_patterns=('.*ffn.*',)", "exclude_patterns=None", "include_patterns=['a', 3]"],
  ])("%s is refused", (word) => {
    expect(taken(word)).toEqual(["T30"]);
  });

  test.each([
    ...["rank_dropout=+0.1", "rank_dropout=1e-1", "module_dropout=0.5 ", "conv_dim=4", "loraplus_lr_ratio=4"],
    ...["verbose=True", "foo=bar", "include_patterns=('.*ffn.*',)", "include_patterns=None"],
  ])("%s is taken", (word) => {
    expect(taken(word)).toEqual([]);
  });
});

describe("T30: patterns that would take for ever", () => {
  const judged = (pattern: string) =>
    findings({ pipeline: ["noise: low", train({ network_args: [`exclude_patterns=['${pattern}']`] })] });

  test.each(["(.*.*.*.*)*Z", "(a|a|.)*(b|.)*(.*)*Z", "(.+)+#"])("%s is refused, and named", (pattern) => {
    expect(judged(pattern)).toMatchObject([{ code: "T30", detail: expect.stringContaining(pattern) }]);
  });

  test.each([".*ffn.*", "(?:blocks|foo)\\.[0-9]+\\.ffn.*", "(?:[a-z]+\\.)+x", ".*.*.*Z"])("%s is taken", (pattern) => {
    expect(judged(pattern)).toEqual([]);
  });
});

describe("T41: modules that training needs", () => {
  const without = (module: string, options: Readonly<Record<string, unknown>>) =>
    findings({ pipeline: [train(options)], facts: { trainer: { missingModules: [module] } } }).map(
      ({ code, detail }) => `${code} ${detail}`,
    );

  test.each([
    ["wandb", { log_with: "wandb" }, "log_with: tensorboard"],
    ["wandb", { log_with: "all" }, "log_with: tensorboard"],
    ["flash_attn", { attention: "flash_attn" }, "pip install flash-attn"],
    ["xformers", { attention: "xformers" }, "attention: sdpa"],
    ["flash_attn_interface", { attention: "flash3" }, "attention: sdpa"],
  ])("%s for %o", (module, options, words) => {
    expect(without(module, options)).toEqual([expect.stringContaining(words)]);
    expect(without("none", options)).toEqual([]);
  });
});

describe("T42: timesteps drawn under sigma", () => {
  const drawn = (options: Readonly<Record<string, unknown>>) =>
    codes({ pipeline: ["noise: dual", train({ timestep_sampling: "sigma", ...options })] }).filter(
      (code) => code === "T42",
    );

  test.each([
    [{ weighting_scheme: "mode", mode_scale: -5 }],
    [{ weighting_scheme: "mode", mode_scale: 20 }],
    [{ weighting_scheme: "logit_normal", logit_mean: 30 }],
    [{ weighting_scheme: "logit_normal", logit_std: 5 }],
    [{ min_timestep: 1000, max_timestep: 1000 }],
  ])("%o leave the table", (options) => {
    expect(drawn(options)).toEqual(["T42"]);
    expect(drawn({ ...options, timestep_sampling: "shift" })).toEqual([]);
  });

  test.each([
    [{}],
    [{ weighting_scheme: "mode", mode_scale: -1 }],
    [{ weighting_scheme: "mode", mode_scale: 5 }],
    [{ weighting_scheme: "logit_normal" }],
    [{ weighting_scheme: "logit_normal", logit_mean: -30 }],
    [{ weighting_scheme: "logit_normal", logit_mean: 30, max_timestep: 900 }],
    [{ weighting_scheme: "cosmap" }],
    [{ min_timestep: 999, max_timestep: 1000 }],
  ])("%o stay in it", (options) => {
    expect(drawn(options)).toEqual([]);
  });
});
