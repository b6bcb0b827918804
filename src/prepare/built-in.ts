import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Outcome } from "../core/diagnostic.ts";
import type { Templates } from "../core/render/rendered.ts";
import type { Presets } from "../core/resolve/presets.ts";
import type { SourceText } from "../core/spec/spec.ts";

/** What this installation brings along, and the project's files that replace parts of it. */

/** The built-in presets and templates as the build read them; not there where the sources run without a build. */
declare const WAN22_PRESETS: Presets | undefined;
declare const WAN22_TEMPLATES: Templates | undefined;

/** The folder of this installation: the one above the bundle, and above `src/`. */
export function installationFolder(): string {
  const folder = dirname(fileURLToPath(import.meta.url));
  // The bundle lies in dist/, this module in src/prepare/.
  return folder.endsWith("prepare") ? dirname(dirname(folder)) : dirname(folder);
}

export interface TemplatesAndPresets {
  readonly templates: Templates;
  readonly presets: Outcome<Presets>;
  /** Every text read, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * The templates and presets that count. A file of the same name in `replacements` (relative to `root`, or absolute) takes
 * the place of a built-in one; its layout is that of `templates/`: `*.hbs`, and `presets/*.yaml`.
 */
export async function readTemplatesAndPresets(
  replacements: string | undefined,
  root: string,
): Promise<TemplatesAndPresets> {
  const builtIn = await readBuiltInTemplates();
  if (replacements === undefined) {
    return { templates: builtIn, presets: await readBuiltInPresets(), texts: namedTexts(builtIn) };
  }
  const folder = resolve(root, replacements);
  const [templates, presets] = await Promise.all([
    readFolder(folder, ".hbs", replacements),
    readFolder(join(folder, "presets"), ".yaml", `${replacements}/presets`),
  ]);
  return {
    templates: { ...builtIn, ...templates },
    presets: await replacePresets(await readBuiltInPresets(), presets),
    texts: namedTexts({ ...builtIn, ...templates, ...presets }),
  };
}

function builtInFolder(): string {
  return join(installationFolder(), "templates");
}

async function readBuiltInTemplates(): Promise<Templates> {
  return typeof WAN22_TEMPLATES !== "undefined" ? WAN22_TEMPLATES : readFolder(builtInFolder(), ".hbs", "templates");
}

/** Figures of the manual, as they come with this installation. */
export async function readBuiltInPresets(): Promise<Outcome<Presets>> {
  if (typeof WAN22_PRESETS !== "undefined") return { value: WAN22_PRESETS, diagnostics: [] };
  const { readPresets } = await loadPresetReader();
  return readPresets(await readFolder(join(builtInFolder(), "presets"), ".yaml", "templates/presets"));
}

/** Loaded only where a preset is read: the built-in ones were read by the build. */
function loadPresetReader(): Promise<typeof import("../core/resolve/presets.ts")> {
  return import("../core/resolve/presets.ts");
}

async function replacePresets(
  builtIn: Outcome<Presets>,
  files: Readonly<Record<string, SourceText>>,
): Promise<Outcome<Presets>> {
  const { PRESET_FILES, readPresetFile } = await loadPresetReader();
  const replaced = PRESET_FILES.flatMap((name) => {
    const source = files[name];
    return source === undefined ? [] : [readPresetFile(name, source)];
  });
  const diagnostics = [...builtIn.diagnostics, ...replaced.flatMap((part) => part.diagnostics)];
  if (builtIn.value === undefined || replaced.some(({ value }) => value === undefined)) {
    return { value: undefined, diagnostics };
  }
  return { value: Object.assign({}, builtIn.value, ...replaced.map(({ value }) => value)), diagnostics };
}

function namedTexts(sources: Readonly<Record<string, SourceText>>): ReadonlyMap<string, string> {
  return new Map(Object.values(sources).map(({ file, text }) => [file, text]));
}

async function readFolder(folder: string, ending: string, shown: string): Promise<Record<string, SourceText>> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith(ending)).sort();
  } catch {
    return {};
  }
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return Object.fromEntries(names.map((name, index) => [name, { file: `${shown}/${name}`, text: texts[index] ?? "" }]));
}
