import { parseSync, Visitor } from "oxc-parser";

/** What a source file takes from outside itself, whatever form it is written in. */

/** A module that a file names; `undefined` where the name is computed. */
export interface Reference {
  readonly line: number;
  readonly specifier: string | undefined;
}

/** Something else that a file takes for granted: a name that it declares to be there, or a comment to the compiler. */
export interface Assumption {
  readonly line: number;
  readonly text: string;
}

export interface Source {
  readonly references: readonly Reference[];
  readonly declared: readonly Assumption[];
  readonly directives: readonly Assumption[];
}

/** Reads imports, exports from, dynamic imports, import types, `require`, ambient declarations and compiler directives. */
export function readSource(file: string, text: string): Source {
  const { program, comments, errors } = parseSync(file, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file}: ${error.message}`);
  const references: Reference[] = [];
  const declared: Assumption[] = [];
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const refer = ({ start }: Spanned, target: unknown) =>
    references.push({ line: lineAt(start), specifier: literalText(target) });
  const declare = (node: Spanned & { readonly declare?: boolean | undefined }) => {
    if (node.declare === true) declared.push({ line: lineAt(node.start), text: text.slice(node.start, node.end) });
  };
  new Visitor({
    ImportDeclaration: (node) => refer(node, node.source),
    ExportAllDeclaration: (node) => refer(node, node.source),
    ExportNamedDeclaration: (node) => node.source !== null && refer(node, node.source),
    ImportExpression: (node) => refer(node, node.source),
    TSImportType: (node) => refer(node, node.source),
    TSExternalModuleReference: (node) => refer(node, node.expression),
    CallExpression: (node) =>
      node.callee.type === "Identifier" && node.callee.name === "require" && refer(node, node.arguments[0]),
    VariableDeclaration: declare,
    FunctionDeclaration: declare,
    TSDeclareFunction: declare,
    ClassDeclaration: declare,
    TSEnumDeclaration: declare,
    TSModuleDeclaration: declare,
  }).visit(program);
  const directives = comments
    .filter(({ value }) => /^\/\s*</.test(value) || /^[\s/*]*@ts-/.test(value))
    .map(({ start, end }) => ({ line: lineAt(start), text: text.slice(start, end) }));
  return { references, declared, directives };
}

interface Spanned {
  readonly start: number;
  readonly end: number;
}

function literalText(node: unknown): string | undefined {
  if (typeof node !== "object" || node === null || !("type" in node)) return undefined;
  if ("value" in node && typeof node.value === "string") return node.value;
  return "literal" in node ? literalText(node.literal) : undefined;
}
