import type { LoraModule } from "./lora.ts";

/** The miniature model that the backend `rehearsal` trains in place of Wan: its layers, so that sizes are exact. */

const BLOCKS = 2;
const WIDTH = 8;
const FEED_FORWARD_WIDTH = 16;
const ATTENTION_LAYERS = ["self_attn", "cross_attn"].flatMap((attention) =>
  ["q", "k", "v", "o"].map((part) => `${attention}.${part}`),
);

/** Two blocks of Wan's layers, 8 wide where Wan is 5120: the same kinds of tensors, and small enough for plain Python. */
export const REHEARSAL_MODULES: readonly LoraModule[] = Array.from({ length: BLOCKS }, (_, block) => [
  ...ATTENTION_LAYERS.map((layer) => ({ name: `blocks.${block}.${layer}`, inFeatures: WIDTH, outFeatures: WIDTH })),
  { name: `blocks.${block}.ffn.0`, inFeatures: WIDTH, outFeatures: FEED_FORWARD_WIDTH },
  { name: `blocks.${block}.ffn.2`, inFeatures: FEED_FORWARD_WIDTH, outFeatures: WIDTH },
]).flat();
