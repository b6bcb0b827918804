import { open } from "node:fs/promises";

/** What a safetensors file says of itself, and the bytes of its tensors: its size less the header. */
export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
  readonly tensorBytes: number;
}

/** Reads a safetensors file's header; a reader of its own, so that tests do not judge the product by itself. */
export async function readTensorFile(path: string): Promise<TensorFile> {
  const file = await open(path);
  try {
    const length = Buffer.alloc(8);
    await file.read(length, 0, 8, 0);
    const headerBytes = Number(length.readBigUInt64LE());
    const header = Buffer.alloc(headerBytes);
    await file.read(header, 0, headerBytes, 8);
    const { __metadata__: metadata = {}, ...tensors } = JSON.parse(header.toString("utf8"));
    return { metadata, tensors, tensorBytes: (await file.stat()).size - 8 - headerBytes };
  } finally {
    await file.close();
  }
}
