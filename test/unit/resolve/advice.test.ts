import { expect, test } from "vitest";
import { adviseAgainst } from "../../../src/core/resolve/advice.ts";
import { PRESETS, resolveWith } from "./sample.ts";

function advise(lines: string) {
  return adviseAgainst("out-of-memory", resolveWith(lines).resolved, PRESETS);
}

test("as long as the manual has a remedy, that is what there is to say", () => {
  const { lines, usedUp } = advise("hardware: entry\nnoise: low");
  expect(lines).toContain("  blocks_to_swap: 39");
  expect(usedUp).toBeUndefined();
});

test("where every remedy is taken it says so, which ones, and what is left", () => {
  const { lines, usedUp } = advise("hardware: entry\nnoise: low\ntrain:\n  blocks_to_swap: 39\n  network_dim: 16");
  expect(lines).toEqual([]);
  expect(usedUp).toBe(
    "Every remedy of the manual against it is taken in this pipeline: turn 8-bit weights on (cache_text.fp8_t5 true, train.fp8_base true, train.fp8_t5 true, train.fp8_scaled true); swap blocks to host memory (train.blocks_to_swap 39); lower the LoRA's rank (train.network_dim 16, train.network_alpha 16); keep caches and the inactive model in host memory (cache_latents.vae_cache_cpu true, train.vae_cache_cpu true); train one model only (noise low). What is left is a card with more memory, or less to compute at once: `resolution: [960, 544]` in place of [1280, 720] has 43 % fewer pixels a frame; that encodes the caches anew.",
  );
});
