import { resolve } from "node:path";
import { type Diagnostic, diagnose, hasErrors } from "../core/diagnostic.ts";
import type { Facts, ModelFacts } from "../core/facts.ts";
import { LOCK_CODES } from "../core/lock/codes.ts";
import { type Drift, driftDiagnostic, findDrift } from "../core/lock/drift.ts";
import { type FilledFacts, fillFacts, fillWeights, isTaken } from "../core/lock/facts-from-lock.ts";
import type { Lock } from "../core/lock/lock.ts";
import { lockOf } from "../core/lock/lock-of.ts";
import { canonicalJson } from "../core/plan/canonical.ts";
import { resolveHardware } from "../core/resolve/hardware.ts";
import type { Presets } from "../core/resolve/presets.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { lockFileOf } from "../core/spec/lock-file.ts";
import type { Spec } from "../core/spec/spec.ts";
import { writeWholeFile } from "../host/atomic-file.ts";
import { readCaption } from "../host/media/captions.ts";
import { readOpenFile } from "../host/read-file.ts";
import type { StatCache } from "../host/stat-cache.ts";

/** A pipeline's lock between disk and core: what of it stands in for what is not here, and how it differs from what is. */

/**
 * What a lock is for: `plan` takes from it what is not here, and warns of drift; `apply` takes nothing from it, and refuses
 * drift; `show` is an apply that is let through; `renew` is a plan for which the lock may be damaged, and drift is no finding.
 */
export type LockUse = "plan" | "apply" | "show" | "renew";

