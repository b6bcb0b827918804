import { relative, resolve } from "node:path";
import type { BasePipeline, PlanBase } from "../core/plan/base.ts";
import type { Choices } from "../core/plan/choices.ts";
import { findDifferences } from "../core/plan/differences.ts";
import type { PipelinePlan, Plan } from "../core/plan/plan.ts";
import { readAddress } from "../core/spec/cell.ts";
import { type BaseTree, inBase, layBaseTree } from "../host/git/base-tree.ts";
import { fileProblem, isFile } from "../host/read-file.ts";
import type { Touched } from "./choose-touched.ts";
import { pipelinesIn } from "./pipelines-folder.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { projectOf } from "./read-saved-plans.ts";
import { withoutPlaces } from "./review.ts";

/** The plan of the commit that a change started from, made as the change's own, and what the two differ in. */

export interface BaseOptions extends Choices {
  /** The user's folder, absolute. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether pipelines that are gone count: not where somebody named those to look at. */
  readonly removed: "found" | "ignored";
}

export async function compareWithBase(prepared: Prepared, touched: Touched, options: BaseOptions): Promise<PlanBase> {
  // Both as they are shown: what differs must not tell what a variable stands for either.
  const now: Base = { plan: withoutPlaces(prepared), known: prepared.known };
  const { changes } = touched.review;
  const { ref, commit } = changes;
  const unknown = (problem: string): PlanBase => ({
    ref,
    commit,
    pipelines: now.plan.pipelines.map(({ name, file }) => ({ name, file, ...unknownBecause(problem) })),
  });
  // New files that nothing is made of may be records and caches, which the base knows too.
  const paths = changes.paths.filter((path) => path.kind === "tracked" || touched.paths.includes(path));
  const tree = await layBaseTree({ ...changes, paths }).catch(fileProblem);
  if ("severity" in tree) return unknown(tree.detail);
  if ("kind" in tree) return unknown(`it could not be laid out: ${tree.text}`);
  try {
    const base = await planBase(touched, tree, options);
    const removed = options.removed === "found" ? removedPipelines(base, touched) : [];
    return { ref, commit, pipelines: [...now.plan.pipelines.map((one) => compareOne(one, now, base)), ...removed] };
  } finally {
    await tree.remove();
  }
}

/** A plan as it is shown, with the projects of its pipelines. */
interface Base {
  readonly plan: Plan;
  readonly known: Prepared["known"];
}

async function planBase(touched: Touched, tree: BaseTree, options: BaseOptions): Promise<Base> {
  const { folder } = options;
  const there = inBase(tree, folder);
  const named = touched.files.map((file) => resolve(there, readAddress(file).file));
  const own = options.removed === "found" ? await pipelinesIn(projectOf(there)) : [];
  const given = new Set(touched.given.map(({ root, file }) => resolve(root, readAddress(file).file)));
  const gone = own.filter((file) => !given.has(file.slice(tree.prefix.length)));
  const files = await Promise.all(named.map(async (file) => ((await isFile(file)) ? [file] : [])));
  const chosen = [...new Set([...files.flat(), ...gone])].map((file) => relative(there, file));
  const { removed: _, ...asked } = options;
  const review = { ...touched.review, side: "base" as const, prefix: tree.prefix };
  const prepared = await prepare(chosen, { ...asked, folder: there, review, history: "read", lock: "plan" });
  // Without the folder above it each path is that of the same thing in the working tree.
  const known = prepared.known.map((one) => ({ ...one, root: one.root.slice(tree.prefix.length) || "/" }));
  return { plan: JSON.parse(JSON.stringify(withoutPlaces(prepared)).replaceAll(tree.prefix, "")), known };
}

function compareOne(pipeline: PipelinePlan, now: Base, base: Base): BasePipeline {
  const { name, file } = pipeline;
  const before = findBase(pipeline, now, base);
  if (before === undefined) return { name, file, change: "new", differences: [] };
  if (!pipeline.valid) return { name, file, ...unknownBecause("it can't be planned any more; see the errors") };
  if (!before.valid)
    return { name, file, ...unknownBecause(`the base's can't be planned: ${whyInvalid(before, base)}`) };
  const differences = [...findDifferences(before, pipeline)];
  return { name, file, change: differences.length > 0 ? "changed" : "same", differences };
}

function unknownBecause(problem: string): Pick<BasePipeline, "change" | "problem" | "differences"> {
  return { change: "unknown", problem, differences: [] };
}

/** The one of the same name in the same project, for records go by names; one without a name is known by its file. */
function findBase(pipeline: PipelinePlan, now: Base, base: Base): PipelinePlan | undefined {
  const root = rootOf(pipeline, now);
  const isSameProject = (other: PipelinePlan) => {
    const otherRoot = rootOf(other, base);
    return root === undefined || otherRoot === undefined || root === otherRoot;
  };
  const alike = base.plan.pipelines.filter(isSameProject);
  return (
    alike.find(({ name }) => name === pipeline.name) ??
    alike.find(({ file, valid }) => file === pipeline.file && !(valid && pipeline.valid))
  );
}

function rootOf({ file, name }: PipelinePlan, { known }: Pick<Base, "known">): string | undefined {
  return known.find(({ shownFile, spec }) => shownFile === file && spec.name === name)?.root;
}

/** Pipelines that the base has, and nothing of those given is by name. */
function removedPipelines(base: Base, { given }: Touched): readonly BasePipeline[] {
  const names = new Set(given.map(({ name }) => name));
  return base.plan.pipelines.flatMap(({ name, file }): readonly BasePipeline[] =>
    names.has(name) ? [] : [{ name, file, change: "removed", differences: [] }],
  );
}

function whyInvalid({ file }: PipelinePlan, { plan }: Base): string {
  const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
  const own = errors.find((error) => error.file === readAddress(file).file) ?? errors[0];
  if (own === undefined) return "nobody knows why";
  const place = own.range === undefined ? (own.file ?? file) : `${own.file}:${own.range.line}`;
  return `${own.code} ${own.summary} (${place})`;
}
