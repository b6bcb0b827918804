import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { joinPath } from "../core/paths.ts";
import { readAddress } from "../core/spec/cell.ts";
import { lockFileOf } from "../core/spec/lock-file.ts";
import type { Spec } from "../core/spec/spec.ts";
import { PROJECT_FILE } from "../host/project.ts";

/** Everything of the project whose text a plan is read from: files from the root, whether or not they are there. */
export async function sourceTexts(spec: Spec, root: string): Promise<readonly string[]> {
  const own = spec.templatesDir?.path;
  const found = own === undefined ? [] : await readdir(resolve(root, own), { recursive: true }).catch(() => []);
  const templates = found
    .filter((name) => /\.(?:hbs|ya?ml)$/.test(name))
    .map((name) => joinPath(own ?? ".", name.replaceAll("\\", "/")));
  return [...spec.files.map((file) => readAddress(file).file), PROJECT_FILE, lockFileOf(spec), ...templates];
}
