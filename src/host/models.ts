import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { Facts, FileProblem, ModelFacts } from "../core/facts.ts";
import type { LocatedPath } from "../core/spec/spec.ts";
import { MODEL_ROLES, type ModelRole } from "../core/vocabulary.ts";
import { LFS_POINTER, LFS_PROBLEM } from "./git/git-lfs.ts";
import { sha256 } from "./hash.ts";
import { fileProblem, readExactly, readOpenFile } from "./read-file.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import type { StatCache } from "./stat-cache.ts";

/** Looks at model files: their headers and identities, from a few MiB of each, whatever they measure. */

const BLOCKS = 64;
const BLOCK_BYTES = 64 * 1024;
/** Names and forms what is remembered; what an older form says is not read. */
const CACHE_KIND = "model-2";
/** The trainer joins DiT weights in parts of this name (`get_split_weight_filenames` in its `utils/safetensors_utils.py`). */
const PART_NAME = /^(.*?)(\d+)-of-(\d+)\.safetensors$/;
/** A part count above this is a number that happens to stand there. */
const MAX_PARTS = 1000;

export interface ModelOptions {
  /** The project's root, absolute. */
  readonly root: string;
  readonly statCache?: StatCache | undefined;
}

/**
 * Facts of every model named whose path is whole; one with an unset variable is left out. Nothing is thrown: what is wrong
 * with a file is its `problem`. A DiT in parts (`…-00001-of-00002.safetensors`) is looked at as one.
 */
export async function observeModels(
  paths: Readonly<Partial<Record<ModelRole, LocatedPath>>>,
  options: ModelOptions,
): Promise<Facts["models"]> {
  const looks = new Map<string, Promise<Look>>();
  const lookOnce = (file: string) => {
    const known = looks.get(file) ?? look(file, options.statCache);
    looks.set(file, known);
    return known;
  };
  const found = await Promise.all(
    MODEL_ROLES.map(async (role) => {
      const path = paths[role];
      if (path === undefined || path.unset.length > 0) return [];
      return [[role, await observeModel(role, path, options.root, lookOnce)] as const];
    }),
  );
  return Object.fromEntries(found.flat());
}

/** Facts of LoRA files that training starts from, by their path as the parameters hold it. Nothing is thrown. */
export async function observeWeights(
  paths: readonly string[],
  options: ModelOptions,
): Promise<Readonly<Record<string, ModelFacts>>> {
  const looked = paths.map(async (path) => {
    const file = isAbsolute(path) ? path : resolve(options.root, path);
    return [path, { file: path, ...(await look(file, options.statCache)) }] as const;
  });
  return Object.fromEntries(await Promise.all(looked));
}

async function observeModel(
  role: ModelRole,
  path: LocatedPath,
  root: string,
  lookOnce: (file: string) => Promise<Look>,
): Promise<ModelFacts> {
  const file = isAbsolute(path.path) ? path.path : resolve(root, path.path);
  const isDit = role === "dit" || role === "dit_high_noise";
  const parts = isDit ? partsOf(file) : undefined;
  if (parts === undefined) return { file: path.path, ...(await lookOnce(file)) };
  const looked = await Promise.all(parts.map(async (part) => ({ part: basename(part), look: await lookOnce(part) })));
  return { file: path.path, ...joinParts(looked) };
}

/** Every file of weights in parts, in order; undefined for a file that is no part. */
function partsOf(file: string): readonly string[] | undefined {
  const [, prefix, , total] = PART_NAME.exec(basename(file)) ?? [];
  const parts = Number(total);
  if (prefix === undefined || !Number.isInteger(parts) || parts < 1 || parts > MAX_PARTS) return undefined;
  const number = (value: number) => String(value).padStart(5, "0");
  return Array.from({ length: parts }, (_, index) =>
    join(dirname(file), `${prefix}${number(index + 1)}-of-${number(parts)}.safetensors`),
  );
}

/** What one file says; the path that led to it left aside. */
type Look = Omit<ModelFacts, "file">;

function joinParts(parts: readonly { readonly part: string; readonly look: Look }[]): Look {
  const broken = parts.find(({ look }) => look.problem !== undefined);
  const digest = (texts: readonly string[]) => sha256(texts.join("\n"));
  const bytes = parts.reduce((sum, { look }) => sum + look.bytes, 0);
  const blocksSha256 = digest(parts.map(({ look }) => look.blocksSha256));
  if (broken?.look.problem !== undefined) {
    const { kind, text } = broken.look.problem;
    return { bytes, format: "safetensors", blocksSha256, problem: { kind, text: `its part ${broken.part}: ${text}` } };
  }
  return {
    bytes,
    format: "safetensors",
    tensors: Object.fromEntries(parts.flatMap(({ look }) => Object.entries(look.tensors ?? {}))),
    headerSha256: digest(parts.map(({ look }) => look.headerSha256 ?? "")),
    blocksSha256,
  };
}

