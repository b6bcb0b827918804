import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { choiceWords } from "../core/plan/choices.ts";
import {
  isSavedPlan,
  readSavedPlan,
  type SavedPipeline,
  type SavedPlan,
  savedPipelines,
} from "../core/plan/saved/saved-plan.ts";
import { SAVED_PLAN_CODES } from "../core/plan/saved/saved-plan-codes.ts";
import { sha256 } from "../host/hash.ts";
import { findRoot } from "../host/project.ts";
import { readOpenFile } from "../host/read-file.ts";

/** Saved plans on disk: recognising and reading them, by what is in them and not by their names. */

/** The project that a user stands in. */
export function projectOf(folder: string): string {
  return findRoot(resolve(folder, "pipeline.yaml"));
}

type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly why: string };

/** A plan of ten thousand clips takes a hundredth of it. */
const MAX_BYTES = 256 * 1024 * 1024;

/** A text that may be a saved plan, which can be larger than any pipeline. */
export async function readIfFile(path: string): Promise<FileText> {
  const reading = await readOpenFile(path, async (handle, bytes) =>
    bytes > MAX_BYTES ? undefined : await handle.readFile("utf8"),
  );
  if (reading.kind === "read" && reading.value === undefined) {
    return { kind: "unreadable", why: `it is larger than ${MAX_BYTES / 1024 / 1024} MiB` };
  }
  if (reading.kind === "read") return { kind: "text", text: reading.value ?? "" };
  const { kind, text } = reading.problem;
  return kind === "missing" ? { kind } : { kind: "unreadable", why: text };
}

/** A saved plan that was read, with the absolute paths of its pipelines' files. */
export interface ReadSavedPlan {
  /** As the user named it. */
  readonly file: string;
  readonly saved: SavedPlan;
  readonly pipelines: readonly (SavedPipeline & { readonly path: string })[];
}

export interface FoundPlans {
  readonly plans: readonly ReadSavedPlan[];
  /** Files that hold none: pipelines, or nothing that can be read. */
  readonly others: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Tells saved plans from other files, by what is in them. */
export async function findSavedPlans(files: readonly string[], folder: string): Promise<FoundPlans> {
  const plans: ReadSavedPlan[] = [];
  const others: string[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const file of files) {
    const found = await readIfFile(resolve(folder, file));
    if (found.kind !== "text" || !isSavedPlan(found.text)) {
      others.push(file);
      continue;
    }
    const read = readSavedPlan(found.text, { file, sha256 });
    diagnostics.push(...read.diagnostics);
    if (read.value === undefined) continue;
    const pipelines = savedPipelines(read.value).map((pipeline) => ({
      ...pipeline,
      path: resolve(projectOf(folder), pipeline.madeFrom.project, pipeline.madeFrom.file),
    }));
    plans.push({ file, saved: read.value, pipelines });
  }
  return { plans, others, diagnostics };
}

/** Reads one saved plan, or says why it is none. */
export async function readPlanFile(file: string, folder: string): Promise<SavedPlan | Diagnostic> {
  const found = await readIfFile(resolve(folder, file));
  const none = (why: string) => diagnose(SAVED_PLAN_CODES.notSavedPlan, `${file} ${why}.`, { at: { file } });
  if (found.kind === "missing") return none("is not there");
  if (found.kind === "unreadable") return none(`can't be shown: ${found.why}`);
  if (!isSavedPlan(found.text)) return none("holds something else than a saved plan");
  const { value, diagnostics } = readSavedPlan(found.text, { file, sha256 });
  return value ?? diagnostics[0] ?? none("can't be shown");
}

/** Why a file can't be planned, where it is a saved plan. Undefined for any other. */
export async function refuseSavedPlan(file: string, folder: string): Promise<Diagnostic | undefined> {
  const {
    plans: [plan],
    diagnostics: [damage],
  } = await findSavedPlans([file], folder);
  if (plan === undefined) return damage;
  const files = plan.pipelines.map(({ path }) => relative(folder, path));
  const words = choiceWords(plan.pipelines[0]?.choices ?? {});
  const again = ["wan22 plan", ...words, "--out", file, ...files].join(" ");
  const detail = `${file} is a plan of ${files.join(", ")} that \`wan22 plan --out\` saved, and no pipeline file. \`wan22 show ${file}\` prints it, \`wan22 apply ${file}\` carries it out; to plan again: \`${again}\`.`;
  return diagnose(SAVED_PLAN_CODES.plannedAlready, detail, { at: { file } });
}
