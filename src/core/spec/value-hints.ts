import type * as z from "zod";
import { type FieldWords, fieldAt, wouldFit } from "./field.ts";
import type { KeyPath, YamlNode } from "./yaml-tree.ts";

/** The slips that make a value one of another kind, each with what to write instead. */

/** A value that does not fit its field. */
export interface Misfit {
  readonly node: YamlNode;
  readonly path: KeyPath;
  readonly words: FieldWords | undefined;
  readonly code: z.core.$ZodIssue["code"];
  readonly shape: z.ZodType;
}

type Hint = (node: YamlNode, words: FieldWords, misfit: Misfit) => string | undefined;

/** What is usually wrong when a value is of another kind, by what was wanted and what was found. */
const HINTS: readonly Hint[] = [
  missingSpace,
  quotedValue,
  wordForFlag,
  numberForFlag,
  unquotedText,
  looseNumber,
  bareItem,
  mapForList,
  listForOne,
];

/** What to do about a value of another kind; undefined where nothing is known. */
export function hintFor(misfit: Misfit): string | undefined {
  const { node, words } = misfit;
  if (words === undefined) return undefined;
  for (const hint of HINTS) {
    const text = hint(node, words, misfit);
    if (text !== undefined) return text;
  }
  return undefined;
}

const NUMBER = /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/;

/** A text short enough to be a slip; the patterns below take quadratic time. */
function textOf(node: YamlNode): string | undefined {
  return node.kind === "scalar" && typeof node.value === "string" && node.value.length < 100 ? node.value : undefined;
}

function quotedValue(node: YamlNode, words: FieldWords): string | undefined {
  const text = textOf(node);
  if (text === undefined || node.kind !== "scalar" || !node.quoted) return undefined;
  if (words.wants === "number" && NUMBER.test(text)) {
    return `Quotes make it a text: remove the quotes around ${text.trim()}.`;
  }
  if (words.wants === "flag" && /^(true|false)$/i.test(text)) {
    return `Quotes make it a text: write ${text.toLowerCase()} without the quotes.`;
  }
  return undefined;
}

function wordForFlag(node: YamlNode, words: FieldWords): string | undefined {
  const text = textOf(node)?.toLowerCase();
  if (text === undefined || words.wants !== "flag") return undefined;
  const meant = ["yes", "on", "y", "1", "enable", "enabled"].includes(text)
    ? "true"
    : ["no", "off", "n", "0", "disable", "disabled"].includes(text)
      ? "false"
      : undefined;
  if (meant === undefined) return undefined;
  return `In YAML 1.2 \`${text}\` is a text, not a truth value: write ${meant}.`;
}

function numberForFlag(node: YamlNode, words: FieldWords): string | undefined {
  if (words.wants !== "flag" || node.kind !== "scalar" || typeof node.value !== "number") return undefined;
  return node.value === 0 ? "Write false." : node.value === 1 ? "Write true." : undefined;
}

/** `name: 2024`, `training_comment: true`. `resolution: 960` is no better in quotes. */
function unquotedText(node: YamlNode, words: FieldWords, { path, shape }: Misfit): string | undefined {
  if (node.kind !== "scalar" || typeof node.value === "string" || node.value === null) return undefined;
  if (words.wants !== "text" && words.wants !== "path" && words.wants !== "choice") return undefined;
  if (words.wants === "choice") {
    return words.choices === undefined ? undefined : "Use one of these words.";
  }
  return wouldFit(shape, path, node.written) ? `If a text is meant, put it in quotes: "${node.written}".` : undefined;
}

/** `network_dim:32` in the place of a map. */
function missingSpace(node: YamlNode, words: FieldWords): string | undefined {
  const text = textOf(node);
  if (text === undefined || words.wants !== "map") return undefined;
  const [, key, value] = /^([A-Za-z_][A-Za-z0-9_-]*):(\S.*)$/.exec(text.trim()) ?? [];
  return key === undefined ? undefined : `A space is missing after the colon: write \`${key}: ${value}\`.`;
}

/** `1,000`, `1_000`, `24GB`: texts that hold a number. */
function looseNumber(node: YamlNode, words: FieldWords): string | undefined {
  const text = textOf(node);
  if (text === undefined || words.wants !== "number") return undefined;
  const plain = text.replaceAll(/[_,](?=\d{3}(\D|$))/g, "");
  if (plain !== text && NUMBER.test(plain)) return `Write the digits without separators: ${plain.trim()}.`;
  const number = /^\s*([-+]?\d*\.?\d+)\s*[a-zA-Z]+\s*$/.exec(text);
  if (number === null) return undefined;
  return `Write the number alone: ${number[1] ?? ""}.`;
}

/** `target_frames: 25`, `gpus: 0`. */
function bareItem(node: YamlNode, words: FieldWords, { path, shape }: Misfit): string | undefined {
  if (words.wants !== "list" || node.kind !== "scalar" || fieldAt(shape, [...path, 0])?.wants === "map")
    return undefined;
  return `Put it in brackets: \`${keyPrefix(path)}[${node.quoted ? JSON.stringify(node.value) : node.written}]\`.`;
}

/** `sources: {videos: data/fox}`. */
function mapForList(node: YamlNode, words: FieldWords): string | undefined {
  return words.wants === "list" && node.kind === "map" ? "Begin each entry with a dash." : undefined;
}

/** `network_dim: [32]`. */
function listForOne(node: YamlNode, words: FieldWords, { path, shape }: Misfit): string | undefined {
  if (node.kind !== "list" || words.wants === "list" || words.wants === "map") return undefined;
  const only = node.items.length === 1 ? node.items[0] : undefined;
  if (only?.kind !== "scalar" || !wouldFit(shape, path, only.value)) return undefined;
  return `Remove the brackets or the dash: ${only.written}.`;
}

/** `key: ` before a value that is shown as it would be written; empty in a list. */
export function keyPrefix(path: KeyPath): string {
  const key = path.at(-1);
  return typeof key === "string" ? `${key}: ` : "";
}
