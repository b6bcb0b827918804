import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Outcome } from "../core/diagnostic.ts";
import type { Templates } from "../core/render/rendered.ts";
import type { Presets } from "../core/resolve/presets.ts";
import type { SourceText } from "../core/spec/spec.ts";

/** What this installation brings along. */

/** The built-in presets and templates as the build read them; not there where the sources run without a build. */
declare const WAN22_PRESETS: Presets | undefined;
declare const WAN22_TEMPLATES: Templates | undefined;

/** The folder of this installation: the one above the bundle, and above `src/`. */
export function installationFolder(): string {
  const folder = dirname(fileURLToPath(import.meta.url));
  // The bundle lies in dist/, this module in src/prepare/.
  return folder.endsWith("prepare") ? dirname(dirname(folder)) : dirname(folder);
}

/** The templates that the dataset TOML and the arguments are written with, by name (`train.args.hbs`). */
export async function readBuiltInTemplates(): Promise<Templates> {
  return typeof WAN22_TEMPLATES !== "undefined" ? WAN22_TEMPLATES : readFolder("templates", ".hbs");
}

/** Figures of the manual, as they come with this installation. */
export async function readBuiltInPresets(): Promise<Outcome<Presets>> {
  if (typeof WAN22_PRESETS !== "undefined") return { value: WAN22_PRESETS, diagnostics: [] };
  // Loaded only where the build has not read them: the reader costs more than a plan does.
  const { readPresets } = await import("../core/resolve/presets.ts");
  return readPresets(await readFolder("templates/presets", ".yaml"));
}

/** `folder` inside the installation, which is whole: whatever can't be read there is a bug. */
async function readFolder(folder: string, ending: string): Promise<Readonly<Record<string, SourceText>>> {
  const path = join(installationFolder(), folder);
  const names = (await readdir(path)).filter((name) => name.endsWith(ending)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(path, name), "utf8")));
  return Object.fromEntries(
    names.map((name, index) => [name, { file: `${folder}/${name}`, text: texts[index] ?? "" }]),
  );
}
