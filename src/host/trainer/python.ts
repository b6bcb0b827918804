import { readdir, readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { isFolder } from "../read-file.ts";

/** What can be known of a Python without starting it. */

/** A virtual environment, read from its `pyvenv.cfg`. */
export interface VirtualEnvironment {
  readonly folder: string;
  /** Python's version, as the environment was made with. */
  readonly version?: string;
  /** Whether modules of the system's Python are visible as well. */
  readonly systemSitePackages: "visible" | "hidden";
}

/** The virtual environment that an interpreter belongs to; undefined for one that belongs to none. */
export async function readVirtualEnvironment(python: string): Promise<VirtualEnvironment | undefined> {
  const folder = dirname(dirname(python));
  let text: string;
  try {
    text = await readFile(join(folder, "pyvenv.cfg"), "utf8");
  } catch {
    return undefined;
  }
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) settings.set(key.toLowerCase(), value);
  }
  // `version` is written by Python's own venv, `version_info` by virtualenv and uv.
  const version = /^\d+\.\d+(?:\.\d+)?/.exec(settings.get("version") ?? settings.get("version_info") ?? "")?.[0];
  return {
    folder,
    systemSitePackages: settings.get("include-system-site-packages")?.toLowerCase() === "true" ? "visible" : "hidden",
    ...(version === undefined ? {} : { version }),
  };
}

/**
 * The top-level modules of `modules` that an environment certainly lacks. Empty where that can't be seen without starting
 * Python: an environment that also shows the system's modules, or one whose folders aren't found.
 */
export async function findMissingModules(
  environment: VirtualEnvironment,
  modules: readonly string[],
  extraFolders: readonly string[] = [],
): Promise<readonly string[]> {
  if (modules.length === 0 || environment.systemSitePackages === "visible") return [];
  const sitePackages = await findSitePackages(environment.folder);
  if (sitePackages.length === 0) return [];
  const names = new Set<string>();
  for (const folder of [...extraFolders, ...sitePackages])
    for (const name of await listModules(folder)) names.add(name);
  const linked = await readLinkedModules(sitePackages);
  for (const name of linked.names) names.add(name);
  const missing = modules.filter((module) => !names.has(module));
  // An editable install may be found by code of its own; what such code finds isn't to be guessed.
  return missing.filter((module) => !linked.finders.some((text) => text.includes(module)));
}

async function findSitePackages(folder: string): Promise<readonly string[]> {
  const candidates = [join(folder, "Lib", "site-packages")];
  for (const lib of ["lib", "lib64"]) {
    for (const name of await list(join(folder, lib))) {
      if (/^python3\.\d+t?$/.test(name)) candidates.push(join(folder, lib, name, "site-packages"));
    }
  }
  const found: string[] = [];
  for (const candidate of candidates) if (await isFolder(candidate)) found.push(candidate);
  return found;
}

/** What lies in a folder and can be imported, by top-level name. */
async function listModules(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of await list(folder)) {
    const module = /^([A-Za-z_]\w*)(?:\.py|\.[\w-]+\.(?:so|pyd)|\.so|\.pyd)?$/.exec(name)?.[1];
    if (module !== undefined) names.push(module);
  }
  return names;
}

interface LinkedModules {
  readonly names: readonly string[];
  /** Source of `__editable___*_finder.py` files, which map names to folders in Python. */
  readonly finders: readonly string[];
}

/** Follows `.pth` files, by which editable installs add folders. */
async function readLinkedModules(sitePackages: readonly string[]): Promise<LinkedModules> {
  const names: string[] = [];
  const finders: string[] = [];
  for (const folder of sitePackages) {
    for (const name of await list(folder)) {
      if (/^__editable___.*_finder\.py$/.test(name)) finders.push(await readText(join(folder, name)));
      if (!name.endsWith(".pth")) continue;
      for (const line of (await readText(join(folder, name))).split("\n")) {
        const added = line.trim();
        if (added === "" || added.startsWith("#") || /^import\s/.test(added)) continue;
        names.push(...(await listModules(isAbsolute(added) ? added : resolve(folder, added))));
      }
    }
  }
  return { names, finders };
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    return "";
  }
}
