import type { ArgumentSurface, InstalledArguments } from "../facts.ts";
import type { Script } from "../vocabulary.ts";
import { SCRIPT_FILES } from "./argument-surface.ts";
import { type PythonToken, readPythonTokens } from "./python-tokens.ts";

/**
 * The arguments that an installed Musubi Tuner takes, read from the source of its parsers: from a script's `main` through
 * the functions that it hands its parser to. Nothing is run, and torch is not imported.
 */

/** Source text of a module of the package by its dotted name below it (`training.parser_common`); undefined where there is none. */
export type ReadModule = (module: string) => string | undefined;

const PACKAGE = "musubi_tuner";

export function readInstalledArguments(read: ReadModule): InstalledArguments {
  const modules = moduleReader(read);
  return {
    "cache-latents": argumentsOf("cache-latents", modules),
    "cache-text": argumentsOf("cache-text", modules),
    train: argumentsOf("train", modules),
  };
}

/** A module as far as parsers need it. */
interface Module {
  readonly name: string;
  readonly functions: ReadonlyMap<string, readonly PythonToken[]>;
  /** Names that it took from other modules of the package: a function's module and name, or a module alone. */
  readonly imports: ReadonlyMap<string, { readonly module: string; readonly name?: string }>;
}

type Modules = (name: string) => Module | undefined;

function moduleReader(read: ReadModule): Modules {
  const known = new Map<string, Module | undefined>();
  return (name) => {
    if (!known.has(name)) {
      const text = read(name);
      known.set(name, text === undefined ? undefined : readModule(name, readPythonTokens(text)));
    }
    return known.get(name);
  };
}

function readModule(name: string, tokens: readonly PythonToken[]): Module {
  return { name, functions: readFunctions(tokens), imports: readImports(tokens) };
}

/** Bodies of the functions that stand at a module's left margin. */
function readFunctions(tokens: readonly PythonToken[]): ReadonlyMap<string, readonly PythonToken[]> {
  const functions = new Map<string, readonly PythonToken[]>();
  const starts = tokens.flatMap(({ column }, index) => (column === 0 ? [index] : []));
  for (const [order, start] of starts.entries()) {
    const name = tokens[start + 1];
    if (tokens[start]?.text !== "def" || name?.kind !== "name") continue;
    // A closing bracket of its own head stands at the margin too.
    const next = starts.slice(order + 1).find((index) => tokens[index]?.kind !== "operator");
    functions.set(name.text, tokens.slice(start + 2, next));
  }
  return functions;
}

function readImports(tokens: readonly PythonToken[]): Module["imports"] {
  const imports = new Map<string, { module: string; name?: string }>();
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "name" || token.column !== 0) continue;
    if (token.text === "from") readFromImport(tokens, index + 1, imports);
    else if (token.text === "import") readPlainImport(tokens, index + 1, imports);
  }
  return imports;
}

function readDotted(tokens: readonly PythonToken[], from: number): { name: string; next: number } {
  let name = tokens[from]?.text ?? "";
  let next = from + 1;
  while (tokens[next]?.text === "." && tokens[next + 1]?.kind === "name") {
    name += `.${tokens[next + 1]?.text}`;
    next += 2;
  }
  return { name, next };
}

/** `musubi_tuner.training.parser_common` to `training.parser_common`; undefined for a module of another package. */
function belowPackage(name: string): string | undefined {
  if (name === PACKAGE) return "";
  return name.startsWith(`${PACKAGE}.`) ? name.slice(PACKAGE.length + 1) : undefined;
}

type MutableImports = Map<string, { module: string; name?: string }>;

function readFromImport(tokens: readonly PythonToken[], from: number, imports: MutableImports): void {
  const { name, next } = readDotted(tokens, from);
  const module = belowPackage(name);
  if (module === undefined || tokens[next]?.text !== "import") return;
  let at = tokens[next + 1]?.text === "(" ? next + 2 : next + 1;
  while (tokens[at]?.kind === "name" && (at === next + 1 || tokens[at]?.column !== 0)) {
    const imported = tokens[at]?.text ?? "";
    const renamed = tokens[at + 1]?.text === "as" ? tokens[at + 2]?.text : undefined;
    imports.set(renamed ?? imported, module === "" ? { module: imported } : { module, name: imported });
    at += renamed === undefined ? 1 : 3;
    if (tokens[at]?.text !== ",") break;
    at += 1;
  }
}

function readPlainImport(tokens: readonly PythonToken[], from: number, imports: MutableImports): void {
  const { name, next } = readDotted(tokens, from);
  const module = belowPackage(name);
  const renamed = tokens[next]?.text === "as" ? tokens[next + 1]?.text : undefined;
  if (module !== undefined && renamed !== undefined) imports.set(renamed, { module });
}

function argumentsOf(script: Script, modules: Modules): ReadonlyMap<string, ArgumentSurface> | undefined {
  const module = modules(SCRIPT_FILES[script].replace(/\.py$/, ""));
  const main = module?.functions.get("main");
  if (module === undefined || main === undefined) return undefined;
  const found = new Map<string, ArgumentSurface>();
  const whole = collect(module, main, { modules, found, visited: new Set() });
  return whole && found.size > 0 ? found : undefined;
}

