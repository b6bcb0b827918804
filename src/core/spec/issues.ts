import type * as z from "zod";
import { type Diagnostic, diagnose, type SourceRange } from "../diagnostic.ts";
import { groupDigits } from "../digits.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { type FieldWords, fieldAt, isOptionalAt } from "./field.ts";
import { FILE_VERSION } from "./shape.ts";
import { nearest } from "./suggest.ts";
import { trainerRefusal } from "./trainer-refusals.ts";
import { explainUnknownKey, type FileKind, type KeyFinding } from "./unknown-key.ts";
import { hintFor, keyPrefix, type Misfit } from "./value-hints.ts";
import { dotted, entryAt, type KeyPath, nodeAt, placeAt, type YamlNode, type YamlScalar } from "./yaml-tree.ts";

/** zod's findings as diagnostics. zod says that a value does not fit and where; the words come from the fields. */

/** More than these would not be read, and each costs time to explain. */
const MAX_ISSUES = 100;

/** A file that was read, with the shape it should have. */
export interface ShapedFile {
  readonly file: string;
  /** Every file that a value may stand in: its own first, then those that it extends. */
  readonly files: readonly string[];
  readonly kind: FileKind;
  readonly shape: z.ZodType;
  readonly root: YamlNode;
  /** Offsets by file after which the tree is a guess; see `YamlFile`. */
  readonly trustedUntil: ReadonlyMap<string, number>;
  /** Whether all that it extends could be read. */
  readonly isWhole: boolean;
}

/** Diagnoses the issues that concern a part of the file that was read as it was meant, as many as are explained; `more` counts the others. */
export function diagnoseIssues(
  file: ShapedFile,
  issues: readonly z.core.$ZodIssue[],
): { readonly diagnostics: readonly Diagnostic[]; readonly more: number } {
  const flat = issues.flatMap((issue) => flatten(issue, file));
  const trusted = flat.filter((issue) =>
    isTrusted(file, issue.unknownKey === undefined ? issue.path : [...issue.path, issue.unknownKey]),
  );
  return {
    diagnostics: trusted.slice(0, MAX_ISSUES).flatMap((issue) => diagnoseIssue(file, issue)),
    more: Math.max(0, trusted.length - MAX_ISSUES),
  };
}

interface FlatIssue {
  readonly code: z.core.$ZodIssue["code"];
  readonly path: KeyPath;
  /** An unknown key of the map at `path`. */
  readonly unknownKey?: string;
}

/** An issue for each unknown key, and for a union those of the alternative that was meant. */
function flatten(issue: z.core.$ZodIssue, file: ShapedFile, parent: KeyPath = []): FlatIssue[] {
  const path = [...parent, ...(issue.path as KeyPath)];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((unknownKey) => ({ code: issue.code, path, unknownKey }));
  }
  if (issue.code === "invalid_union") {
    const meant = issue.errors.find((alternative) => !alternative.some(isOtherKind));
    if (meant !== undefined && meant.length > 0) return meant.flatMap((inner) => flatten(inner, file, path));
  }
  return [{ code: issue.code, path }];
}

