import type { Dirent } from "node:fs";
import { readdir, readlink, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, parse, relative, resolve, sep } from "node:path";
import type { RealPath } from "../core/facts.ts";
import { errorCode } from "./read-file.ts";

/** Finds out where paths really lead, also those of which nothing is there yet. */

export interface AskedPath {
  /** Relative to the root, or absolute; a `..` in it counts as the system counts it, after the link before it. */
  readonly path: string;
  /** Which links in a folder are followed too: those that lie in it, or in it and all its folders. */
  readonly links: "none" | "own" | "all";
}

/** The real place of each path, by the path as given. Nothing is thrown. `root` is absolute. */
export async function observeRealPaths(
  asked: readonly AskedPath[],
  { root }: { readonly root: string },
): Promise<Readonly<Record<string, RealPath>>> {
  const follow = linkFollower();
  const found = new Map<string, RealPath>();
  // One after the other: thousands of files would be open at once, and each answer is of use to the next.
  for (const { path, links } of asked) {
    const real = await follow(isAbsolute(path) ? path : `${root}/${path}`);
    const inside = real === undefined || links === "none" ? [] : await linksIn(real, links, { path, follow });
    found.set(path, {
      ...(real === undefined ? {} : { real: withSlashes(real) }),
      ...(inside.length === 0 ? {} : { links: inside }),
    });
  }
  return Object.fromEntries(found);
}

/** Whether a path really lies in a folder that is there, or would if it existed. Both absolute. No where nobody may look. */
export async function isInside(path: string, folder: string): Promise<boolean> {
  const real = await linkFollower()(path);
  if (real === undefined) return false;
  const seen = relative(await realpath(folder), real);
  return seen !== ".." && !seen.startsWith(`..${sep}`) && !isAbsolute(seen);
}

/** Undefined where nobody may look, or links lead in a circle. */
type Follow = (path: string) => Promise<string | undefined>;

/** Linux follows no more of them. */
const MAX_LINKS = 40;

/** Follows a path part by part, as the system would; what does not exist leads nowhere else. Remembers every folder on the way. */
function linkFollower(): Follow {
  const targets = new Map<string, Promise<string | undefined>>();
  const targetOf = (path: string) => {
    const known = targets.get(path) ?? readLinkOf(path);
    targets.set(path, known);
    return known;
  };
  return async (path) => {
    const absolute = isAbsolute(path) ? path : resolve(path);
    let { root: at } = parse(absolute);
    const parts = partsOf(absolute);
    try {
      for (let links = 0, part = parts.shift(); part !== undefined; part = parts.shift()) {
        if (part === "..") at = dirname(at);
        if (part === "" || part === "." || part === "..") continue;
        const next = join(at, part);
        const target = await targetOf(next);
        if (target === undefined) {
          at = next;
          continue;
        }
        links += 1;
        if (links > MAX_LINKS) return undefined;
        if (isAbsolute(target)) at = parse(target).root;
        parts.unshift(...partsOf(target));
      }
      return at;
    } catch {
      return undefined;
    }
  };
}

function partsOf(path: string): string[] {
  const { root } = parse(path);
  return path.slice(root.length).split(process.platform === "win32" ? /[\\/]/ : "/");
}

/** Undefined for what is no link, or not there. Throws where nobody may look. */
async function readLinkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    const code = errorCode(error);
    // Node has no other word for what is there and no link; on Windows it is UNKNOWN.
    if (code === "EINVAL" || code === "ENOENT" || code === "ENOTDIR" || code === "UNKNOWN") return undefined;
    throw error;
  }
}

async function linksIn(
  folder: string,
  links: "own" | "all",
  { path, follow }: { readonly path: string; readonly follow: Follow },
): Promise<NonNullable<RealPath["links"]>> {
  let entries: readonly Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const code = errorCode(error);
    // What is no folder, or is not there yet or any more, holds none.
    return code === "ENOENT" || code === "ENOTDIR" ? [] : [{ path }];
  }
  const found: { readonly path: string; readonly real?: string }[] = [];
  for (const entry of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [inside, shown] = [join(folder, entry.name), `${path}/${entry.name}`];
    if (entry.isDirectory() && links === "all") found.push(...(await linksIn(inside, links, { path: shown, follow })));
    if (!entry.isSymbolicLink()) continue;
    const real = await follow(inside);
    found.push({ path: shown, ...(real === undefined ? {} : { real: withSlashes(real) }) });
  }
  return found;
}

/** Windows' paths with the one separator that core knows. */
function withSlashes(path: string): string {
  return process.platform === "win32" ? path.replaceAll("\\", "/") : path;
}
