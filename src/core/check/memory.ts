import { diagnose } from "../diagnostic.ts";
import { nearest } from "../spec/suggest.ts";
import { findParameter } from "../trainer/parameters.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { LEARNING_CODES } from "./codes.ts";
import { ditsOf } from "./dit.ts";
import { A14B, readDitSizes } from "./dit-layout.ts";
import { cite, isOn, numberOf, pointAt, type StageRule, textOf } from "./rule.ts";

/** Rules about how the model is kept in memory and computed: T2, T3, T5, T6, T25, T31, T43, T47. */

/** T2: with both halves in one run, swapping blocks and offloading the idle half exclude each other. */
export const swapExcludesOffload: StageRule = ({ half, parameters }) => {
  const swapped = numberOf(parameters, "blocks_to_swap") ?? 0;
  if (half !== "dual" || swapped <= 0 || !isOn(parameters, "offload_inactive_dit")) return [];
  const detail = `${cite(parameters, "blocks_to_swap")}, and ${cite(parameters, "offload_inactive_dit")}. With both halves in one run the trainer takes only one of them. Set \`offload_inactive_dit: false\`, or \`blocks_to_swap: 0\`.`;
  const options = pointAt(parameters, "offload_inactive_dit", "blocks_to_swap");
  return [diagnose(TRAINER_CODES.blockSwapWithOffload, detail, options)];
};

/** T3 */
export const scaledNeedsBase: StageRule = ({ parameters }) => {
  if (!isOn(parameters, "fp8_scaled") || isOn(parameters, "fp8_base")) return [];
  const detail = `${cite(parameters, "fp8_scaled")}, and ${cite(parameters, "fp8_base")}. Set \`fp8_base: true\`, or leave \`fp8_scaled\` out.`;
  return [diagnose(TRAINER_CODES.fp8ScaledWithoutBase, detail, pointAt(parameters, "fp8_scaled", "fp8_base"))];
};

/** T5: at least one block stays on the GPU. */
export const someBlockStays: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const swapped = numberOf(parameters, "blocks_to_swap") ?? 0;
  const tensors = ditsOf(stage, judged)[0]?.facts?.tensors;
  const seen = judged.facts.miniature && tensors !== undefined ? readDitSizes(tensors)?.blocks : undefined;
  const blocks = seen ?? A14B.blocks;
  if (swapped <= blocks - 1) return [];
  const detail = `${cite(parameters, "blocks_to_swap")}, and of the model's ${blocks} blocks at least one has to stay on the GPU. Use a number from 0 to ${blocks - 1}.`;
  return [diagnose(TRAINER_CODES.tooManyBlocksToSwap, detail, pointAt(parameters, "blocks_to_swap"))];
};

/** T6: exactly one implementation that can train. */
export const attentionIsChosen: StageRule = ({ parameters }) => {
  const attention = textOf(parameters, "attention");
  const choices = Object.keys(findParameter("attention")?.flagOf ?? {});
  if (attention !== undefined && choices.includes(attention)) return [];
  const detail = `${cite(parameters, "attention")}, and the trainer trains with ${choices.join(", ")} only. Set \`attention: sdpa\`, which needs nothing but PyTorch.`;
  return [diagnose(TRAINER_CODES.attentionMissing, detail, pointAt(parameters, "attention"))];
};

/** T31: `assert not split_attn` in the trainer's `wan/modules/attention.py`. */
export const attentionCanSplit: StageRule = ({ parameters }) => {
  if (!isOn(parameters, "split_attn") || textOf(parameters, "attention") !== "flash3") return [];
  const detail = `${cite(parameters, "split_attn")}, and ${cite(parameters, "attention")}, which cannot compute samples one at a time. Leave \`split_attn\` out, or set \`attention: sdpa\`.`;
  return [diagnose(LEARNING_CODES.splitAttention, detail, pointAt(parameters, "split_attn", "attention"))];
};

