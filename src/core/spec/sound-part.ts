import type * as z from "zod";
import type { Diagnostic } from "../diagnostic.ts";
import type { ValidFile } from "./build-spec.ts";
import { SPEC_CODES } from "./codes.ts";
import type { ShapedFile } from "./issues.ts";
import { dotted, type KeyPath, plainValue, type YamlEntry, type YamlNode } from "./yaml-tree.ts";

/** What of a file can be judged beside its faults, and what may be said of it: all that is wrong is to be said at once. */

/** Errors of reading that say nothing about the rest: a variable that is not set leaves its path unknown, no more. */
export function isFault({ severity, code }: Diagnostic): boolean {
  return severity === "error" && code !== SPEC_CODES.unsetVariable.code;
}

/**
 * The file without what is faulty in it; undefined where what is left is no file of its kind (a required key is faulty),
 * or where a fault has no place among the keys.
 */
export function soundPart<T>(
  file: ShapedFile,
  shape: z.ZodType<T>,
  faults: readonly Diagnostic[],
): ValidFile<T> | undefined {
  const own = faults.filter((fault) => file.files.includes(fault.file ?? ""));
  if (file.trustedUntil.size > 0 || !file.isWhole) return undefined;
  const paths = new Set(own.flatMap(({ path }) => path ?? []));
  if (own.some(({ path, code }) => path === undefined || code === SPEC_CODES.newerVersion.code)) return undefined;
  const root = withoutFaults(file.root, [], paths);
  if (root === undefined) return undefined;
  const parsed = shape.safeParse(plainValue(root), { jitless: true });
  return parsed.success ? { file: file.file, files: file.files, root, value: parsed.data } : undefined;
}

/** A list with a faulty item is left out whole: what is meant by the others is not certain. */
function withoutFaults(node: YamlNode, path: KeyPath, faulty: ReadonlySet<string>): YamlNode | undefined {
  if (faulty.has(dotted(path)) || node.kind === "unreadable") return undefined;
  if (node.kind === "list") {
    const items = node.items.flatMap((item, index) => withoutFaults(item, [...path, index], faulty) ?? []);
    return items.length === node.items.length ? { ...node, items } : undefined;
  }
  if (node.kind !== "map") return node;
  const entries = [...node.entries].flatMap(([key, entry]): [string, YamlEntry][] => {
    const kept = withoutFaults(entry.node, [...path, key], faulty);
    return kept === undefined ? [] : [[key, { ...entry, node: kept }]];
  });
  return { ...node, entries: new Map(entries) };
}

/** Keys on which all other values depend: what follows from a wrong one is no finding. */
const DECIDING = ["version", "name", "task", "noise", "hardware", "strategy", "trainer", "templates"];

/** What a source's own keys say, whatever its other keys are. */
const OF_ONE_KEY = ["T16", "T17"];

const SECTIONS = ["train", "cache_latents", "cache_text", "dataset", "sources", "models", "output"];

/** The keys that a text names, as it writes them: `` `fp8_base: true` `` and `` `models.dit` ``. */
function pathsIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, inside = ""]) => inside.split(/[:=\s]/)[0] ?? "");
}

/** The same without the sections that they stand in. */
function namesIn(text: string): readonly string[] {
  return pathsIn(text)
    .map((path) => path.slice(path.lastIndexOf(".") + 1))
    .filter((name) => !SECTIONS.includes(name));
}

/** The keys that a fault is about: its own, and those that may have been meant. */
function namesOf({ path = "", detail }: Diagnostic): readonly string[] {
  return [...namesIn(detail), ...path.split(".").filter((part) => !SECTIONS.includes(part))];
}

/** Whether anything can be judged beside these faults. */
export function leavesSomethingToJudge(faults: readonly Diagnostic[]): boolean {
  return !faults.some(({ path = "", detail }) =>
    [path, ...pathsIn(detail)].some((each) => DECIDING.includes(each.split(".")[0] ?? "")),
  );
}

/** Whether a finding stands although these faults are there: an error that cannot follow from what was left out. */
export function standsBeside(finding: Diagnostic, faults: readonly Diagnostic[]): boolean {
  if (faults.length === 0) return true;
  if (finding.severity !== "error") return false;
  const { path = "", code, detail } = finding;
  const names = namesIn(detail);
  return faults.every((fault) => {
    const at = fault.path ?? "";
    if (isInside(at, path) || isInside(path, at)) return false;
    if (isInside(at, "dataset") && isInside(path, "dataset") && !OF_ONE_KEY.includes(code)) return false;
    return !namesOf(fault).some((name) => names.includes(name));
  });
}

function isInside(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}.`) || parent === "";
}
