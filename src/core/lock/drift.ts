import { type Diagnostic, diagnose, type Severity } from "../diagnostic.ts";
import { joinPath } from "../paths.ts";
import { printable } from "../printable.ts";
import { MODEL_ROLES } from "../vocabulary.ts";
import { LOCK_CODES } from "./codes.ts";
import type { Lock, LockedFile, LockedHardware, LockedItem, LockedSource, LockedTrainer } from "./lock.ts";

/** How what is here differs from what was locked, item by item. */

export interface Drift {
  readonly sign: "+" | "~" | "-";
  /** What it is about: a file, or a key. */
  readonly what: string;
  /** How it changed, for `~`. */
  readonly how?: string;
}

/** Both are locks: the one in the file, and the one that would be written now. The version of the tool is no difference. */
export function findDrift(locked: Lock, now: Lock): readonly Drift[] {
  return [
    ...sourcesDrift(locked.sources, now.sources),
    ...MODEL_ROLES.flatMap((role) => {
      const [before, after] = [locked.models[role], now.models[role]];
      const named =
        before !== undefined && after !== undefined && before.path !== after.path
          ? `path ${before.path} → ${after.path}`
          : undefined;
      return entryDrift(`models.${role}`, before, after, named);
    }),
    ...namesOf(locked.files, now.files).flatMap((path) => entryDrift(path, locked.files[path], now.files[path])),
    ...trainerDrift(locked.trainer, now.trainer),
    ...hardwareDrift(locked.hardware, now.hardware),
  ];
}

function namesOf(before: object, now: object): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
}

/** Sources by kind, path and captions' extension; two that are equal in these, in their order. */
function sourcesDrift(before: readonly LockedSource[], now: readonly LockedSource[]): readonly Drift[] {
  const rest = [...before];
  const found = now.flatMap((source) => {
    const same = rest.findIndex((one) => isSameSource(one, source));
    const [locked] = same < 0 ? [] : rest.splice(same, 1);
    return itemsDrift(source, locked?.items ?? [], source.items);
  });
  return [...found, ...rest.flatMap((source) => itemsDrift(source, source.items, []))];
}

export function isSameSource(a: SourceKey, b: SourceKey): boolean {
  return a.kind === b.kind && a.path === b.path && a.caption_extension === b.caption_extension;
}

type SourceKey = Pick<LockedSource, "kind" | "path" | "caption_extension">;

function itemsDrift(source: LockedSource, before: readonly LockedItem[], now: readonly LockedItem[]): readonly Drift[] {
  const isFolder = source.kind === "videos" || source.kind === "images";
  const [old, present] = [byName(before), byName(now)];
  return [...new Set([...old.keys(), ...present.keys()])].sort().flatMap((name): readonly Drift[] => {
    const [was, is] = [old.get(name), present.get(name)];
    const what = isFolder ? joinPath(source.path, name) : `${source.path}: ${name}`;
    if (was === undefined) return [{ sign: "+", what }];
    if (is === undefined) return [{ sign: "-", what }];
    const parts = [
      ...(contentOf(was) === contentOf(is) ? [] : ["content"]),
      ...(captionOf(was) === captionOf(is) ? [] : ["caption"]),
    ];
    return parts.length === 0 ? [] : [{ sign: "~", what, how: parts.join(" and ") }];
  });
}

/** Rows may name a file twice. */
function byName(items: readonly LockedItem[]): ReadonlyMap<string, LockedItem> {
  const found = new Map<string, LockedItem>();
  for (const item of items) {
    let name = item.name;
    for (let again = 2; found.has(name); again += 1) name = `${item.name} (${again})`;
    found.set(name, item);
  }
  return found;
}

/** What its identity is made of (design §5); the rest follows from these bytes. */
function contentOf({ sha256, width, height, frames, bytes }: LockedItem): string {
  return JSON.stringify([sha256 ?? bytes, width, height, frames]);
}

function captionOf({ caption, caption_problem }: LockedItem): string {
  return JSON.stringify([caption, caption_problem]);
}

/** A file of weights, by its identity. */
function entryDrift(
  what: string,
  before: LockedFile | undefined,
  now: LockedFile | undefined,
  named?: string,
): readonly Drift[] {
  if (before === undefined && now === undefined) return [];
  if (before === undefined) return [{ sign: "+", what }];
  if (now === undefined) return [{ sign: "-", what }];
  const identity = ({ bytes, header_sha256, blocks_sha256 }: LockedFile) =>
    JSON.stringify([bytes, header_sha256, blocks_sha256]);
  const how = [...(identity(before) === identity(now) ? [] : ["content"]), ...(named === undefined ? [] : [named])];
  return how.length === 0 ? [] : [{ sign: "~", what, how: how.join(", ") }];
}

/** Where no trainer is, none differs: a plan needs none. */
function trainerDrift(before: LockedTrainer | undefined, now: LockedTrainer | undefined): readonly Drift[] {
  if (now === undefined) return [];
  if (before === undefined) return [{ sign: "+", what: "trainer" }];
  const moved = (["version", "commit"] as const)
    .filter((key) => before[key] !== now[key])
    .map((key) => `${key} ${before[key] ?? "not known"} → ${now[key] ?? "not known"}`);
  return moved.length === 0 ? [] : [{ sign: "~", what: "trainer", how: moved.join(", ") }];
}

/** Another card of the same tier decides nothing else. */
function hardwareDrift(before: LockedHardware | undefined, now: LockedHardware | undefined): readonly Drift[] {
  if (now === undefined || before?.tier === now.tier) return [];
  if (before === undefined) return [{ sign: "+", what: "hardware", how: hardwareText(now) }];
  return [{ sign: "~", what: "hardware", how: `${hardwareText(before)} → ${hardwareText(now)}` }];
}

function hardwareText({ tier, gpus }: LockedHardware): string {
  const cards = [...new Set(gpus.map(({ name, vram_gib }) => `${name}, ${Math.round(vram_gib)} GB`))];
  return `tier ${tier} (${cards.length === 0 ? "no card" : cards.join("; ")})`;
}

/** `~ data/fox/01.mp4: caption` */
export function driftText({ sign, what, how }: Drift): string {
  return printable(`${sign} ${what}${how === undefined ? "" : `: ${how}`}`);
}

/** What has drifted, in a list. An error where something is to be carried out. */
export function driftDiagnostic(
  drift: readonly Drift[],
  { file, severity }: { readonly file: string; readonly severity: Severity },
): Diagnostic {
  const list = drift.map((one) => `\n  ${driftText(one)}`).join("");
  const mend =
    severity === "error"
      ? "Nothing was done. Put back what was changed by mistake; if the change is meant, add --update-lock, which writes the lock anew, or run `wan22 lock`."
      : "Put back what was changed by mistake; if the change is meant, run `wan22 lock`. Until then `wan22 apply` refuses it.";
  return diagnose(LOCK_CODES.drift, `Since ${file} was written, this has changed. ${mend}`, {
    at: { file },
    below: list,
    severity,
  });
}
