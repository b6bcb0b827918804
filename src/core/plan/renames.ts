import { folderOf, joinPath } from "../paths.ts";
import {
  epochCheckpointName,
  epochStateName,
  lastCheckpointName,
  lastStateName,
  stepStateName,
} from "../trainer/checkpoints.ts";
import type { OutputFile } from "./outputs.ts";

/** What becomes of a finished run's last files when training goes on past them (design §5). */

export interface LastFilesOptions {
  readonly files: readonly OutputFile[];
  /** The name that they were trained under. */
  readonly outputName: string;
  /** Epochs that there will be in all; files of that epoch stay. */
  readonly totalEpochs: number;
  readonly stepsPerEpoch: number;
  readonly saveEveryEpochs: number | undefined;
  /** `save_last_n_epochs`, `save_last_n_epochs_state`. */
  readonly keepLastEpochs: number | undefined;
  readonly keepLastEpochsState: number | undefined;
  /** Training states that training can go on from. */
  readonly usable: ReadonlySet<string>;
}

export interface LastFilesMoves {
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly archive: readonly string[];
}

/**
 * `NAME.safetensors` and `NAME-state` of an epoch before the last get the names that an uninterrupted run would have given
 * them: their epoch's, where one is saved then. Else the checkpoint is archived, and the state, which training goes on from,
 * becomes that of its step, as a stop would have left it: it must stay where a crash finds it.
 */
export function moveLastFiles(options: LastFilesOptions): LastFilesMoves {
  const { files, outputName, totalEpochs, stepsPerEpoch, saveEveryEpochs, usable } = options;
  const lastNames: readonly string[] = [lastCheckpointName(outputName), lastStateName(outputName)];
  const last = files.filter(({ path }) => lastNames.some((name) => path === joinPath(folderOf(path), name)));
  const epochOf = (file: OutputFile) => file.epoch ?? last.find(({ epoch }) => epoch !== undefined)?.epoch;
  const taken = new Set(files.map(({ path }) => path));
  const renames: { from: string; to: string }[] = [];
  const archive: string[] = [];
  for (const file of last) {
    const epoch = epochOf(file);
    if (epoch === totalEpochs) continue;
    if (epoch !== undefined && epoch > totalEpochs) {
      // Of more epochs than are wanted by now: the process writes its own last files under these names.
      archive.push(file.path);
      continue;
    }
    const saved = epoch !== undefined && saveEveryEpochs !== undefined && epoch % saveEveryEpochs === 0;
    const name = newName(file, { epoch, saved, outputName, stepsPerEpoch });
    if (name === undefined) {
      archive.push(file.path);
      continue;
    }
    const to = joinPath(folderOf(file.path), name);
    if (usable.has(to)) {
      // The same state was saved under that name already, as one of the steps.
      archive.push(file.path);
      continue;
    }
    if (taken.has(to)) archive.push(to);
    renames.push({ from: file.path, to });
    const replaced = replacedBy(file, epoch, options);
    if (replaced !== undefined && taken.has(replaced)) archive.push(replaced);
  }
  return { renames, archive };
}

/** What an uninterrupted run would have removed when it saved that epoch, which it had been the last of here. */
function replacedBy(
  { kind, path }: OutputFile,
  epoch: number | undefined,
  { outputName, saveEveryEpochs, keepLastEpochs, keepLastEpochsState }: LastFilesOptions,
): string | undefined {
  const keep = kind === "state" ? keepLastEpochsState || keepLastEpochs : keepLastEpochs;
  if (epoch === undefined || saveEveryEpochs === undefined || epoch % saveEveryEpochs !== 0) return undefined;
  if (keep === undefined || epoch - saveEveryEpochs * keep <= 0) return undefined;
  const old = epoch - saveEveryEpochs * keep;
  return joinPath(
    folderOf(path),
    kind === "state" ? epochStateName(outputName, old) : epochCheckpointName(outputName, old),
  );
}

interface NewName {
  readonly epoch: number | undefined;
  /** Whether a checkpoint is saved at the end of that epoch. */
  readonly saved: boolean;
  readonly outputName: string;
  readonly stepsPerEpoch: number;
}

function newName(file: OutputFile, { epoch, saved, outputName, stepsPerEpoch }: NewName): string | undefined {
  if (epoch === undefined) return undefined;
  if (file.kind === "checkpoint") return saved ? epochCheckpointName(outputName, epoch) : undefined;
  return saved ? epochStateName(outputName, epoch) : stepStateName(outputName, file.step ?? epoch * stepsPerEpoch);
}
