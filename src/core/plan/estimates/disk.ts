import { diagnose } from "../../diagnostic.ts";
import { PLAN_CODES } from "../codes.ts";
import type { Estimate } from "../plan.ts";
import { cacheBytes, checkpointRoom } from "./disk-space.ts";
import { between, type EstimateInput, type Estimates, rounded } from "./estimate-input.ts";

/** How much room a plan takes on disk. */

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Caches and checkpoints: what there is in the end, and the most at any one time. */
export function estimateDisk(input: EstimateInput): Estimates {
  const { resolved, items, stages, checkpoints, disk } = input;
  const { spec } = resolved;
  const vaeDtype = resolved.cacheLatents.vae_dtype?.value;
  const isRehearsal = spec.trainer.backend === "rehearsal";
  const whole = cacheBytes(items, spec.task, typeof vaeDtype === "string" ? vaeDtype : "");
  // The rehearsal's latents are small whatever the clip's size.
  const caches = isRehearsal ? ([0, Math.min(whole[1], items.items * MIB)] as const) : whole;
  const { left, peak, added } = checkpointRoom(checkpoints);
  const low = caches[0] + left;
  const high = caches[1] + peak;
  const [size, unit] = high >= GIB ? [GIB, "GiB"] : [MIB, "MiB"];
  const free = disk?.freeBytes;
  const estimate: Estimate = {
    ...between(
      low / size,
      high / size,
      unit,
      `formula: caches ${sizeText(caches[1])} at most, checkpoints and states ${sizeText(left)} in the end, ${sizeText(peak)} at most`,
    ),
    ...(free === undefined ? {} : { available: rounded(free / size) }),
  };
  const pending = stages.flatMap((stage) => stage.pending ?? []).length;
  const wanted = stages.flatMap((stage) => stage.cache_files ?? []).length;
  const missing = wanted === 0 ? 0 : caches[0] * (pending / wanted);
  if (free === undefined || added + missing <= free) return { estimates: { disk: estimate }, diagnostics: [] };
  const text = `This plan of ${spec.name} writes about ${sizeText(added + missing)}, and ${sizeText(free)} are free where its output, caches and state lie. Make room, keep fewer checkpoints with save_last_n_epochs, or save them in half precision with save_precision: bf16.`;
  const at = spec.places.get("output") ?? { file: spec.file };
  return { estimates: { disk: estimate }, diagnostics: [diagnose(PLAN_CODES.diskTooSmall, text, { at })] };
}

function sizeText(bytes: number): string {
  return bytes >= GIB ? `${rounded(bytes / GIB)} GiB` : `${rounded(bytes / MIB)} MiB`;
}