/**
 * T43: `LoRAStreamOffloader` copies the weights of the blocks once (`prepare_block_devices_before_forward` in the trainer's
 * `modules/custom_offloading_utils.py`), and `swap_high_low_weights` gives the model others without telling it.
 */
export const streamsServeOneHalf: StageRule = ({ half, parameters }) => {
  const swapped = numberOf(parameters, "blocks_to_swap") ?? 0;
  if (half !== "dual" || swapped <= 0 || !isOn(parameters, "block_swap_h2d_only")) return [];
  const detail = `${cite(parameters, "block_swap_h2d_only")}, ${cite(parameters, "blocks_to_swap")}, and both halves are trained in one run: swapped blocks would keep the weights of the half that was loaded first, and the other half be trained on them. Leave \`block_swap_h2d_only\` out, or set \`noise: separate\`.`;
  const options = pointAt(parameters, "block_swap_h2d_only", "blocks_to_swap");
  return [diagnose(LEARNING_CODES.streamedHalves, detail, options)];
};

/** What `torch._dynamo.list_backends` of PyTorch 2.6 to 2.13 knows, and what packages for other hardware register. */
const COMPILE_BACKENDS = [
  ...[
    "inductor",
    "cudagraphs",
    "onnxrt",
    "openxla",
    "openxla_eval",
    "tvm",
    "ts",
    "eager",
    "eager_noexcept",
    "eager_debug",
  ],
  ...["aot_eager", "aot_eager_decomp_partition", "aot_eager_default_partitioner", "aot_ts", "pre_dispatch_eager"],
  ...["torch_tensorrt", "tensorrt", "openvino", "ipex", "hidet", "hpu_backend", "npu", "zentorch", "migraphx"],
];

/** T47: asked only where blocks are compiled. */
export const compilerIsKnown: StageRule = ({ parameters }) => {
  const backend = textOf(parameters, "compile_backend");
  if (!isOn(parameters, "compile") || backend === undefined || COMPILE_BACKENDS.includes(backend)) return [];
  const near = nearest(backend, COMPILE_BACKENDS);
  const mend = near === undefined ? "Leave it out, which is inductor." : `Did you mean ${near}?`;
  const detail = `${cite(parameters, "compile_backend")}, and PyTorch has no such backend. ${mend}`;
  return [diagnose(LEARNING_CODES.compileBackend, detail, pointAt(parameters, "compile_backend", "compile"))];
};

/** T25: what streaming blocks to the GPU needs. Nothing of it is looked at without swapped blocks. */
export const blockSwapOptionsFit: StageRule = ({ parameters }) => {
  if ((numberOf(parameters, "blocks_to_swap") ?? 0) <= 0) return [];
  const streams = isOn(parameters, "block_swap_h2d_only");
  const ring = numberOf(parameters, "block_swap_ring_size") ?? 2;
  const keepsActivations = streams && !isOn(parameters, "gradient_checkpointing");
  const streamingDetail = `${cite(parameters, "block_swap_h2d_only")}, and ${cite(parameters, "gradient_checkpointing")}. Streamed blocks are gone when the backward pass needs them, unless they are computed again. Set \`gradient_checkpointing: true\`, or leave \`block_swap_h2d_only\` out.`;
  const ringDetail = `${cite(parameters, "block_swap_ring_size")}, and streaming needs a buffer of at least 1. Leave \`block_swap_ring_size\` out, which is 2.`;
  return [
    ...(keepsActivations
      ? [
          diagnose(
            TRAINER_CODES.blockSwapOptions,
            streamingDetail,
            pointAt(parameters, "block_swap_h2d_only", "gradient_checkpointing", "blocks_to_swap"),
          ),
        ]
      : []),
    ...(ring < 1
      ? [
          diagnose(
            TRAINER_CODES.blockSwapOptions,
            ringDetail,
            pointAt(parameters, "block_swap_ring_size", "blocks_to_swap"),
          ),
        ]
      : []),
  ];
};
