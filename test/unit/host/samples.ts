import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import type { LocatedPath } from "../../../src/core/spec/spec.ts";

/** Real files in folders of their own, removed after each test. */

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A new folder holding `files`, by relative path. */
export async function folderWith(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-host-"));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) await writeInto(folder, name, content);
  return folder;
}

export async function writeInto(
  folder: string,
  name: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode });
  return path;
}

export interface TensorSample {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A safetensors file: header of these tensors, then zeros; `dataBytes` cuts or lengthens them. */
export function safetensors(
  tensors: Readonly<Record<string, TensorSample>>,
  options: { readonly metadata?: Readonly<Record<string, string>>; readonly dataBytes?: number } = {},
): Buffer {
  const entries: [string, unknown][] = options.metadata === undefined ? [] : [["__metadata__", options.metadata]];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + bytes] }]);
    offset += bytes;
  }
  return withHeader(JSON.stringify(Object.fromEntries(entries)), options.dataBytes ?? offset);
}

/** A file with any text in the header's place. */
export function withHeader(header: string | Uint8Array, dataBytes = 0): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

/** A path as a pipeline names it. */
export function located(path: string, unset: readonly string[] = []): LocatedPath {
  return { written: path, path, place: { file: "pipelines/fox.yaml" }, unset };
}
