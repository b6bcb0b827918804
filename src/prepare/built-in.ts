import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Templates } from "../core/render/rendered.ts";

/** A text with the name it is shown under. */
export interface NamedText {
  readonly file: string;
  readonly text: string;
}

/** The folder of this installation: the one above the bundle, and above `src/`. */
export function installationFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  // The bundle lies in dist/, a module under test in src/prepare/: both below the folder that holds templates/.
  if (folder.endsWith("prepare")) folder = dirname(folder);
  return dirname(folder);
}

/** Argument and dataset templates, and presets, of this installation or those that replace them, by base name. */
export interface TemplateTexts {
  readonly templates: Templates;
  readonly presets: Readonly<Record<string, NamedText>>;
}

/**
 * Reads the built-in templates and presets; a file of the same name in `replacements` (relative to `root`, or absolute)
 * takes the place of a built-in one. Its layout is that of `templates/`: `*.hbs`, and `presets/*.yaml`.
 */
export async function readTemplateTexts(replacements: string | undefined, root: string): Promise<TemplateTexts> {
  const builtIn = await readTemplatesFolder(join(installationFolder(), "templates"), "templates");
  if (replacements === undefined) return builtIn;
  const own = await readTemplatesFolder(resolve(root, replacements), replacements);
  return {
    templates: { ...builtIn.templates, ...own.templates },
    presets: { ...builtIn.presets, ...own.presets },
  };
}

async function readTemplatesFolder(folder: string, shown: string): Promise<TemplateTexts> {
  const [templates, presets] = await Promise.all([
    readFolder(folder, ".hbs", shown),
    readFolder(join(folder, "presets"), ".yaml", `${shown}/presets`),
  ]);
  return { templates, presets };
}

async function readFolder(folder: string, ending: string, shown: string): Promise<Record<string, NamedText>> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith(ending)).sort();
  } catch {
    return {};
  }
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return Object.fromEntries(names.map((name, index) => [name, { file: `${shown}/${name}`, text: texts[index] ?? "" }]));
}
