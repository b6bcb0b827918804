import { type Diagnostic, diagnose } from "../../diagnostic.ts";
import type { FileSystemFacts } from "../../facts.ts";
import { folderOf } from "../../paths.ts";
import { scriptOf } from "../../vocabulary.ts";
import { PLAN_CODES } from "../codes.ts";
import type { Estimate } from "../plan.ts";
import { judgeRoom, roomAdvice, roomFigures } from "../room.ts";
import { bytesLeft, cacheBytesByFile, liesApart } from "./disk-space.ts";
import { between, type EstimateInput, type Estimates, rounded } from "./estimate-input.ts";

/** How much room a plan takes on disk. */

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Caches and checkpoints: what there is in the end, and the most at any one time. */
export function estimateDisk(input: EstimateInput): Estimates {
  const { resolved, items, stages, checkpoints, disk } = input;
  // Further names of what the store holds.
  const shared = new Set(
    stages.flatMap(({ store, stored = [] }) =>
      stored.filter((file) => store !== undefined && !liesApart(folderOf(file), store, disk)),
    ),
  );
  const [least, most] = [...cacheBytesByFile(items, resolved)].reduce(
    ([low, high], [file, bytes]) => (shared.has(file) ? [low, high] : [low + bytes[0], high + bytes[1]]),
    [0, 0],
  );
  const left = bytesLeft(checkpoints);
  const training = stages.filter(({ id }) => scriptOf(id) === "train").flatMap(({ writes = [] }) => writes);
  const kept = bytesLeft(checkpoints.filter(({ action }) => action === "keep" || action === "orphan"));
  const peak = Math.max(left, kept + training.reduce((sum, { high }) => sum + high, 0));
  const low = least + left;
  const high = most + peak;
  const [size, unit] = high >= GIB ? [GIB, "GiB"] : [MIB, "MiB"];
  const free = leastFree(disk?.fileSystems ?? []);
  const estimate: Estimate = {
    ...between(
      low / size,
      high / size,
      unit,
      `formula: caches ${sizeText(most)} at most, checkpoints and states ${sizeText(left)} in the end, ${sizeText(peak)} at most`,
    ),
    ...(free === undefined ? {} : { available: rounded(free / size) }),
  };
  return { estimates: { disk: estimate }, diagnostics: shortages(input) };
}

/** The fullest of those that will be written to. */
function leastFree(fileSystems: readonly FileSystemFacts[]): number | undefined {
  return fileSystems.length === 0 ? undefined : Math.min(...fileSystems.map(({ freeBytes }) => freeBytes));
}

function shortages({ resolved, stages, disk }: EstimateInput): readonly Diagnostic[] {
  const { spec } = resolved;
  const at = spec.places.get("output") ?? { file: spec.file };
  // What runs already has taken its part.
  const starting = stages.filter(({ action, reasons }) => action !== "none" && reasons[0]?.cause !== "running");
  const rooms = judgeRoom(
    starting.flatMap(({ writes = [] }) => writes),
    disk?.fileSystems ?? [],
  );
  return rooms.flatMap((room) => {
    const advice = roomAdvice({ file: spec.file, outputDir: spec.output.dir.path }, [room]);
    const text = `Of what ${spec.name} needs, ${roomFigures(room)}.`;
    if (room.verdict === "short") {
      const refused = `${text} An apply is refused as it stands. ${advice}`;
      return [diagnose(PLAN_CODES.diskTooSmall, refused, { at })];
    }
    return room.verdict === "tight" ? [diagnose(PLAN_CODES.diskNearlyFull, `${text} ${advice}`, { at })] : [];
  });
}

function sizeText(bytes: number): string {
  return bytes >= GIB ? `${rounded(bytes / GIB)} GiB` : `${rounded(bytes / MIB)} MiB`;
}
