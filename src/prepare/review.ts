import { isAbsolute, relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { TrainerFacts } from "../core/facts.ts";
import type { Plan } from "../core/plan/plan.ts";
import { withWrittenPaths } from "../core/plan/written-paths.ts";
import { readAddress } from "../core/spec/cell.ts";
import { shownTexts } from "../core/spec/shaping-paths.ts";
import type { Spec } from "../core/spec/spec.ts";
import { variablesIn } from "../core/spec/variables.ts";
import { type Changes, findChanges, variablesAt } from "../host/git/git-changes.ts";
import { findRepository } from "../host/git/repository.ts";
import { PIPELINES_FOLDER, readProject } from "../host/project.ts";
import { isInside, observeRealPaths } from "../host/real-paths.ts";
import { REVIEW_CODES } from "../host/review-codes.ts";
import type { StatMemory } from "../host/stat-cache.ts";
import { projectOf } from "./read-saved-plans.ts";

/**
 * A change under review, perhaps of somebody whom nobody knows: what it names is looked at, and nothing of it is run; texts
 * are read from the repository alone; and of the environment only that is used which the other side names already.
 */
export interface Review {
  readonly changes: Changes;
  /** What is looked at: the change, or what it is compared with, which nobody has to beware of. */
  readonly side: "change" | "base";
  /** What was found out of clips and models, for both sides: where an index would lie, the change says too. */
  readonly memory: StatMemory;
  /** What is above everything on the base's side, and not above the same things in the working tree. */
  readonly prefix: string;
  /** The environment without what the change is the first to ask for. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Of nobody's secrets, and named by `~` or by none at all. */
const ALWAYS: readonly string[] = ["HOME", "USERPROFILE", "WAN22_MINIATURE"];

export interface ReviewOptions {
  /** The user's folder, absolute; file names start here. */
  readonly folder: string;
  readonly environment: Review["environment"];
}

/** `files`: the pipelines that may be looked at. */
export async function openReview(
  ref: string,
  files: readonly string[],
  { folder, environment }: ReviewOptions,
): Promise<Review | Diagnostic> {
  const changes = await findChanges(folder, ref);
  if ("severity" in changes) return changes;
  const named = await variablesAt(changes, await pipelineSources(files, folder, changes));
  if ("severity" in named) return named;
  const kept = Object.entries(environment).filter(([name]) => named.has(name) || ALWAYS.includes(name));
  return { changes, side: "change", memory: new Map(), prefix: "", environment: Object.fromEntries(kept) };
}

/** Files that are pipelines, or are extended by one. Other YAML, such as a workflow, names variables for other ends. */
async function pipelineSources(files: readonly string[], folder: string, { top }: Changes): Promise<readonly string[]> {
  const own = resolve(projectOf(folder), PIPELINES_FOLDER);
  const read = await Promise.all(
    files.map(async (file) => {
      const path = resolve(folder, readAddress(file).file);
      const texts = await readProject(path, folder, { within: top });
      return "severity" in texts ? [path] : [path, ...[...texts.bases.keys()].map((base) => resolve(texts.root, base))];
    }),
  );
  return [...new Set([own, ...read.flat()])].flatMap((path) => nameInRepository(path, top) ?? []);
}

export interface ReviewedPipeline {
  readonly root: string;
  readonly spec: Spec;
  /** The texts of its files, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
}

/** What is said of a pipeline before anything that it names is looked at; an error keeps it from being. */
export async function judgeReviewed(
  pipeline: ReviewedPipeline,
  review: Review,
  { environment: all }: { readonly environment: Review["environment"] },
): Promise<readonly Diagnostic[]> {
  if (review.side === "base") return [];
  return [...findUnfilled(pipeline, review, all), ...(await findStrays(pipeline, review))];
}

/** What it would show and lies out of the repository, links followed. */
async function findStrays(
  { root, spec }: ReviewedPipeline,
  { changes: { top } }: Review,
): Promise<readonly Diagnostic[]> {
  const named = shownTexts(spec);
  const real = await observeRealPaths(
    named.map(({ path, ending }) => ({ path, links: ending === undefined ? "all" : "own" })),
    { root },
  );
  const found: Diagnostic[] = [];
  for (const { key, path, ending } of named) {
    const { links = [], real: leadsTo } = real[path] ?? {};
    const places = [
      ...(ending === undefined ? [{ path, real: leadsTo }] : []),
      ...links.filter((link) => ending === undefined || link.path.endsWith(ending)),
    ];
    for (const place of places) {
      if (place.real !== undefined && (await isInside(place.real, top))) continue;
      const { outsideRepository: kind } = REVIEW_CODES;
      const detail = `\`${key}\` names ${place.path}, which is not in the repository, or is a link that leads out of it. ${kind.mend}`;
      found.push(diagnose(kind, detail, { at: spec.places.get(key) ?? { file: spec.file }, path: key }));
      break;
    }
  }
  return found;
}

/** Variables that are set, and that a review does not fill in; what comes of that is said by whoever misses the path. */
function findUnfilled(
  { spec, texts }: ReviewedPipeline,
  { environment }: Review,
  all: Review["environment"],
): readonly Diagnostic[] {
  const { variableNotUsed: kind } = REVIEW_CODES;
  const named = [...texts].flatMap(([file, text]) => variablesIn(text).map((name) => ({ file, name })));
  const unfilled = named.filter(({ name }) => all[name] !== undefined && environment[name] === undefined);
  return [...new Map(unfilled.map((one) => [one.name, one])).values()].map(({ file, name }) =>
    diagnose(kind, `\`${name}\` counts as not set here: no file of the other side names it. ${kind.mend}`, {
      at: { file: texts.has(file) ? file : spec.file },
    }),
  );
}

/** A Python that lies in the repository, and is not asked for its version. */
export function findUnstarted(
  { root, spec }: Pick<ReviewedPipeline, "root" | "spec">,
  { python }: Pick<TrainerFacts, "python">,
  { side, changes: { top } }: Review,
): readonly Diagnostic[] {
  const file = python === undefined ? undefined : resolve(root, python);
  if (side === "base" || file === undefined || !liesIn(file, top)) return [];
  const { notStarted: kind } = REVIEW_CODES;
  const at = { at: spec.places.get("trainer.python") ?? { file: spec.file } };
  return [
    diagnose(kind, `${relative(root, file) || file} lies in the repository, and was not started. ${kind.mend}`, at),
  ];
}

function liesIn(path: string, folder: string): boolean {
  const seen = relative(folder, path);
  return seen !== "" && !isAbsolute(seen) && seen.split(/[\\/]/)[0] !== "..";
}

/** A folder or file of the repository as Git names it; undefined for what lies outside. */
export function nameInRepository(path: string, top: string): string | undefined {
  if (path === top) return ".";
  return liesIn(path, top) ? relative(top, path).replaceAll("\\", "/") : undefined;
}

/** A folder as its repository names it; `.` also where there is no repository. */
export function folderInRepository(folder: string): string {
  const top = findRepository(folder);
  return top === undefined ? "." : (nameInRepository(folder, top) ?? ".");
}

/** A plan for whoever can see a review: with its paths as the files write them. What a variable stands for is nobody else's affair. */
export function withoutPlaces({
  plan,
  known,
}: {
  readonly plan: Plan;
  readonly known: readonly { readonly spec: Spec }[];
}): Plan {
  return known.reduce((masked, { spec }) => withWrittenPaths(masked, spec.expanded), plan);
}