interface Collecting {
  readonly modules: Modules;
  readonly found: Map<string, ArgumentSurface>;
  readonly visited: Set<string>;
}

/** What a parser is called in all of these functions. */
const PARSER = "parser";

/** Takes up the arguments that a function adds, and those of the functions that it hands the parser to. False where one is not found. */
function collect(module: Module, body: readonly PythonToken[], collecting: Collecting): boolean {
  let whole = true;
  for (const [index, token] of body.entries()) {
    if (token.text !== "(" || token.kind !== "operator") continue;
    const callee = calleeBefore(body, index);
    if (callee === undefined) continue;
    if (callee.at(-1) === "add_argument") {
      addArgument(splitCall(body, index), collecting.found);
      continue;
    }
    const makes = body[index - callee.length * 2]?.text === "=" && body[index - callee.length * 2 - 1]?.text === PARSER;
    const takes = body[index + 1]?.text === PARSER && (body[index + 2]?.text === ")" || body[index + 2]?.text === ",");
    if ((makes || takes) && callee[0] !== "argparse" && callee[0] !== PARSER) {
      whole = follow(module, callee, collecting) && whole;
    }
  }
  return whole;
}

/** The dotted name before a bracket, in parts. */
function calleeBefore(body: readonly PythonToken[], bracket: number): readonly string[] | undefined {
  const parts: string[] = [];
  let at = bracket - 1;
  while (body[at]?.kind === "name") {
    parts.unshift(body[at]?.text ?? "");
    if (body[at - 1]?.text !== ".") break;
    at -= 2;
  }
  return parts.length === 0 ? undefined : parts;
}

/** Functions that only read what was parsed. */
const READERS = /^(?:read_config_from_file|parse_args|print|len)$/;

function follow(module: Module, callee: readonly string[], collecting: Collecting): boolean {
  const [first = "", second] = callee;
  if (READERS.test(callee.at(-1) ?? "")) return true;
  const own = callee.length === 1 ? module.functions.get(first) : undefined;
  if (own !== undefined) return enter(module, first, own, collecting);
  const imported = module.imports.get(first);
  const name = callee.length === 1 ? imported?.name : second;
  const elsewhere = imported === undefined ? undefined : collecting.modules(imported.module);
  if (elsewhere === undefined || name === undefined) return false;
  const body = elsewhere.functions.get(name);
  // Taken from a module that took it from another.
  return body === undefined ? follow(elsewhere, [name], collecting) : enter(elsewhere, name, body, collecting);
}

function enter(module: Module, name: string, body: readonly PythonToken[], collecting: Collecting): boolean {
  const key = `${module.name}.${name}`;
  if (collecting.visited.has(key)) return true;
  collecting.visited.add(key);
  return collect(module, body, collecting);
}

/** A call's arguments, each a list of tokens. */
function splitCall(body: readonly PythonToken[], bracket: number): readonly (readonly PythonToken[])[] {
  const parts: PythonToken[][] = [[]];
  let depth = 0;
  for (const token of body.slice(bracket + 1)) {
    const { kind, text } = token;
    if (kind === "operator" && "([{".includes(text)) depth += 1;
    if (kind === "operator" && ")]}".includes(text)) depth -= 1;
    if (depth < 0) break;
    if (kind === "operator" && text === "," && depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.filter((part) => part.length > 0);
}

function addArgument(call: readonly (readonly PythonToken[])[], found: Map<string, ArgumentSurface>): void {
  const names: string[] = [];
  const keywords = new Map<string, readonly PythonToken[]>();
  for (const part of call) {
    const [first, second] = part;
    if (first?.kind === "string") names.push(first.text);
    else if (first?.kind === "name" && second?.text === "=") keywords.set(first.text, part.slice(2));
  }
  const action = keywords.get("action")?.[0]?.text;
  const choices = choicesOf(keywords.get("choices"));
  const surface: ArgumentSurface = {
    kind: action?.startsWith("store_") ? "flag" : keywords.get("nargs")?.[0]?.text === "*" ? "list" : "value",
    type: typeOf(keywords.get("type")?.[0]?.text),
    ...(choices === undefined ? {} : { choices }),
    required: keywords.get("required")?.[0]?.text === "True",
  };
  for (const name of names) if (name.startsWith("--")) found.set(name, surface);
}

function typeOf(name: string | undefined): ArgumentSurface["type"] {
  const known = name?.replace(/^_/, "");
  return known === "int" || known === "float" || known === "int_or_float" ? known : "string";
}

/** Choices that are written out; undefined where they are computed. */
function choicesOf(tokens: readonly PythonToken[] | undefined): readonly string[] | undefined {
  if (tokens === undefined || tokens[0]?.text !== "[") return undefined;
  const inside = tokens.slice(1, -1);
  const literal = inside.every(({ kind, text }) => kind === "string" || text === ",");
  return literal ? inside.flatMap(({ kind, text }) => (kind === "string" ? [text] : [])) : undefined;
}
