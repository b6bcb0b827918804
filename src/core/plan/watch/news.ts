import type { Diagnostic } from "../../diagnostic.ts";
import { present } from "../../present.ts";
import { readAddress } from "../../spec/cell.ts";
import { findDifferences } from "../differences.ts";
import type { PipelinePlan, Plan } from "../plan.ts";
import type { PipelineNews, PlanNews } from "./watch-event.ts";

/** What of a plan is new to somebody who has seen the ones before it. */

/** What somebody has seen. */
export interface Seen {
  readonly pipelines: readonly SeenPipeline[];
  readonly diagnostics: Plan["diagnostics"];
}

export interface SeenPipeline {
  readonly name: string;
  readonly file: string;
  /** Whether it was valid when it was seen last. */
  readonly valid: boolean;
  /** Its last plan without an error: while a file is half edited, that is what the next one is compared with. */
  readonly plan?: PipelinePlan | undefined;
}

/** What is known after a plan was shown. */
export function seeing(plan: Plan, before?: Seen): Seen {
  const pipelines = plan.pipelines.flatMap((pipeline): readonly SeenPipeline[] => {
    const { name, file, valid } = pipeline;
    const cells = hiddenCells(pipeline, before?.pipelines ?? []);
    if (cells.length > 0) return cells.map((cell) => ({ ...cell, valid: false }));
    const last = valid ? comparable(pipeline) : findSeen(pipeline, before?.pipelines ?? [])?.plan;
    return [{ name, file, valid, ...present({ plan: last }) }];
  });
  return { pipelines, diagnostics: [...plan.diagnostics, ...unjudged(plan, before?.diagnostics ?? [])] };
}

/**
 * Warnings and notes of before that nobody can say any more whether they hold: what can't be planned is not looked at to the
 * end. Each stays known, so that a file that is broken for a moment has none of them told as gone, and then told anew.
 */
function unjudged(now: Plan, before: Plan["diagnostics"]): Plan["diagnostics"] {
  const isWhole = now.pipelines.every(({ valid }) => valid);
  return isWhole ? [] : without(before, now.diagnostics).filter(({ severity }) => severity !== "error");
}

/** What is told of a plan; `undefined` where somebody who has seen the others learns nothing from it. */
export function findNews(seen: Seen, now: Plan): PlanNews | undefined {
  const known = new Set<SeenPipeline>();
  const pipelines = now.pipelines.flatMap((pipeline): readonly PipelineNews[] => {
    const cells = hiddenCells(pipeline, seen.pipelines);
    for (const cell of cells) known.add(cell);
    const { name, file } = pipeline;
    if (cells.length > 0)
      return cells.some(({ valid }) => valid) ? [{ name, file, change: "broken", differences: [] }] : [];
    const before = findSeen(pipeline, seen.pipelines);
    if (before !== undefined) known.add(before);
    const news = newsOf(pipeline, before);
    return news === undefined ? [] : [news];
  });
  const files = new Set(now.pipelines.map(({ file }) => readAddress(file).file));
  const removed = seen.pipelines
    .filter((one) => !known.has(one) && !(isWholeFile(one) && !one.valid && files.has(one.file)))
    .map(({ name, file }): PipelineNews => ({ name, file, change: "removed", differences: [] }));
  const news: PlanNews = {
    pipelines: [...pipelines, ...removed],
    appeared: without(now.diagnostics, seen.diagnostics),
    gone: without(without(seen.diagnostics, now.diagnostics), unjudged(now, seen.diagnostics)),
  };
  return news.pipelines.length + news.appeared.length + news.gone.length === 0 ? undefined : news;
}

/** The cells of a matrix that were seen of a file which says by now too little to tell them: it stands for all of them. */
function hiddenCells({ file, valid }: Pick<PipelinePlan, "file" | "valid">, seen: readonly SeenPipeline[]) {
  if (valid || !isWholeFile({ file })) return [];
  return seen.filter((one) => !isWholeFile(one) && readAddress(one.file).file === file);
}

function isWholeFile({ file }: Pick<PipelinePlan, "file">): boolean {
  return readAddress(file).cell === undefined;
}

function newsOf(pipeline: PipelinePlan, before: SeenPipeline | undefined): PipelineNews | undefined {
  const { name, file, valid } = pipeline;
  const about = { name, file, differences: [] };
  if (before === undefined) return { ...about, change: "new", ...(valid ? { plan: pipeline } : {}) };
  if (!valid) return before.valid ? { ...about, change: "broken" } : undefined;
  if (before.plan === undefined) return { ...about, change: "mended", plan: pipeline };
  const differences = [...findDifferences(before.plan, comparable(pipeline))];
  if (!before.valid) return { ...about, change: "mended", differences };
  // While it trains its times are measured, and the disk fills: how far it has come is no news.
  const isNews = differences.some(({ subject }) => subject !== "estimate");
  return isNews ? { ...about, change: "changed", differences } : undefined;
}

/** Records go by names; one that is renamed, or can't be read any more, is known by its file. */
function findSeen(
  { name, file }: Pick<PipelinePlan, "name" | "file">,
  seen: readonly SeenPipeline[],
): SeenPipeline | undefined {
  return (
    seen.find((one) => one.name === name && one.file === file) ??
    seen.find((one) => one.name === name) ??
    seen.find((one) => one.file === file)
  );
}

/** Without what may be as long as the dataset, and is compared by what it is made from. */
function comparable(pipeline: PipelinePlan): PipelinePlan {
  const stages = pipeline.stages.map(
    ({ cache_files: _1, pending: _2, stored: _3, leftover: _4, cache_digests: _5, ...stage }) => stage,
  );
  return { ...pipeline, stages };
}

/** By what they say: one that a new line above has moved is none that came or went. */
function without(diagnostics: Plan["diagnostics"], others: Plan["diagnostics"]): Plan["diagnostics"] {
  const keyOf = ({ severity, code, file, detail }: Pick<Diagnostic, "severity" | "code" | "file" | "detail">) =>
    JSON.stringify([severity, code, file, detail]);
  const known = new Set(others.map(keyOf));
  return diagnostics.filter((one) => !known.has(keyOf(one)));
}