export interface OpenLock {
  /** Relative to the root. */
  readonly file: string;
  /** Undefined where there is none, or none that can be used. */
  readonly lock: Lock | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** A pipeline beside its lock. */
export interface PipelineLock {
  /** Relative to the root. */
  readonly file: string;
  /** What lies there; undefined where there is none. */
  readonly locked: Lock | undefined;
  /**
   * What would be written now, but for the tool's version; with what was taken from the lock where the things are not here.
   * Undefined where nothing lies there and nothing is to be written.
   */
  readonly now: Lock | undefined;
  readonly drift: readonly Drift[];
  /** What was taken from the lock, as dotted keys of the pipeline. */
  readonly taken: readonly string[];
}

/** A lock of ten thousand clips with long captions takes a tenth of it. */
const MAX_BYTES = 128 * 1024 * 1024;

export async function openLock(root: string, spec: Spec, use: LockUse): Promise<OpenLock> {
  const file = lockFileOf(spec);
  const reading = await readOpenFile(resolve(root, file), async (handle, bytes) =>
    bytes > MAX_BYTES ? undefined : await handle.readFile("utf8"),
  );
  const unreadable = (why: string): OpenLock => {
    const detail = `${file} can't be read: ${why}. ${LOCK_CODES.unreadable.mend}`;
    return { file, lock: undefined, diagnostics: [diagnose(LOCK_CODES.unreadable, detail, { at: { file } })] };
  };
  if (reading.kind === "problem") {
    return reading.problem.kind === "missing"
      ? { file, lock: undefined, diagnostics: [] }
      : unreadable(reading.problem.text);
  }
  if (reading.value === undefined) return unreadable(`it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
  // Loaded only where there is one: its schema costs every start.
  const { readLock } = await import("../core/lock/read-lock.ts");
  const { value, diagnostics } = readLock(reading.value, { file, pipeline: spec.name });
  const counting = use === "renew" ? diagnostics.filter(({ code }) => code !== LOCK_CODES.damaged.code) : diagnostics;
  return { file, lock: value, diagnostics: counting };
}

export interface Locking {
  readonly spec: Spec;
  readonly root: string;
  readonly presets: Presets;
  readonly opened: OpenLock;
  readonly use: LockUse;
  readonly statCache: StatCache;
}

/** Facts with what is taken from the lock, and what reading the pipeline's files had found wrong as far as that matters now. */
export async function takeFromLock(
  observed: Facts,
  { spec, root, opened: { file, lock }, use, statCache }: Locking,
  reading: readonly Diagnostic[],
): Promise<FilledFacts & { readonly reading: readonly Diagnostic[]; readonly diagnostics: readonly Diagnostic[] }> {
  if (lock === undefined || use === "apply" || use === "show")
    return { facts: observed, taken: [], unfit: [], reading, diagnostics: [] };
  const filled = fillFacts(observed, { spec, root, lock });
  const { taken, unfit } = filled;
  const sources = await withCaptionsHere(filled.facts.sources, observed.sources, { root, statCache });
  const keys = unfit.map((key) => `\`${key}\``).join(", ");
  const detail = `${keys} ${unfit.length === 1 ? "names" : "name"} what is neither on this machine nor in ${file}: the pipeline was changed after it was locked. Run \`wan22 lock\` where data and models are, and commit the lock.`;
  const at = { at: spec.places.get(unfit[0] ?? "") ?? { file: spec.file }, path: unfit[0] };
  return {
    ...filled,
    facts: { ...filled.facts, sources },
    // Nobody looks for what was taken from the lock, and so its variables need not be set.
    reading: reading.filter(({ code, path }) => code !== SPEC_CODES.unsetVariable.code || !isTaken(path, taken)),
    diagnostics: unfit.length === 0 ? [] : [diagnose(LOCK_CODES.tooOld, detail, at)],
  };
}

/** Captions often lie in Git where the clips beside them do not: a caption that is here counts. */
async function withCaptionsHere(
  filled: Facts["sources"],
  observed: Facts["sources"],
  { root, statCache }: Pick<Locking, "root" | "statCache">,
): Promise<Facts["sources"]> {
  const sources = filled.map(async (source, position) => {
    const seen = observed[position];
    if (seen === undefined || seen === source || seen.problem !== undefined || seen.media.length > 0) return source;
    const media = source.media.map(async (one) => {
      const { file } = one.caption;
      if (file === undefined) return one;
      const caption = await readCaption(resolve(root, file), { shown: file, statCache });
      return caption.problem === "missing" ? one : { ...one, caption };
    });
    return { ...source, media: await Promise.all(media) };
  });
  return Promise.all(sources);
}

export function weightsFromLock(
  weights: Readonly<Record<string, ModelFacts>>,
  { spec, root, opened: { lock }, use }: Locking,
): Readonly<Record<string, ModelFacts>> {
  return lock === undefined || use === "apply" || use === "show" ? weights : fillWeights(weights, { spec, root, lock });
}

/** The lock that would be written of these facts, where anybody asks; the tool's version is not known here. */
export function lockNow(
  { spec, presets, opened: { lock }, use }: Locking,
  facts: Facts,
  weights: Readonly<Record<string, ModelFacts>>,
): Lock | undefined {
  if (lock === undefined && use !== "renew") return undefined;
  const { tier } = resolveHardware(spec, presets.tiers, facts);
  return lockOf({ spec, facts, weights, tier, tool: "" });
}

/** How what is here differs from the lock, and what is to be said of it. */
export function compareWithLock(
  now: Lock | undefined,
  { opened: { file, lock }, use }: Locking,
  found: readonly Diagnostic[],
): { readonly drift: readonly Drift[]; readonly diagnostics: readonly Diagnostic[] } {
  // What an error says already would be said again for each of its items.
  if (lock === undefined || now === undefined || hasErrors(found)) return { drift: [], diagnostics: [] };
  const drift = findDrift(lock, now);
  if (drift.length === 0 || use === "renew") return { drift, diagnostics: [] };
  return { drift, diagnostics: [driftDiagnostic(drift, { file, severity: use === "apply" ? "error" : "warning" })] };
}

/** Writes a pipeline's lock, unless the same lies there. Throws system errors. */
export async function writeLock(
  { root, lock: { file, locked, now } }: { readonly root: string; readonly lock: PipelineLock },
  tool: string,
): Promise<"written" | "same"> {
  if (now === undefined) return "same";
  const lock: Lock = { ...now, tool };
  if (locked !== undefined && canonicalJson(locked) === canonicalJson(lock)) return "same";
  const { lockText } = await import("../core/lock/lock-text.ts");
  await writeWholeFile(resolve(root, file), lockText(lock));
  return "written";
}
