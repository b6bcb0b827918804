/** Paths as plain text, always with `/` (design §5, "Paths"). Core has no file system: these only rewrite strings. */

export function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[A-Za-z]:\//.test(path);
}

/** Removes `.` and `..` parts and doubled slashes. An empty relative path becomes `.`. */
export function normalizePath(path: string): string {
  const drive = /^[A-Za-z]:(?=\/)/.exec(path)?.[0] ?? "";
  const rest = path.slice(drive.length);
  const absolute = rest.startsWith("/");
  const parts: string[] = [];
  for (const part of rest.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part === ".." && absolute) continue;
    else parts.push(part);
  }
  const joined = parts.join("/");
  if (absolute) return `${drive}/${joined}`;
  return joined === "" ? "." : joined;
}

/** `path` as seen from `folder`; an absolute one stays as it is. */
export function joinPath(folder: string, path: string): string {
  return normalizePath(isAbsolute(path) ? path : `${folder}/${path}`);
}

/** Relative to `root` where inside it, else absolute. Both absolute and normalized by this function. */
export function pathInside(root: string, path: string): string {
  const from = normalizePath(root);
  const to = normalizePath(path);
  if (to === from) return ".";
  const prefix = from === "/" ? "/" : `${from}/`;
  return to.startsWith(prefix) ? to.slice(prefix.length) : to;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder a path lies in; `.` for a bare name. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}

/** `os.path.splitext` of a base name: dots at its beginning do not begin an extension. */
export function splitExtension(name: string): { readonly stem: string; readonly extension: string } {
  const leadingDots = /^\.*/.exec(name)?.[0].length ?? 0;
  const dot = name.lastIndexOf(".");
  return dot < leadingDots ? { stem: name, extension: "" } : { stem: name.slice(0, dot), extension: name.slice(dot) };
}

/** `path` as seen from `root` also where it lies outside (`../models/x`); as it is on another drive. */
export function pathFrom(root: string, path: string): string {
  const inside = pathInside(root, path);
  if (!isAbsolute(inside)) return inside;
  const [from, to] = [normalizePath(root).split("/"), inside.split("/")];
  const shared = from.findIndex((part, index) => part !== to[index]);
  if (shared < 1) return inside;
  return [...from.slice(shared).map(() => ".."), ...to.slice(shared)].join("/");
}