async function look(file: string, statCache: StatCache | undefined): Promise<Look> {
  if (statCache === undefined) return readModel(file);
  try {
    const { stats, value } = await statCache.lookup<Look>(CACHE_KIND, file);
    if (value !== undefined) return value;
    const read = await readModel(file);
    await statCache.remember(CACHE_KIND, file, stats, read);
    return read;
  } catch (error) {
    return broken(0, fileProblem(error), formatByName(file));
  }
}

async function readModel(file: string): Promise<Look> {
  const sampled = await readOpenFile(file, digestBlocks);
  if (sampled.kind === "problem") return broken(0, sampled.problem, formatByName(file));
  const { bytes, beginning, sha256 } = sampled.value;
  if (bytes === 0) return broken(0, { kind: "empty", text: "the file is empty" }, formatByName(file));
  if (sha256 === undefined) return broken(bytes, { kind: "unreadable", text: "it became shorter while it was read" });
  const format = formatByName(file);
  const wrong = contentProblem(beginning ?? Buffer.alloc(0), format);
  if (wrong !== undefined) return { bytes, format, blocksSha256: sha256, problem: { kind: "unreadable", text: wrong } };
  if (format === "other") return { bytes, format, blocksSha256: sha256 };

  const reading = await readSafetensorsHeader(file);
  if (reading.kind === "problem") {
    return { bytes, format: "safetensors", blocksSha256: sha256, problem: reading.problem };
  }
  const { header } = reading;
  const facts = {
    bytes,
    format: "safetensors",
    tensors: header.tensors,
    headerSha256: header.sha256,
    blocksSha256: sha256,
  } as const;
  if (header.fileBytes >= header.wholeBytes) return facts;
  const missing = header.wholeBytes - header.fileBytes;
  const text = `it ends ${missing} bytes too early, as after a download that broke off`;
  return { ...facts, problem: { kind: "unreadable", text } };
}

function broken(bytes: number, problem: FileProblem, format: ModelFacts["format"] = "safetensors"): Look {
  return { bytes, format, blocksSha256: "", problem };
}

/** The trainer goes by the name too: everything but `.safetensors` it takes for a PyTorch file. */
function formatByName(file: string): ModelFacts["format"] {
  return file.endsWith(".safetensors") ? "safetensors" : "other";
}

const LFS_BEGINNING = Buffer.from(LFS_POINTER);
/** What PyTorch writes: a zip archive, and before version 1.6 a pickle. */
const ZIP = Buffer.from("PK\u0003\u0004");
const PICKLE = Buffer.from([0x80]);

/** What is wrong with a file by how it begins, as far as no other look says it better. */
function contentProblem(beginning: Buffer, format: ModelFacts["format"]): string | undefined {
  const begins = (magic: Buffer) => beginning.subarray(0, magic.length).equals(magic);
  if (begins(LFS_BEGINNING)) {
    return LFS_PROBLEM;
  }
  if (format === "safetensors" || begins(ZIP) || begins(PICKLE)) return undefined;
  // Eight bytes of length, then JSON: the trainer goes by the name, and would not look.
  if (beginning[8] === "{".charCodeAt(0)) return "it is a safetensors file; give it a name that ends with .safetensors";
  return "it is no PyTorch file: it begins neither as a zip archive nor as a pickle";
}

/**
 * SHA-256 of 64 blocks of 64 KiB (design §5). Block i begins at floor(i × (bytes − 64 KiB) / 63), so that the first is the
 * file's beginning and the last its end; of a file below 4 MiB all bytes are taken. No digest where the file shrank meanwhile.
 * With it the first bytes, which tell what kind of file it is.
 */
async function digestBlocks(
  handle: FileHandle,
  bytes: number,
): Promise<{ readonly bytes: number; readonly beginning?: Buffer; readonly sha256?: string }> {
  const hash = createHash("sha256");
  let beginning: Buffer | undefined;
  for (const { position, length } of blocksOf(bytes)) {
    const block = await readExactly(handle, position, length);
    if (block === undefined) return { bytes };
    beginning ??= block.subarray(0, LFS_BEGINNING.length);
    hash.update(block);
  }
  return { bytes, sha256: hash.digest("hex"), ...(beginning === undefined ? {} : { beginning }) };
}

function blocksOf(bytes: number): readonly { readonly position: number; readonly length: number }[] {
  if (bytes < BLOCKS * BLOCK_BYTES) return [{ position: 0, length: bytes }];
  return Array.from({ length: BLOCKS }, (_, index) => ({
    position: Math.floor((index * (bytes - BLOCK_BYTES)) / (BLOCKS - 1)),
    length: BLOCK_BYTES,
  }));
}
