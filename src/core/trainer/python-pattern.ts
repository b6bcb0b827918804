/**
 * Regular expressions as Python's `re.fullmatch` takes them, as far as patterns of layer names go. They come from users, so
 * they are never given to an engine that goes back without end, as JavaScript's and Python's do on `(.*.*)*Z`: a match takes
 * time in proportion to pattern and text.
 */

export interface PythonPattern {
  readonly matchesWhole: (text: string) => boolean;
  /** Whether Python, which tries one way after the other, would try for too long on one name among hundreds. */
  readonly isEndless: (text: string) => boolean;
}

/** Python takes some hundredths of a second for so many. */
const MOST_STEPS = 1_000_000;

/** The pattern; undefined for syntax that is not known here (flags, references, lookbehind), or that Python refuses too. */
export function readPythonPattern(source: string): PythonPattern | undefined {
  const reader: Reader = { source, at: 0 };
  const whole = readAlternatives(reader, 0);
  if (whole === undefined || reader.at < source.length) return undefined;
  const program: Program = { instructions: [], groups: [] };
  const start = compileGroup(program, whole, "end");
  if (program.instructions.length > MAX_INSTRUCTIONS) return undefined;
  return {
    matchesWhole: (text) => matchesFrom(program, text)[0]?.[start] === true,
    isEndless: (text) => needsMoreSteps(program, start, text, MOST_STEPS),
  };
}

type Predicate = (character: string) => boolean;

/** A pattern as a tree. */
type Node =
  | { readonly kind: "character"; readonly fits: Predicate }
  | { readonly kind: "sequence" | "either"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number }
  | { readonly kind: "edge"; readonly edge: "start" | "end" }
  | { readonly kind: "ahead"; readonly node: Node; readonly wanted: boolean };

/** A pattern as instructions, each with the next ones to try. A look ahead matches anywhere, the whole at the text's end. */
type Instruction =
  | { readonly kind: "match"; readonly where: "anywhere" | "end" }
  | { readonly kind: "character"; readonly fits: Predicate; readonly next: number }
  | { readonly kind: "try"; readonly nexts: readonly number[] }
  /** Round again, or on; and the way into it, from where every round is the first. */
  | { readonly kind: "loop"; readonly again: number; readonly next: number }
  | { readonly kind: "enter"; readonly next: number }
  | { readonly kind: "edge"; readonly edge: "start" | "end"; readonly next: number }
  | { readonly kind: "ahead"; readonly inside: number; readonly wanted: boolean; readonly next: number };

interface Reader {
  readonly source: string;
  at: number;
}

interface Program {
  readonly instructions: Instruction[];
  /** Where the instructions of each look ahead begin and end, the inner ones first; those of the whole last. */
  readonly groups: (readonly [from: number, to: number])[];
}

/** Far more than any pattern of names needs; larger ones are not read. */
const MAX_DEPTH = 50;
const MAX_REPEATS = 100;
const MAX_INSTRUCTIONS = 300;

function readAlternatives(reader: Reader, depth: number): Node | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const nodes: Node[] = [];
  do {
    if (nodes.length > 0) reader.at += 1;
    const sequence = readSequence(reader, depth);
    if (sequence === undefined) return undefined;
    nodes.push(sequence);
  } while (reader.source[reader.at] === "|");
  return { kind: "either", nodes };
}

function readSequence(reader: Reader, depth: number): Node | undefined {
  const nodes: Node[] = [];
  for (;;) {
    const next = reader.source[reader.at];
    if (next === undefined || next === "|" || next === ")") return { kind: "sequence", nodes };
    const atom = readAtom(reader, depth);
    const node = atom === undefined ? undefined : readRepeat(reader, atom);
    if (node === undefined) return undefined;
    nodes.push(node);
  }
}

function readAtom(reader: Reader, depth: number): Node | undefined {
  const { source } = reader;
  const character = source[reader.at] ?? "";
  reader.at += 1;
  switch (character) {
    case ".":
      return { kind: "character", fits: (text) => text !== "\n" };
    case "^":
      return { kind: "edge", edge: "start" };
    case "$":
      return { kind: "edge", edge: "end" };
    case "[":
      return readClass(reader);
    case "(":
      return readGroup(reader, depth);
    case "\\": {
      const fits = readEscape(reader);
      return fits === undefined ? undefined : { kind: "character", fits };
    }
    case "*":
    case "+":
    case "?":
      return undefined;
    default:
      return { kind: "character", fits: (text) => text === character };
  }
}

