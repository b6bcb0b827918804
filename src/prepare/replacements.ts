import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Diagnostic, diagnose, hasErrors, type Place } from "../core/diagnostic.ts";
import { TEMPLATE_NAMES } from "../core/render/render.ts";
import type { Templates } from "../core/render/rendered.ts";
import type { Presets } from "../core/resolve/presets.ts";
import type { LocatedPath, SourceText } from "../core/spec/spec.ts";
import { nearest } from "../core/spec/suggest.ts";
import { decodeUtf8 } from "../host/media/python-text.ts";
import { errorCode, fileProblem, readOpenFile } from "../host/read-file.ts";
import { readBuiltInPresets, readBuiltInTemplates } from "./built-in.ts";
import { PREPARE_CODES } from "./codes.ts";

/** The project's own templates and presets (`templates:`), laid over those that come with this installation. */

export interface TemplatesAndPresets {
  readonly templates: Templates;
  /** Undefined where a file of the project's own can't be used. */
  readonly presets: Presets | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** Every text read, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * The templates and presets that count. A file of the same name in `own` takes the place of a built-in one; the folder's
 * layout is that of `templates/`: `*.hbs`, and `presets/*.yaml`. `root` is absolute.
 */
export async function readTemplatesAndPresets(
  own: LocatedPath | undefined,
  root: string,
): Promise<TemplatesAndPresets> {
  const [templates, presets] = await Promise.all([readBuiltInTemplates(), readBuiltInPresets()]);
  // What a variable that is not set would name is nowhere; that it is not set is said where the file is read.
  if (own === undefined || own.unset.length > 0) {
    return { templates, presets: presets.value, diagnostics: presets.diagnostics, texts: namedTexts(templates) };
  }
  // Loaded only here: the built-in presets were read by the build.
  const { PRESET_FILES, readOwnPresetFile } = await import("../core/resolve/presets.ts");
  const folder = resolve(root, own.path);
  const ownTemplates = await readOwnFiles({
    folder,
    shown: own.path,
    known: Object.values(TEMPLATE_NAMES),
    place: own.place,
    ifMissing: "error",
  });
  const ownPresets = hasErrors(ownTemplates.diagnostics)
    ? NOTHING
    : await readOwnFiles({
        folder: join(folder, "presets"),
        shown: `${own.path}/presets`,
        known: PRESET_FILES,
        place: own.place,
        ifMissing: "nothing",
      });
  const parts = PRESET_FILES.flatMap((name) => {
    const source = ownPresets.files[name];
    return source === undefined ? [] : [readOwnPresetFile(name, source)];
  });
  const diagnostics = [
    ...presets.diagnostics,
    ...ownTemplates.diagnostics,
    ...ownPresets.diagnostics,
    ...parts.flatMap((part) => part.diagnostics),
  ];
  return {
    templates: { ...templates, ...ownTemplates.files },
    presets:
      presets.value === undefined || hasErrors(diagnostics)
        ? undefined
        : Object.assign({}, presets.value, ...parts.map(({ value }) => value)),
    diagnostics,
    texts: namedTexts({ ...templates, ...ownTemplates.files, ...ownPresets.files }),
  };
}

interface OwnFolder {
  /** Absolute, and as shown to people. */
  readonly folder: string;
  readonly shown: string;
  /** The names that replace something. */
  readonly known: readonly string[];
  /** Where the folder is named. */
  readonly place: Place;
  readonly ifMissing: "error" | "nothing";
}

interface OwnFiles {
  readonly files: Readonly<Record<string, SourceText>>;
  readonly diagnostics: readonly Diagnostic[];
}

const NOTHING: OwnFiles = { files: {}, diagnostics: [] };

async function readOwnFiles(own: OwnFolder): Promise<OwnFiles> {
  const unusable = (path: string, why: string) =>
    diagnose(PREPARE_CODES.ownUnreadable, `${path} cannot be used: ${why}. Correct \`templates\`, or the file.`, {
      at: own.place,
      path: "templates",
    });
  let names: readonly string[];
  try {
    names = (await readdir(own.folder)).sort();
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" && own.ifMissing === "nothing") return NOTHING;
    const why =
      code === "ENOENT"
        ? "there is no such folder"
        : code === "ENOTDIR"
          ? "it is not a folder"
          : fileProblem(error).text;
    return { files: {}, diagnostics: [unusable(own.shown, why)] };
  }
  const files: Record<string, SourceText> = {};
  const diagnostics: Diagnostic[] = names
    .filter((name) => /\.(?:hbs|ya?ml)$/.test(name) && !own.known.includes(name))
    .map((name) => replacesNothing(name, own));
  for (const name of own.known.filter((known) => names.includes(known))) {
    const file = `${own.shown}/${name}`;
    const read = await readText(join(own.folder, name));
    if ("why" in read) diagnostics.push(unusable(file, read.why));
    else files[name] = { file, text: read.text };
  }
  return { files, diagnostics };
}

function replacesNothing(name: string, { shown, known, place }: OwnFolder): Diagnostic {
  const near = nearest(name, known);
  const mend = near === undefined ? `The names here are ${known.join(", ")}` : `Did you mean ${near}?`;
  return diagnose(
    PREPARE_CODES.replacesNothing,
    `${shown}/${name} is not used. ${mend}${near === undefined ? "." : ""}`,
    {
      at: place,
      path: "templates",
    },
  );
}

/** More than any template or preset may have; what is larger is not even read. */
const MAX_BYTES = 4 * 1024 * 1024;

async function readText(path: string): Promise<{ readonly text: string } | { readonly why: string }> {
  const reading = await readOpenFile(path, async (handle, bytes) =>
    bytes > MAX_BYTES ? "too large" : { text: decodeUtf8(await handle.readFile()) },
  );
  if (reading.kind === "problem") return { why: reading.problem.text };
  if (reading.value === "too large") return { why: `it is larger than ${MAX_BYTES / 1024 / 1024} MiB` };
  const { text } = reading.value;
  return text === undefined ? { why: "it is not UTF-8 text" } : { text: text.replace(/^\uFEFF/, "") };
}

function namedTexts(sources: Readonly<Record<string, SourceText>>): ReadonlyMap<string, string> {
  return new Map(Object.values(sources).map(({ file, text }) => [file, text]));
}
