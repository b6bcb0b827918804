import { type BigIntStats, stat as statFile } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { removeLeftBehind, writeWholeFile } from "./atomic-file.ts";
import { isThere } from "./read-file.ts";
import { makeStateDir } from "./records/state-dir.ts";

/**
 * Remembers what was read out of files, so that a second look costs a `stat` and no reading.
 *
 * A remembered value counts only while size, mtime, ctime, inode and device are all what they were, to the nanosecond.
 * An edit that puts the mtime back is seen, because nothing but the clock sets the ctime. Two things could still hide an
 * edit, and both are kept out when remembering: a file that changes while it is read (it is looked at again afterwards),
 * and an edit in the same tick of the file system's clock as the one before. Linux stamps files with a clock that stands
 * still for up to 10 ms, some network and older file systems for up to 2 s: a file younger than that is not remembered,
 * and the next look reads it once more.
 */

/** What tells one content of a file from another. Nanoseconds and inodes as text: they do not fit a double. */
export interface FileStats {
  readonly kind: "file" | "folder" | "other";
  readonly bytes: number;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
  readonly inode: string;
  readonly device: string;
}

export interface StatCache {
  /**
   * The file as it is now, with what was remembered of it under `kind`. Symbolic links are followed. Throws what `stat`
   * throws. A kind names the maker and form of its values (`video-1`); a new form is a new kind.
   */
  lookup<T>(kind: string, path: string): Promise<{ readonly stats: FileStats; readonly value?: T }>;
  /** Keeps a JSON value under the stats that `lookup` gave before the file was read. */
  remember(kind: string, path: string, stats: FileStats, value: unknown): Promise<void>;
  /** Writes the index if anything in it changed. A folder that can't be written to costs the memory, nothing else. */
  save(): Promise<void>;
}

export interface StatCacheOptions {
  /** Milliseconds since 1970; the system's clock if left out. */
  readonly now?: () => number;
  /** The state folder that the index lies in, which is made if need be. Absolute. */
  readonly stateDir?: string;
  /** Keeps what is found out for as long as this program runs, for others with the same memory, and writes nothing. */
  readonly memory?: StatMemory | undefined;
  /** What is put before the path of each thing where it is reached through links: it is one thing by either path. */
  readonly prefix?: string | undefined;
}

/** What was found out and is written nowhere, by path. */
export type StatMemory = Map<string, Entry>;

/** size, mtime, ctime, inode, device: one string, compared as a whole. */
type Signature = string;

interface Entry {
  readonly signature: Signature;
  readonly values: Readonly<Record<string, unknown>>;
}

const FORMAT = "wan22-index-1";
const statBigInt = promisify(statFile) as (path: string, options: { bigint: true }) => Promise<BigIntStats>;

/** Ages in milliseconds below which a change could hide in one tick: of clocks with a fine and with a coarse grain. */
const FINE_GRAIN_MS = 50;
const COARSE_GRAIN_MS = 2500;

async function readStats(path: string): Promise<FileStats> {
  const stats = await statBigInt(path, { bigint: true });
  return {
    kind: stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other",
    bytes: Number(stats.size),
    mtimeNs: String(stats.mtimeNs),
    ctimeNs: String(stats.ctimeNs),
    inode: String(stats.ino),
    device: String(stats.dev),
  };
}

function signatureOf(stats: FileStats): Signature {
  return `${stats.bytes} ${stats.mtimeNs} ${stats.ctimeNs} ${stats.inode} ${stats.device}`;
}

function isSettled(stats: FileStats, nowMs: number): boolean {
  const grainMs = stats.ctimeNs.endsWith("000000") ? COARSE_GRAIN_MS : FINE_GRAIN_MS;
  return nowMs - Number(stats.ctimeNs) / 1e6 > grainMs;
}

/** Reads an index. A missing, torn or foreign one is as good as an empty one: everything in it can be found out again. */
async function readIndex(file: string): Promise<Map<string, Entry>> {
  try {
    const text = await readFile(file, "utf8");
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== `${FORMAT} ${crc32(body)}`) return new Map();
    return new Map(Object.entries(JSON.parse(body) as Record<string, Entry>));
  } catch {
    return new Map();
  }
}

function indexText(entries: ReadonlyMap<string, Entry>): string {
  const body = JSON.stringify(Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1))));
  return `${FORMAT} ${crc32(body)}\n${body}`;
}

/** Opens the index `file` (`.wan22/index/NAME.json`), which need not exist. It is read at the first lookup. */
export function openStatCache(
  file: string,
  { now = Date.now, stateDir, memory, prefix = "" }: StatCacheOptions = {},
): StatCache {
  let loading: Promise<Map<string, Entry>> | undefined;
  const touched = new Set<string>();
  const changed: StatMemory = memory ?? new Map();
  const nameOf = (path: string) => (path.startsWith(prefix) ? path.slice(prefix.length) : path);
  const load = () => {
    loading ??= readIndex(file);
    return loading;
  };

  return {
    async lookup<T>(kind: string, path: string) {
      const [entries, stats] = await Promise.all([load(), readStats(path)]);
      const name = nameOf(path);
      touched.add(name);
      const entry = changed.get(name) ?? entries.get(name);
      const value = entry?.signature === signatureOf(stats) ? entry.values[kind] : undefined;
      return value === undefined ? { stats } : { stats, value: value as T };
    },

    async remember(kind, path, stats, value) {
      if (!isSettled(stats, now())) return;
      const signature = signatureOf(stats);
      const after = await readStats(path).catch(() => undefined);
      if (after === undefined || signatureOf(after) !== signature) return;
      const name = nameOf(path);
      const entry = changed.get(name) ?? (await load()).get(name);
      const others = entry?.signature === signature ? entry.values : {};
      changed.set(name, { signature, values: { ...others, [kind]: value } });
    },

    async save() {
      if (changed.size === 0 || memory !== undefined) return;
      // Read again: another run may have added what this one does not know.
      const entries = await readIndex(file);
      for (const path of entries.keys()) {
        if (!touched.has(path) && !(await isThere(path).catch(() => true))) entries.delete(path);
      }
      for (const [path, entry] of changed) entries.set(path, entry);
      try {
        if (stateDir !== undefined) await makeStateDir(stateDir);
        await removeLeftBehind(file);
        await writeWholeFile(file, indexText(entries), { durability: "none" });
        loading = Promise.resolve(entries);
        changed.clear();
      } catch {
        // Read-only or full: the next scan takes longer, and that is all.
      }
    },
  };
}