function readGroup(reader: Reader, depth: number): Node | undefined {
  const mark = /^\?[:=!]/.exec(reader.source.slice(reader.at, reader.at + 2))?.[0];
  if (mark === undefined && reader.source[reader.at] === "?") return undefined;
  reader.at += mark?.length ?? 0;
  const node = readAlternatives(reader, depth + 1);
  if (node === undefined || reader.source[reader.at] !== ")") return undefined;
  reader.at += 1;
  return mark === "?=" || mark === "?!" ? { kind: "ahead", node, wanted: mark === "?=" } : node;
}

const CLASSES: Readonly<Record<string, Predicate>> = {
  d: (text) => /\d/.test(text),
  w: (text) => /\w/.test(text),
  s: (text) => /\s/.test(text),
  D: (text) => !/\d/.test(text),
  W: (text) => !/\w/.test(text),
  S: (text) => !/\s/.test(text),
};
const CONTROLS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v" };

/** What stands after a backslash; letters and digits with another meaning are not read. */
function readEscape(reader: Reader): Predicate | undefined {
  const character = reader.source[reader.at];
  if (character === undefined) return undefined;
  reader.at += 1;
  if (Object.hasOwn(CLASSES, character)) return CLASSES[character];
  const control = Object.hasOwn(CONTROLS, character) ? CONTROLS[character] : undefined;
  if (control === undefined && /[A-Za-z0-9]/.test(character)) return undefined;
  return (text) => text === (control ?? character);
}

function readClass(reader: Reader): Node | undefined {
  const { source } = reader;
  const isNegated = source[reader.at] === "^";
  if (isNegated) reader.at += 1;
  const fits: Predicate[] = [];
  for (let isFirst = true; isFirst || source[reader.at] !== "]"; isFirst = false) {
    const from = source[reader.at];
    if (from === undefined) return undefined;
    reader.at += 1;
    if (from === "\\") {
      const escaped = readEscape(reader);
      // A range that begins with an escape is rare enough to be left to Python.
      if (escaped === undefined || (source[reader.at] === "-" && source[reader.at + 1] !== "]")) return undefined;
      fits.push(escaped);
      continue;
    }
    const to = source[reader.at + 1];
    if (source[reader.at] !== "-" || to === undefined || to === "]") {
      fits.push((text) => text === from);
      continue;
    }
    if (to === "\\" || to < from) return undefined;
    reader.at += 2;
    fits.push((text) => text >= from && text <= to);
  }
  reader.at += 1;
  return { kind: "character", fits: (text) => fits.some((one) => one(text)) !== isNegated };
}

const QUANTIFIER = /(?:(?<sign>[*+?])|\{(?<min>\d{0,4})(?<comma>,)?(?<max>\d{0,4})\})(?<lazy>\??)/y;

