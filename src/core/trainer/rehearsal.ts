/** The miniature model that the backend `rehearsal` trains in place of Wan: its module list, so that sizes are exact. */

/** A linear layer that gets a LoRA. */
export interface RehearsalModule {
  /** As in a checkpoint: `lora_unet_blocks_0_self_attn_q`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

const BLOCKS = 2;
const WIDTH = 8;
const FEED_FORWARD_WIDTH = 16;
const ATTENTION_LAYERS = ["cross_attn_k", "cross_attn_o", "cross_attn_q", "cross_attn_v"] as const;
const SELF_ATTENTION_LAYERS = ["self_attn_k", "self_attn_o", "self_attn_q", "self_attn_v"] as const;

/** Two blocks of Wan's layers, 8 wide where Wan is 5120: as many kinds of tensors, and small enough for plain Python. */
export const REHEARSAL_MODULES: readonly RehearsalModule[] = Array.from({ length: BLOCKS }, (_, block) => {
  const name = (layer: string) => `lora_unet_blocks_${block}_${layer}`;
  const square = (layer: string) => ({ name: name(layer), inFeatures: WIDTH, outFeatures: WIDTH });
  return [
    ...ATTENTION_LAYERS.map(square),
    { name: name("ffn_0"), inFeatures: WIDTH, outFeatures: FEED_FORWARD_WIDTH },
    { name: name("ffn_2"), inFeatures: FEED_FORWARD_WIDTH, outFeatures: WIDTH },
    ...SELF_ATTENTION_LAYERS.map(square),
  ];
}).flat();
