import { constants } from "node:fs";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import type { FileProblem } from "../core/facts.ts";

/** Looks into files that may be missing, broken, or no files at all. */

/** The code of a system error (`ENOENT`), or undefined for anything else that was thrown. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What a failed look at a file means to its owner. The text has no full stop and doesn't repeat the file's name. */
export function fileProblem(error: unknown): FileProblem {
  const code = errorCode(error);
  switch (code) {
    case "ENOENT":
      return { kind: "missing", text: "there is no such file" };
    case "ENOTDIR":
      return { kind: "missing", text: "a part of its path is a file, not a folder" };
    case "EACCES":
    case "EPERM":
      return { kind: "unreadable", text: "you have no permission to read it" };
    case "EISDIR":
      return { kind: "unreadable", text: "it is a folder, not a file" };
    case "ELOOP":
      return { kind: "unreadable", text: "its symbolic links lead in a circle" };
    case "ENAMETOOLONG":
      return { kind: "unreadable", text: "its name is longer than the file system allows" };
    case "EMFILE":
    case "ENFILE":
      return { kind: "unreadable", text: "too many files are open at once (see `ulimit -n`)" };
    default:
      return {
        kind: "unreadable",
        text: `it can't be read (${code ?? (error instanceof Error ? error.message : String(error))})`,
      };
  }
}

/** Whether anything is at a path; a link counts by what it leads to. Throws where nobody may look. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}

/** Whether a file is at a path, and not a folder or a device; no where nobody may look. */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Whether a folder is at a path; no where nobody may look. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** A file's text. Unlike Node's own, every system error names the file: that of a folder read as a file does not. */
export async function readTextFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw namingFile(error, { path: file });
  }
}

/** What a system error is about. */
export interface ErrorPlace {
  readonly path: string;
  /** That were to be written. */
  readonly bytes?: number;
}

/** A system error that says what it is about. Node leaves that out where an open file is read or written. */
export function namingFile(error: unknown, place: ErrorPlace): unknown {
  return error instanceof Error ? Object.assign(error, place) : error;
}

/** What was read from an open file, or why it could not be opened. */
export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "problem"; readonly problem: FileProblem };

/**
 * Opens a regular file, hands it to `read` with its size, and closes it. Nothing is thrown, by `read` neither.
 * A pipe or device is refused without waiting for whoever should write into it.
 */
export async function readOpenFile<T>(
  file: string,
  read: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<Reading<T>> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = await handle.stat();
    if (stats.isDirectory()) return unreadable("it is a folder, not a file");
    if (!stats.isFile()) return unreadable("it is a pipe or a device, not a file");
    return { kind: "read", value: await read(handle, stats.size) };
  } catch (error) {
    return { kind: "problem", problem: fileProblem(error) };
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

function unreadable(text: string): { readonly kind: "problem"; readonly problem: FileProblem } {
  return { kind: "problem", problem: { kind: "unreadable", text } };
}

/** `bytes` bytes from `position`; undefined where the file ends before. */
export async function readExactly(handle: FileHandle, position: number, bytes: number): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}

/** A full disk, or a folder that is gone. */
export function ignoreSystemError(error: unknown): undefined {
  if (errorCode(error) === undefined) throw error;
}
