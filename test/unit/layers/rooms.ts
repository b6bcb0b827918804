import { posix } from "node:path";
import { type Reference, readSource } from "./source.ts";

/** Who may import whom, as docs/ARCHITECTURE.md has it, and what no file of `src/` may do to get around it. */

export interface Room {
  /** Other rooms; `core` stands for all of its own. */
  readonly rooms: readonly string[];
  /** Packages, with what lies in them; `node:*` for what Node brings along. */
  readonly packages: readonly string[];
}

export const ROOMS: Readonly<Record<string, Room>> = {
  "core/*.ts": { rooms: [], packages: ["zod"] },
  "core/trainer": { rooms: ["core/*.ts"], packages: ["smol-toml", "zod"] },
  "core/spec": { rooms: ["core/*.ts", "core/trainer"], packages: ["yaml", "zod"] },
  "core/resolve": { rooms: ["core/*.ts", "core/trainer", "core/spec"], packages: ["zod"] },
  "core/check": { rooms: ["core/*.ts", "core/trainer", "core/spec", "core/resolve"], packages: ["smol-toml"] },
  "core/render": {
    rooms: ["core/*.ts", "core/trainer", "core/spec", "core/resolve"],
    packages: ["handlebars", "smol-toml"],
  },
  "core/doctor": {
    rooms: ["core/*.ts", "core/trainer", "core/spec", "core/resolve", "core/check"],
    packages: [],
  },
  "core/state": { rooms: ["core/*.ts"], packages: ["zod"] },
  "core/plan": {
    rooms: ["core/*.ts", "core/trainer", "core/spec", "core/resolve", "core/render", "core/state"],
    packages: ["zod"],
  },
  "core/lock": {
    rooms: ["core/*.ts", "core/trainer", "core/spec", "core/plan"],
    packages: ["zod"],
  },
  "core/provenance": {
    rooms: ["core/*.ts", "core/trainer", "core/spec", "core/plan", "core/state"],
    packages: ["zod"],
  },
  host: {
    rooms: ["core"],
    packages: ["node:*", "chokidar", "execa", "image-size", "mediabunny", "p-limit", "smol-toml", "zod"],
  },
  prepare: { rooms: ["core", "host"], packages: ["node:*"] },
  execute: { rooms: ["core", "host", "prepare"], packages: ["node:*", "p-limit"] },
  views: { rooms: ["core"], packages: ["listr2"] },
  commands: { rooms: ["core", "host", "prepare", "execute", "views"], packages: ["node:*", "zod"] },
  "cli.ts": { rooms: ["core", "commands"], packages: ["commander"] },
};

/** Packages that one file alone knows. */
const ONLY_IN: Readonly<Record<string, string>> = { listr2: "src/views/human/drawn-list.ts" };

/** Ways to load a module, or to end the process, that no wall would see. */
const NOWHERE: readonly string[] = ["node:module", "node:process", "node:vm"];

/** Names that are there without an import: what the build puts in, and the types of a file of a package. */
const AMBIENT: Readonly<Record<string, RegExp>> = {
  "src/cli.ts": /^declare const WAN22_VERSION: /,
  "src/prepare/built-in.ts": /^declare const WAN22_(?:PRESETS|TEMPLATES): /,
  "src/core/render/handlebars.d.ts": /^declare module "handlebars\/dist\/cjs\/handlebars\.js" /,
};

/** The room of a file; undefined for one that stands in none. */
function roomOf(file: string): string | undefined {
  const [top, first = "", second] = file.split("/");
  if (top !== "src") return undefined;
  const room =
    first !== "core" ? first : second === undefined || /\.\w+$/.test(second) ? "core/*.ts" : `core/${second}`;
  return Object.hasOwn(ROOMS, room) ? room : undefined;
}

/** Everything that a file does and its room may not, a sentence each. Files are named from the project's root. */
export function judgeFile(file: string, text: string): readonly string[] {
  const room = roomOf(file);
  if (room === undefined) return [`${file} stands in no room: give its folder a row first`];
  const { references, declared, directives } = readSource(file, text);
  const ambient = declared.filter((one) => AMBIENT[file]?.test(one.text) !== true);
  return [
    ...references.flatMap((reference) => judgeReference(file, room, reference)),
    ...ambient.map(({ line, text: name }) => `${file}:${line} declares what it does not import: ${name}`),
    ...(file.endsWith(".d.ts") && AMBIENT[file] === undefined ? [`${file} declares for every file`] : []),
    ...directives.map(({ line, text: directive }) => `${file}:${line} tells the compiler ${directive}`),
  ];
}

function judgeReference(file: string, room: string, { line, specifier }: Reference): readonly string[] {
  const at = `${file}:${line}`;
  if (specifier === undefined) return [`${at} imports what is only known when it runs`];
  if (!specifier.startsWith(".")) return allowsPackage(file, room, specifier) ? [] : [`${at} imports ${specifier}`];
  const target = posix.join(posix.dirname(file), specifier);
  const other = roomOf(target);
  if (other === undefined) return [`${at} imports ${target}, which stands in no room`];
  const { rooms = [] } = ROOMS[room] ?? {};
  return other === room || rooms.some((one) => other === one || other.startsWith(`${one}/`))
    ? []
    : [`${at} imports ${target}`];
}

function allowsPackage(file: string, room: string, specifier: string): boolean {
  if (NOWHERE.includes(specifier)) return false;
  const name = specifier.startsWith("node:") ? "node:*" : packageOf(specifier);
  const only = ONLY_IN[name];
  return ROOMS[room]?.packages.includes(name) === true && (only === undefined || only === file);
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
