import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { copyWholeFile, hasNoLinks, linkInPlace, syncFile } from "./atomic-file.ts";
import { errorCode } from "./read-file.ts";
import { isWhole, readSafetensorsHeader } from "./safetensors.ts";

/**
 * The cache store's files: hard links to what pipelines have in their folders, or copies where there are no hard links. A name
 * in the store belongs to a whole file from its first moment on, and no file is written to once it has one.
 */

/** Who writes through a name all the same is refused by the system, unless it is root. */
const READ_ONLY = 0o444;

/** Gives a stored file a name in a pipeline's folder; `gone` where it is not there any more. Throws system errors. */
export async function takeFromStore(stored: string, file: string): Promise<"linked" | "copied" | "gone"> {
  await mkdir(dirname(file), { recursive: true });
  try {
    await linkInPlace(stored, file);
    return "linked";
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "gone";
    if (!mustCopy(error)) throw error;
  }
  try {
    await copyWholeFile(stored, file);
    return "copied";
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "gone";
    throw error;
  }
}

/** `keep`: what is there is as good, if it is whole. `replace`: it was asked for anew. */
export interface PutOptions {
  readonly existing: "keep" | "replace";
}

/** Gives a whole file of a pipeline its name in the store; the caller syncs the store when all have theirs. Throws system errors. */
export async function putIntoStore(file: string, stored: string, { existing }: PutOptions): Promise<void> {
  if (existing === "keep" && (await isSameWhole(file, stored))) return;
  await mkdir(dirname(stored), { recursive: true });
  // Before it has the name: a machine that goes down now must not leave a name without its bytes.
  await syncFile(file);
  await chmod(file, READ_ONLY);
  try {
    await linkInPlace(file, stored);
  } catch (error) {
    if (!mustCopy(error)) throw error;
    await copyWholeFile(file, stored, { durability: "full" });
  }
}

function mustCopy(error: unknown): boolean {
  return errorCode(error) === "EXDEV" || hasNoLinks(error);
}

/** What was made of the same has the same header; one that has not was damaged, or is another trainer's. */
async function isSameWhole(file: string, stored: string): Promise<boolean> {
  const [own, other] = await Promise.all([readSafetensorsHeader(file), readSafetensorsHeader(stored)]);
  if (own.kind !== "header" || other.kind !== "header") return false;
  return isWhole(other.header) && own.header.sha256 === other.header.sha256;
}
