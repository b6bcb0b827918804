import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { fileSystemOf } from "./machine.ts";
import { errorCode, fileProblem } from "./read-file.ts";
import { WATCH_CODES } from "./watch-codes.ts";

/**
 * Says when anything has changed at places on disk. Folders are watched and no files: one watch for each folder, however many
 * clips lie in it, and a file that an editor puts in the place of another is still in its folder.
 */
export interface FileWatch {
  /** Watches these from now on: files, and folders with what lies in them itself. They need not be there. Absolute. */
  readonly follow: (places: readonly string[]) => Promise<"same" | "anew">;
  /** Comes back when something has changed since it was asked last, and nothing more has for a moment; or when it is closed. */
  readonly changed: () => Promise<void>;
  /** Whether nothing has changed since it was asked last. */
  readonly isQuiet: () => boolean;
  readonly close: () => Promise<void>;
}

export interface FileWatchOptions {
  /** Looks itself, that often, where the system tells nothing: disks that other machines write to. */
  readonly pollMs: number | undefined;
  /** What keeps something from being watched, each once. */
  readonly onProblem: (problem: Diagnostic) => void;
}

/** An editor's save is several events within milliseconds, and a clip that is copied one after the other. */
const QUIET_MS = 300;
/** What changes all the time is looked at all the same. */
const PATIENCE_MS = 30_000;

export function watchFiles({ pollMs, onProblem }: FileWatchOptions): FileWatch {
  let watched: { readonly key: string; readonly close: () => Promise<void> } | undefined;
  const said = new Set<string>();
  const say = (problem: Diagnostic) => {
    if (said.has(problem.message)) return;
    said.add(problem.message);
    onProblem(problem);
  };
  const quiet = openQuiet();
  return {
    changed: quiet.next,
    isQuiet: quiet.isQuiet,
    follow: async (places) => {
      const folders = foldersOf(places);
      const key = JSON.stringify([places, [...folders]]);
      if (key === watched?.key) return "same";
      // Another folder of the same name is another one; its old watch would be taken for its own.
      await watched?.close();
      const counts = placesCounted(places);
      if (pollMs === undefined) for (const problem of await findShared([...folders.keys()])) say(problem);
      const close = await open([...folders.keys()], {
        pollMs,
        onChange: (path) => {
          if (counts(path)) quiet.note();
        },
        onProblem: say,
      });
      watched = { key, close };
      return "anew";
    },
    close: async () => {
      quiet.close();
      await watched?.close();
    },
  };
}

/** Folders to watch, with what tells them from others of their name: each place that is one, and what each place lies in. */
function foldersOf(places: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (path: string): boolean => {
    const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stats?.isDirectory() !== true) return false;
    found.set(path, `${stats.dev}:${stats.ino}`);
    return true;
  };
  for (const place of places) {
    add(place);
    // Of what is not there yet it is the folder where its way ends.
    for (let folder = dirname(place); !add(folder) && dirname(folder) !== folder; ) folder = dirname(folder);
  }
  return found;
}

/** A place itself, what lies in it, and a folder on the way to it. */
function placesCounted(places: readonly string[]): (path: string) => boolean {
  const named = new Set(places);
  const above = new Set<string>();
  for (const place of places) {
    for (let folder = dirname(place); !above.has(folder); folder = dirname(folder)) above.add(folder);
  }
  return (path) => named.has(path) || named.has(dirname(path)) || above.has(path);
}

interface OpenOptions {
  readonly pollMs: number | undefined;
  readonly onChange: (path: string) => void;
  readonly onProblem: (problem: Diagnostic) => void;
}

async function open(
  folders: readonly string[],
  { pollMs, onChange, onProblem }: OpenOptions,
): Promise<() => Promise<void>> {
  // Loaded only here: nothing else watches.
  const { watch } = await import("chokidar");
  const watcher = watch([...folders], {
    depth: 0,
    ignoreInitial: true,
    atomic: false,
    // What a folder tells of its files is enough; who looks itself has to look at each.
    ...(pollMs === undefined
      ? { ignored: (_: string, stats) => stats !== undefined && !stats.isDirectory() }
      : { usePolling: true, interval: pollMs, binaryInterval: pollMs }),
  });
  watcher.on("all", (_, path) => onChange(resolve(path)));
  watcher.on("raw", (_, name: string | null, details) => {
    const { watchedPath } = details as { readonly watchedPath?: string };
    if (watchedPath !== undefined) onChange(name === null ? resolve(watchedPath) : join(resolve(watchedPath), name));
  });
  watcher.on("error", (error) => onProblem(explain(error)));
  if (folders.length > 0) await new Promise<void>((ready) => watcher.once("ready", ready));
  return () => watcher.close();
}

function explain(error: unknown): Diagnostic {
  const kind = WATCH_CODES.notWatchable;
  const { path } = error as { readonly path?: unknown };
  const what = typeof path === "string" ? path : "A folder";
  const why = errorCode(error) === "ENOSPC" ? "there is no room for more watches" : fileProblem(error).text;
  return diagnose(kind, `${what} can't be watched: ${why}. ${kind.mend}`);
}

async function findShared(folders: readonly string[]): Promise<readonly Diagnostic[]> {
  const kind = WATCH_CODES.sharedDisk;
  const found = await Promise.all(folders.map(async (folder) => ({ folder, system: await fileSystemOf(folder) })));
  const [first] = found.filter(({ system }) => system.kind === "shared");
  if (first === undefined) return [];
  const name = first.system.name === undefined ? "a shared disk" : first.system.name;
  return [diagnose(kind, `${realpathSync(first.folder)} lies on ${name}. ${kind.why} ${kind.mend}`)];
}

/** Puts events together that come one after the other. */
function openQuiet() {
  let firstAt: number | undefined;
  let lastAt = 0;
  let closed = false;
  let wake: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    clearTimeout(timer);
    if (closed) return wake();
    if (firstAt === undefined) return;
    const now = performance.now();
    const left = Math.min(lastAt + QUIET_MS, firstAt + PATIENCE_MS) - now;
    if (left <= 0) wake();
    else timer = setTimeout(look, left);
  };
  return {
    note: () => {
      lastAt = performance.now();
      if (firstAt !== undefined) return;
      firstAt = lastAt;
      look();
    },
    next: async () => {
      await new Promise<void>((done) => {
        wake = done;
        look();
      });
      firstAt = undefined;
    },
    isQuiet: () => firstAt === undefined,
    close: () => {
      closed = true;
      look();
    },
  };
}