function readRepeat(reader: Reader, node: Node): Node | undefined {
  QUANTIFIER.lastIndex = reader.at;
  const found = QUANTIFIER.exec(reader.source)?.groups;
  const { sign, min = "", comma, max = "" } = found ?? {};
  // `{}` and a brace that counts nothing are themselves.
  if (found === undefined || (sign === undefined && min === "" && max === "" && comma === undefined)) return node;
  reader.at = QUANTIFIER.lastIndex;
  // A second quantifier is Python's possessive form, or refused.
  if (/^[*+?{]/.test(reader.source.slice(reader.at, reader.at + 1))) return undefined;
  if (node.kind === "edge" || node.kind === "ahead") return undefined;
  if (sign !== undefined) {
    return { kind: "repeat", node, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Number.POSITIVE_INFINITY };
  }
  const least = Number(min);
  const most = comma === undefined ? least : max === "" ? Number.POSITIVE_INFINITY : Number(max);
  const isBounded = least <= MAX_REPEATS && (most === Number.POSITIVE_INFINITY || most <= MAX_REPEATS);
  return isBounded && least <= most ? { kind: "repeat", node, min: least, max: most } : undefined;
}

/** Compiles what ends in a match of its own, and gives where it begins. */
function compileGroup(program: Program, node: Node, where: "anywhere" | "end"): number {
  const from = program.instructions.length;
  const start = compile(program, node, add(program, { kind: "match", where }));
  program.groups.push([from, program.instructions.length]);
  return start;
}

function add({ instructions }: Program, instruction: Instruction): number {
  instructions.push(instruction);
  return instructions.length - 1;
}

/** Appends what a node does before `next`, and gives where it begins. Greedy and lazy match the same texts as a whole. */
function compile(program: Program, node: Node, next: number): number {
  if (program.instructions.length > MAX_INSTRUCTIONS) return next;
  switch (node.kind) {
    case "character":
    case "edge":
      return add(program, { ...node, next });
    case "sequence":
      return node.nodes.reduceRight((following, part) => compile(program, part, following), next);
    case "either":
      return add(program, { kind: "try", nexts: node.nodes.map((part) => compile(program, part, next)) });
    case "ahead":
      return add(program, {
        kind: "ahead",
        inside: compileGroup(program, node.node, "anywhere"),
        wanted: node.wanted,
        next,
      });
    case "repeat":
      return compileRepeat(program, node, next);
  }
}

function compileRepeat(program: Program, { node, min, max }: Extract<Node, { kind: "repeat" }>, next: number): number {
  let start = next;
  if (max === Number.POSITIVE_INFINITY) {
    const loop = add(program, { kind: "loop", again: next, next });
    program.instructions[loop] = { kind: "loop", again: compile(program, node, loop), next };
    start = add(program, { kind: "enter", next: loop });
  } else {
    for (let count = min; count < max; count += 1) {
      start = add(program, { kind: "try", nexts: [compile(program, node, start), next] });
    }
  }
  for (let count = 0; count < min; count += 1) start = compile(program, node, start);
  return start;
}

/** Whether the rest of the text matches, by position and instruction. */
type Matches = readonly (readonly boolean[])[];

function matchesFrom({ instructions, groups }: Program, text: string): Matches {
  const found: boolean[][] = [];
  for (let at = text.length; at >= 0; at -= 1) {
    const here: boolean[] = instructions.map(() => false);
    found[at] = here;
    for (const [from, to] of groups) {
      // What a loop leads back to is not known at once.
      for (let changed = true; changed; ) {
        changed = false;
        for (let index = from; index < to; index += 1) {
          const instruction = instructions[index];
          if (here[index] === true || instruction === undefined || !matchesHere(instruction, { text, at, found }))
            continue;
          here[index] = true;
          changed = true;
        }
      }
    }
  }
  return found;
}

interface Standing {
  readonly text: string;
  readonly at: number;
  readonly found: Matches;
}

function matchesHere(instruction: Instruction, { text, at, found }: Standing): boolean {
  const here = found[at] ?? [];
  switch (instruction.kind) {
    case "match":
      return instruction.where === "anywhere" || at === text.length;
    case "character": {
      const character = text[at];
      return character !== undefined && instruction.fits(character) && found[at + 1]?.[instruction.next] === true;
    }
    case "try":
      return instruction.nexts.some((next) => here[next] === true);
    case "loop":
      return here[instruction.again] === true || here[instruction.next] === true;
    case "enter":
      return here[instruction.next] === true;
    case "edge":
      return (instruction.edge === "start" ? at === 0 : at === text.length) && here[instruction.next] === true;
    case "ahead":
      return (here[instruction.inside] === true) === instruction.wanted && here[instruction.next] === true;
  }
}

/** A way that is still to be tried: the next instruction, the place in the text, and the loops begun at that place. */
interface Way {
  readonly index: number;
  readonly at: number;
  readonly begun: readonly number[];
}

/** Whether an engine that tries one way after the other, and goes back where it fails, needs more steps than `most`. */
function needsMoreSteps({ instructions }: Program, start: number, text: string, most: number): boolean {
  let steps = 0;
  const search = (from: number, place: number): boolean => {
    const ways: Way[] = [{ index: from, at: place, begun: [] }];
    for (let way = ways.pop(); way !== undefined && steps <= most; way = ways.pop()) {
      steps += 1;
      const instruction = instructions[way.index];
      const { at } = way;
      if (instruction === undefined) continue;
      switch (instruction.kind) {
        case "match":
          if (instruction.where === "anywhere" || at === text.length) return true;
          break;
        case "character":
          if (at < text.length && instruction.fits(text[at] ?? "")) {
            ways.push({ index: instruction.next, at: at + 1, begun: [] });
          }
          break;
        case "try":
          for (const next of instruction.nexts.toReversed()) ways.push({ ...way, index: next });
          break;
        case "enter":
          ways.push({ index: instruction.next, at, begun: way.begun.filter((loop) => loop !== instruction.next) });
          break;
        case "loop":
          ways.push({ ...way, index: instruction.next });
          // After a round that took no character no engine goes round again.
          if (!way.begun.includes(way.index)) {
            ways.push({ index: instruction.again, at, begun: [...way.begun, way.index] });
          }
          break;
        case "edge":
          if (at === (instruction.edge === "start" ? 0 : text.length)) ways.push({ ...way, index: instruction.next });
          break;
        case "ahead":
          if (search(instruction.inside, at) === instruction.wanted) ways.push({ ...way, index: instruction.next });
          break;
      }
    }
    return false;
  };
  search(start, 0);
  return steps > most;
}
