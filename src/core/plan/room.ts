import { formatBytes } from "../bytes.ts";
import type { FileSystemFacts } from "../facts.ts";
import type { FolderBytes } from "./plan.ts";
import { namesText } from "./wording.ts";

/** Whether what is to be written has room on the file systems that it goes to: for a plan, and before each stage of an apply. */

export interface Room {
  readonly fileSystem: FileSystemFacts;
  /** The bytes to come of all folders that lie on it. */
  readonly low: number;
  readonly high: number;
  /** As the plan writes them. */
  readonly folders: readonly string[];
  /** `short`: not even what is needed for certain fits. `tight`: it may not, or leaves next to nothing. */
  readonly verdict: "enough" | "tight" | "short";
}

/** What is better left free: other programs write too, and the run's own record. */
const SPARE_BYTES = 2 ** 30;
const SPARE_SHARE = 0.05;

/** Every file system that something is to be written to; folders that no file system is known of are passed over. */
export function judgeRoom(writes: readonly FolderBytes[], fileSystems: readonly FileSystemFacts[]): readonly Room[] {
  return fileSystems.flatMap((fileSystem): Room[] => {
    const own = writes.filter(({ folder, high }) => high > 0 && fileSystem.folders.includes(folder));
    if (own.length === 0) return [];
    const low = own.reduce((sum, bytes) => sum + bytes.low, 0);
    const high = own.reduce((sum, bytes) => sum + bytes.high, 0);
    const { freeBytes, totalBytes } = fileSystem;
    const spare = Math.min(SPARE_BYTES, totalBytes * SPARE_SHARE);
    const verdict = low > freeBytes ? "short" : high + spare > freeBytes ? "tight" : "enough";
    return [{ fileSystem, low, high, folders: [...new Set(own.map(({ folder }) => folder))], verdict }];
  });
}

/** One file system in figures: `/mnt/data has 1.2 GB free, and 3 GB are to come in output/fox`; a main clause. */
export function roomFigures({ fileSystem: { mount, freeBytes }, low, high, folders }: Room): string {
  const [least, most] = [formatBytes(low), formatBytes(high)];
  const toCome = least === most || low === 0 ? most : `${least} to ${most}`;
  return `the file system at ${mount} has ${formatBytes(freeBytes)} free, and ${toCome} are to come in ${namesText(folders, 3)}`;
}

/** What makes room, in the order of what it costs; a sentence. */
export function roomAdvice({ file, outputDir }: RoomOwner, rooms: readonly Room[]): string {
  const folders = new Set(rooms.flatMap((room) => room.folders));
  const writesCheckpoints = folders.has(outputDir);
  const less = writesCheckpoints
    ? "keep less with `save_last_n_epochs` and `save_last_n_epochs_state`, save checkpoints in half precision with `save_precision: bf16`, or name"
    : "name";
  const keys = [
    ...(writesCheckpoints ? ["`output.dir`"] : []),
    ...(folders.size > (writesCheckpoints ? 1 : 0) ? ["`cache_dir`"] : []),
  ];
  return `\`wan22 prune ${file}\` shows what can go. Or ${less} another ${keys.join(" or ")} on a larger disk.`;
}

/** Whose files are to be written. */
export interface RoomOwner {
  readonly file: string;
  /** As the plan writes it. */
  readonly outputDir: string;
}
