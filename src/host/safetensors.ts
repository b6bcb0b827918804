import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { FileProblem } from "../core/facts.ts";
import { hashFile, sha256 } from "./hash.ts";
import { readExactly, readOpenFile } from "./read-file.ts";

/** Reads safetensors headers: 8 bytes of length, JSON, then the tensors. Never the tensors themselves. */

/** Headers above this are refused, as the safetensors library itself does (its `MAX_HEADER_SIZE`). */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

/** Bits an element takes, of the dtypes that the safetensors format has. */
const DTYPE_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

interface TensorHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface SafetensorsHeader {
  readonly tensors: Readonly<Record<string, TensorHeader>>;
  /** `__metadata__`; empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** SHA-256 of the header's JSON bytes, in hex. */
  readonly sha256: string;
  /** What its tensors take: the last data offset. */
  readonly dataBytes: number;
  /** What a whole file of this header measures: 8 + header + last data offset. */
  readonly wholeBytes: number;
  readonly fileBytes: number;
}

/** Either a header, or why there is none. */
export type HeaderReading =
  | { readonly kind: "header"; readonly header: SafetensorsHeader }
  | { readonly kind: "problem"; readonly problem: FileProblem; readonly fileBytes: number };

/** Whether every byte that the header promises is there and none besides (trainer facts T27). */
export function isWhole(header: SafetensorsHeader): boolean {
  return header.fileBytes === header.wholeBytes;
}

/** The bytes of a file that is whole, undefined of any other. Blocks meanwhile: for a few files among the lines of a log. */
export function wholeBytesOf(file: string): number | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const prefix = Buffer.alloc(LENGTH_BYTES);
    if (readSync(descriptor, prefix, 0, LENGTH_BYTES, 0) < LENGTH_BYTES) return undefined;
    const length = Number(prefix.readBigUInt64LE(0));
    if (length > Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES)) return undefined;
    const json = Buffer.alloc(length);
    if (readSync(descriptor, json, 0, length, LENGTH_BYTES) < length) return undefined;
    const parsed = parseHeader(json);
    return typeof parsed !== "string" && LENGTH_BYTES + length + parsed.dataBytes === size ? size : undefined;
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Reads a file's header. Whatever is wrong with the file comes back as a problem; nothing is thrown. */
export async function readSafetensorsHeader(file: string): Promise<HeaderReading> {
  const reading = await readOpenFile(file, readHeader);
  return reading.kind === "read" ? reading.value : { kind: "problem", problem: reading.problem, fileBytes: 0 };
}

async function readHeader(handle: FileHandle, fileBytes: number): Promise<HeaderReading> {
  const refuse = (text: string, kind: FileProblem["kind"] = "unreadable"): HeaderReading => ({
    kind: "problem",
    problem: { kind, text },
    fileBytes,
  });
  if (fileBytes === 0) return refuse("the file is empty", "empty");
  if (fileBytes < LENGTH_BYTES) return refuse("it is too short to be a safetensors file");

  const prefix = await readExactly(handle, 0, LENGTH_BYTES);
  if (prefix === undefined) return refuse("it became shorter while it was read");
  const headerBytes = prefix.readBigUInt64LE(0);
  if (headerBytes > BigInt(MAX_HEADER_BYTES))
    return refuse("it is not a safetensors file (its header length makes no sense)");
  const length = Number(headerBytes);
  if (length < 2) return refuse("it is not a safetensors file (its header is empty)");
  if (length > fileBytes - LENGTH_BYTES)
    return refuse("it ends in the middle of its header, as after a download that broke off");

  const json = await readExactly(handle, LENGTH_BYTES, length);
  if (json === undefined) return refuse("it became shorter while it was read");
  const parsed = parseHeader(json);
  if (typeof parsed === "string") return refuse(`it is not a safetensors file (${parsed})`);
  return {
    kind: "header",
    header: {
      tensors: parsed.tensors,
      metadata: parsed.metadata,
      sha256: sha256(json),
      dataBytes: parsed.dataBytes,
      wholeBytes: LENGTH_BYTES + length + parsed.dataBytes,
      fileBytes,
    },
  };
}

interface ParsedHeader {
  readonly tensors: Readonly<Record<string, TensorHeader>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly dataBytes: number;
}

/** The header's JSON, or what is wrong with it. */
function parseHeader(json: Uint8Array): ParsedHeader | string {
  const entries = decodeObject(json);
  if (entries === undefined) return "its header is no JSON object";
  const tensors: [string, TensorHeader][] = [];
  let metadata: Readonly<Record<string, string>> = {};
  let dataBytes = 0;
  for (const [name, entry] of Object.entries(entries)) {
    if (name === "__metadata__") {
      const read = readMetadata(entry);
      if (read === undefined) return "its metadata is no map of texts";
      metadata = read;
      continue;
    }
    const tensor = readTensor(entry);
    if (tensor === undefined) return `its header describes the tensor ${JSON.stringify(name.slice(0, 80))} wrongly`;
    tensors.push([name, { dtype: tensor.dtype, shape: tensor.shape }]);
    dataBytes = Math.max(dataBytes, tensor.end);
  }
  return { tensors: Object.fromEntries(tensors), metadata, dataBytes };
}

function decodeObject(json: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readMetadata(entry: unknown): Readonly<Record<string, string>> | undefined {
  if (!isRecord(entry)) return undefined;
  const pairs: [string, string][] = [];
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") return undefined;
    pairs.push([key, value]);
  }
  return Object.fromEntries(pairs);
}

function readTensor(entry: unknown): (TensorHeader & { readonly end: number }) | undefined {
  if (!isRecord(entry)) return undefined;
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !isCounts(shape) || !isCounts(offsets)) return undefined;
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin === undefined || end === undefined || begin > end) return undefined;
  const bits = DTYPE_BITS[dtype];
  const elements = shape.reduce((product, side) => product * side, 1);
  // A dtype this list doesn't know yet may have any size; one it knows must fill its range exactly.
  if (bits !== undefined && Math.ceil((elements * bits) / 8) !== end - begin) return undefined;
  return { dtype, shape, end };
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((side) => Number.isSafeInteger(side) && side >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** SHA-256 in hex of all that comes after a file's header: its tensors' bytes. Undefined of a file that can't be read. */
export async function hashTensors(file: string): Promise<string | undefined> {
  const reading = await readSafetensorsHeader(file);
  if (reading.kind !== "header" || !isWhole(reading.header)) return undefined;
  const { fileBytes, dataBytes } = reading.header;
  return hashFile(file, { start: fileBytes - dataBytes }).catch(() => undefined);
}