/** An alternative of a union that the value does not even resemble. */
function isOtherKind(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

/**
 * After a syntax error the parser guesses. What ends before it counts: the whole top-level entry must,
 * since the error may have been caused by a quote or bracket in it. Missing keys of the root may stand after it.
 */
export function isTrusted(file: ShapedFile, path: KeyPath): boolean {
  const node = nodeAt(file.root, path);
  if (node === undefined && !file.isWhole) return false;
  if (file.trustedUntil.size === 0) return true;
  const top = path[0];
  const entry = typeof top === "string" ? entryAt(file.root, [top]) : undefined;
  if (entry === undefined || node === undefined) return entry !== undefined && isReadAsMeant(file, entry.node);
  return isReadAsMeant(file, entry.node) && (node.file === entry.node.file || !file.trustedUntil.has(node.file));
}

function isReadAsMeant({ trustedUntil }: ShapedFile, { file, span }: YamlNode): boolean {
  const until = trustedUntil.get(file);
  return until === undefined || span[1] < until;
}

function diagnoseIssue(file: ShapedFile, issue: FlatIssue): Diagnostic[] {
  const { path } = issue;
  if (issue.unknownKey !== undefined) return [unknownKey(file, path, issue.unknownKey)];
  const node = nodeAt(file.root, path);
  if (node === undefined) return [missingKey(file, path)];
  if (node.kind === "unreadable") return [];
  const words = fieldAt(file.shape, path);
  const finding = path.length === 1 && path[0] === "version" ? explainVersion(node) : undefined;
  const { kind, detail } = finding ?? explainValue({ node, path, words, code: issue.code, shape: file.shape });
  return [
    diagnose(kind, detail, { at: { file: node.file, range: rangeOfValue(file, path, node) }, path: dotted(path) }),
  ];
}

function unknownKey(file: ShapedFile, parent: KeyPath, key: string): Diagnostic {
  const path = [...parent, key];
  const entry = entryAt(file.root, path);
  const value = entry?.node.kind === "scalar" ? entry.node.value : undefined;
  const { kind, detail } = explainUnknownKey({ file: file.kind, path: parent, key, value });
  return diagnose(kind, detail, {
    at: entry === undefined ? { file: file.file } : { file: entry.node.file, range: entry.keyRange },
    path: dotted(path),
  });
}

function missingKey(file: ShapedFile, path: KeyPath): Diagnostic {
  const words = fieldAt(file.shape, path);
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const where = parent.length === 0 ? "The file" : `\`${shown(parent)}\``;
  const wanted = words === undefined ? "" : `, ${words.expected}`;
  const example = words?.example === undefined ? "" : ` For example \`${key}: ${words.example}\`.`;
  const entry = entryAt(file.root, parent);
  const at = entry === undefined ? placeAt(file.root, parent) : { file: entry.node.file, range: entry.keyRange };
  const isBase =
    parent.length === 0 && key === "name" ? " A file that others extend needs none, and is no pipeline." : "";
  return diagnose(SPEC_CODES.missingKey, `${where} lacks \`${key}\`${wanted}. Add it.${example}${isBase}`, {
    at,
    path: dotted(path),
  });
}

/** The value, or the key where there is no value to mark. */
function rangeOfValue(file: ShapedFile, path: KeyPath, node: YamlNode): SourceRange {
  const entry = entryAt(file.root, path);
  if (node.kind === "scalar") return node.value === null ? (entry?.keyRange ?? node.range) : node.range;
  return node.range.line === node.range.end_line ? node.range : (entry?.keyRange ?? placeAt(file.root, path).range);
}

function explainVersion(node: YamlNode): KeyFinding | undefined {
  if (node.kind !== "scalar") return undefined;
  const version = typeof node.value === "string" ? Number(node.value) : node.value;
  if (typeof version !== "number" || !(version > FILE_VERSION)) return undefined;
  return {
    kind: SPEC_CODES.newerVersion,
    detail: `This file says \`version: ${node.written}\`; this wan22 reads version ${FILE_VERSION}. Update wan22, or write \`version: ${FILE_VERSION}\` and use the keys of that version.`,
  };
}

function explainValue(misfit: Misfit): KeyFinding {
  const { node, path, words, code, shape } = misfit;
  const name = shown(path);
  const expected = words?.expected ?? "another kind of value";
  const example = words?.example === undefined ? "" : ` For example \`${keyPrefix(path)}${words.example}\`.`;
  if (node.kind === "scalar" && node.value === null) {
    return {
      kind: SPEC_CODES.emptyValue,
      detail: `\`${name}\` has no value. Write ${expected}${isOptionalAt(shape, path) ? ", or remove the line" : ""}.${example}`,
    };
  }
  if (code === "too_big" && node.kind === "scalar" && typeof node.value === "string") {
    return {
      kind: SPEC_CODES.outOfBounds,
      detail: `\`${name}\` is ${groupDigits(node.value.length)} characters long, more than the trainer can be given. Shorten it.`,
    };
  }
  const must = `\`${name}\` must be ${expected}, not ${describeNode(node)}.`;
  // `1e999` and `.inf` may well be above 0.
  if (
    words?.wants === "number" &&
    node.kind === "scalar" &&
    typeof node.value === "number" &&
    !Number.isFinite(node.value)
  ) {
    const why = Number.isNaN(node.value) ? "which is no number at all" : "which is more than any number can be";
    return {
      kind: SPEC_CODES.outOfBounds,
      detail: `\`${name}\` must be ${expected}, not ${describeNode(node)}, ${why}. Write another.${example}`,
    };
  }
  const hint = hintFor(misfit);
  if (hint !== undefined) return { kind: SPEC_CODES.wrongType, detail: `${must} ${hint}` };
  if (node.kind === "scalar" && typeof node.value === "number" && words?.wants === "number") {
    const refusal = trainerRefusal(path, node.value);
    const inMiB = words.unit === "GiB" && node.value > 1024;
    const why = inMiB
      ? ` If it is in MiB, it is ${Math.round(node.value / 1024)} GiB.`
      : refusal === undefined
        ? ""
        : ` ${refusal.why}`;
    return {
      kind: refusal ?? SPEC_CODES.outOfBounds,
      detail: `${must}${why} Write one within these bounds.${example}`,
    };
  }
  if (node.kind === "scalar" && typeof node.value === "string") {
    if (words?.wants === "choice")
      return { kind: SPEC_CODES.unknownChoice, detail: `${must}${choiceHint(node, words) ?? " Use one of these."}` };
    if (code !== "invalid_type") {
      return { kind: SPEC_CODES.badFormat, detail: `${must}${choiceHint(node, words) ?? ` Change it.${example}`}` };
    }
  }
  if (node.kind === "list" && words?.wants === "list") {
    return { kind: SPEC_CODES.outOfBounds, detail: `${must} Write at least one.${example}` };
  }
  return { kind: SPEC_CODES.wrongType, detail: `${must} Change it.${example}` };
}

function choiceHint(node: YamlScalar, words: FieldWords | undefined): string | undefined {
  const near = nearest(String(node.value), words?.choices ?? []);
  return near === undefined ? undefined : ` Did you mean \`${near}\`?`;
}

function describeNode(node: YamlNode): string {
  if (node.kind === "list") return node.items.length === 0 ? "an empty list" : "a list";
  if (node.kind !== "scalar") return "a map of keys";
  if (typeof node.value === "string") return node.value === "" ? "an empty text" : `the text \`${clip(node.value)}\``;
  return `\`${clip(node.written)}\``;
}

/** `dataset.sources[0].videos`: how details name a value. */
export function shown(path: KeyPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}
