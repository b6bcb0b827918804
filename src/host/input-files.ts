import { isAbsolute, resolve } from "node:path";
import type { InputFileFacts } from "../core/facts.ts";
import { decodeUtf8 } from "./media/python-text.ts";
import { observeWeights } from "./models.ts";
import { readOpenFile } from "./read-file.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import type { StatCache } from "./stat-cache.ts";

/** Looks at the files that parameters name and the trainer reads while it starts: prompts, LoRA files, tracker settings. */

/** The texts among them, by name as the trainer goes by it. */
const TEXT = /\.(?:txt|json|toml)$/;
/** Longer texts are no prompts, and are not read. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

export interface InputFileOptions {
  /** The project's root, absolute. */
  readonly root: string;
  readonly statCache?: StatCache | undefined;
}

/** Facts of each path, by the path as given. Nothing is thrown: what is wrong with a file is its `problem`. */
export async function observeInputFiles(
  paths: readonly string[],
  options: InputFileOptions,
): Promise<Readonly<Record<string, InputFileFacts>>> {
  const looked = paths.map(async (path) => [path, await observeInputFile(path, options)] as const);
  return Object.fromEntries(await Promise.all(looked));
}

async function observeInputFile(path: string, options: InputFileOptions): Promise<InputFileFacts> {
  if (path.endsWith(".safetensors")) {
    const { problem, tensors } = (await observeWeights([path], options))[path] ?? {};
    return { ...(problem === undefined ? {} : { problem }), ...(tensors === undefined ? {} : { tensors }) };
  }
  const file = isAbsolute(path) ? path : resolve(options.root, path);
  const reading = await readOpenFile(file, async (handle, bytes) =>
    TEXT.test(path) && bytes <= MAX_TEXT_BYTES ? decode(await handle.readFile()) : {},
  );
  if (reading.kind === "problem") return { problem: reading.problem };
  if (reading.value.text !== undefined || reading.value.problem !== undefined) return reading.value;
  // Weights may be in safetensors under another name, and the trainer goes by either.
  const header = await readSafetensorsHeader(file);
  return header.kind === "header" ? { tensors: header.header.tensors } : {};
}

/** The trainer reads them as UTF-8, and fails on anything else. */
function decode(bytes: Uint8Array): InputFileFacts {
  const text = decodeUtf8(bytes);
  return text === undefined ? { problem: { kind: "unreadable", text: "it is not UTF-8 text" } } : { text };
}
