import { resolve } from "node:path";
import pLimit from "p-limit";
import type { CheckpointPlan } from "../../core/plan/plan.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import type { State } from "../../core/state/state.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { hashFile } from "../../host/hash.ts";
import { isWhole, readSafetensorsHeader, type SafetensorsHeader } from "../../host/safetensors.ts";
import { stamp } from "../recorder.ts";

/** Looks at what a stage left, and compares it with what was planned. */

const MAX_OPEN_FILES = 32;

/** Of these cache files, those that are not there whole. */
export async function findIncompleteCaches(files: readonly string[], root: string): Promise<readonly string[]> {
  const whole = await pLimit(MAX_OPEN_FILES).map(files, async (file) => {
    const reading = await readSafetensorsHeader(resolve(root, file));
    return reading.kind === "header" && isWhole(reading.header);
  });
  return files.filter((_, index) => whole[index] !== true);
}

export interface CheckpointFinding {
  readonly checkpoint: CheckpointPlan;
  /** Bytes of its tensors; undefined where it is not there, or not whole. */
  readonly bytes: number | undefined;
}

/** The planned checkpoints that are missing, broken or of another size. */
export async function findWrongCheckpoints(
  checkpoints: readonly CheckpointPlan[],
  root: string,
): Promise<readonly CheckpointFinding[]> {
  const findings: CheckpointFinding[] = [];
  for (const checkpoint of checkpoints) {
    const reading = await readSafetensorsHeader(resolve(root, checkpoint.file));
    const bytes = reading.kind === "header" && isWhole(reading.header) ? tensorBytes(reading.header) : undefined;
    if (bytes !== checkpoint.bytes) findings.push({ checkpoint, bytes });
  }
  return findings;
}

/** Dtypes in which a LoRA is saved, and what an element takes. */
const BYTES: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, F8_E4M3: 1, F8_E5M2: 1 };

function tensorBytes({ tensors }: SafetensorsHeader): number {
  return Object.values(tensors).reduce(
    (sum, { dtype, shape }) => sum + shape.reduce((product, side) => product * side, BYTES[dtype] ?? Number.NaN),
    0,
  );
}

/** Journal entries with the digests of those of a stage's checkpoints that have none yet. */
export async function proveCheckpoints(
  state: State | undefined,
  stage: StageId,
  root: string,
): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (const { file, stage: of, sha256: known } of state?.checkpoints ?? []) {
    if (of !== stage || known !== undefined) continue;
    // Gone in the meantime: nothing to prove.
    const sha256 = await hashFile(resolve(root, file)).catch(() => undefined);
    if (sha256 !== undefined) entries.push({ ...stamp(), type: "digest", stage, file, sha256 });
  }
  return entries;
}
