/** The layers and bytes of a LoRA on the full Wan 14B, as the trainer's own network code makes it, without allocating it. */
import { expect, test } from "vitest";
import { loraBytes, selectModules, WAN_14B_MODULES } from "../../src/core/trainer/lora.ts";
import { askOracle, describeWithMusubi } from "../rig/musubi.ts";

const WAN_14B = {
  model_type: "t2v",
  dim: 5120,
  ffn_dim: 13_824,
  num_heads: 40,
  num_layers: 40,
  freq_dim: 256,
} as const;

const CASES: readonly { readonly dim: number; readonly inChannels: number; readonly networkArgs: readonly string[] }[] =
  [
    { dim: 32, inChannels: 16, networkArgs: [] },
    { dim: 64, inChannels: 36, networkArgs: [] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=['.*ffn.*']"] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=['ffn', 'self_attn']"] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=['.*']", "include_patterns=['.*self_attn.*']"] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=[r'blocks\\.([0-9]|1\\d)\\..*', \".*cross_attn.*\"]"] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=['.*\\.(q|k)',]", "verbose=True"] },
    { dim: 8, inChannels: 16, networkArgs: ["exclude_patterns=['blocks\\\\.[13]..*']", "loraplus_lr_ratio=4"] },
  ];

describeWithMusubi("LoRAs on Wan 14B", (musubi) => {
  test("have the modules, tensors and bytes that were predicted", async () => {
    const requests = CASES.map(({ dim, inChannels, networkArgs }) => ({
      kind: "lora" as const,
      sizes: { ...WAN_14B, in_dim: inChannels },
      dim,
      network_args: networkArgs,
    }));
    const answers = await askOracle<"lora">(musubi, requests);
    for (const [index, { dim, networkArgs }] of CASES.entries()) {
      const { modules, unreadable } = selectModules(WAN_14B_MODULES, networkArgs);
      expect(unreadable).toEqual([]);
      const predicted = modules.flatMap(({ name, inFeatures, outFeatures }): [string, readonly number[]][] => {
        const lora = `lora_unet_${name.replaceAll(".", "_")}`;
        return [
          [`${lora}.alpha`, []],
          [`${lora}.lora_down.weight`, [dim, inFeatures]],
          [`${lora}.lora_up.weight`, [outFeatures, dim]],
        ];
      });
      const made = answers[index]?.value;
      expect(answers[index]?.error).toBeUndefined();
      expect(made).toEqual(Object.fromEntries(predicted));
      const weights = Object.values(made ?? {}).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      expect(loraBytes({ modules, dim, savePrecision: "fp16" })).toBe(weights * 2);
    }
  });
});
