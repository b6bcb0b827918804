import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import type { TrainerFacts } from "../../core/facts.ts";
import type { LocatedPath } from "../../core/spec/spec.ts";
import type { Backend } from "../../core/vocabulary.ts";
import { readGitCommit } from "../git/git-commit.ts";
import { errorCode } from "../read-file.ts";
import type { StatCache } from "../stat-cache.ts";
import { findExecutable, isExecutable } from "./executable.ts";
import { readMusubiSource } from "./musubi-source.ts";
import { findMissingModules, readVirtualEnvironment } from "./python.ts";
import { askPythonVersion } from "./python-version.ts";

/** The file that makes a folder a Musubi Tuner checkout that `wan22` can drive. */
const TRAIN_SCRIPT = "src/musubi_tuner/wan_train_network.py";

/** Where Musubi's own instructions put its virtual environment (uv: `.venv`, pip: `venv`). */
const ENVIRONMENTS = [".venv", "venv"] as const;

export interface TrainerRequest {
  /** The project's root, absolute. */
  readonly root: string;
  readonly backend: Backend;
  readonly path?: LocatedPath | undefined;
  readonly python?: LocatedPath | { readonly command: string } | undefined;
  /** Top-level modules that training needs beside the trainer's own (`bitsandbytes`). */
  readonly modules?: readonly string[] | undefined;
  /** Where what Python answers is remembered. */
  readonly statCache?: StatCache | undefined;
  /** Whether it may be started to be asked for its version; `start` if left out. */
  readonly programs?: "start" | "leave" | undefined;
}

/**
 * Looks at the trainer, and at the Python that would run it, which is started once for its version unless it is to be left alone. Nothing is thrown: what
 * is missing is a `problem`, in a sentence without a full stop.
 */
export async function observeTrainer(request: TrainerRequest): Promise<TrainerFacts> {
  const checkout = request.backend === "musubi" ? await observeCheckout(request) : {};
  const python = await findPython(request, checkout.folder);
  const environment = python.file === undefined ? undefined : await readVirtualEnvironment(python.file);
  const isAsked = python.file !== undefined && request.programs !== "leave";
  const asked = isAsked ? await askPythonVersion(python.file, request) : {};
  const version = asked.version ?? environment?.version;
  const missingModules =
    environment === undefined
      ? []
      : await findMissingModules(
          environment,
          request.modules ?? [],
          checkout.folder === undefined ? [] : [join(checkout.folder, "src")],
        );
  const unfit = asked.problem === undefined ? undefined : `${nameOf(request, python.file)} ${asked.problem}`;
  const problem = checkout.problem ?? python.problem ?? unfit;
  return {
    ...(checkout.version === undefined ? {} : { version: checkout.version }),
    ...(checkout.commit === undefined ? {} : { commit: checkout.commit }),
    ...(checkout.folder === undefined ? {} : readMusubiSource(checkout.folder)),
    ...(python.file === undefined ? {} : { python: python.file }),
    ...(version === undefined ? {} : { pythonVersion: version }),
    ...(problem === undefined ? {} : { problem }),
    missingModules,
  };
}

/** A Python as its owner knows it. */
function nameOf({ python }: TrainerRequest, file: string | undefined): string {
  if (python === undefined) return `the Python that was found (${file})`;
  return `\`trainer.python\` (${"command" in python ? python.command : python.path})`;
}

interface Checkout {
  /** Absolute; absent where there is no checkout. */
  readonly folder?: string;
  readonly version?: string;
  readonly commit?: string;
  readonly problem?: string;
}

async function observeCheckout(request: TrainerRequest): Promise<Checkout> {
  const { path, root } = request;
  if (path === undefined) return { problem: "`trainer.path` doesn't say where Musubi Tuner is" };
  if (path.unset.length > 0) return { problem: unsetProblem("trainer.path", path) };
  const folder = isAbsolute(path.path) ? path.path : resolve(root, path.path);
  const [script, version, commit] = await Promise.all([
    readable(join(folder, TRAIN_SCRIPT)),
    readVersion(join(folder, "pyproject.toml")),
    readGitCommit(folder),
  ]);
  if (script !== "readable") {
    const kind = await kindOf(folder);
    if (kind !== "folder") {
      return {
        problem: `\`trainer.path\` is ${path.path}, ${kind === "file" ? "which is a file" : "and there is no such folder"}`,
      };
    }
    return {
      problem: `\`trainer.path\` (${path.path}) is no Musubi Tuner checkout: ${TRAIN_SCRIPT} is ${script} there`,
    };
  }
  return {
    folder,
    ...(version === undefined ? {} : { version }),
    ...(commit === undefined ? {} : { commit }),
  };
}

async function readable(file: string): Promise<"readable" | "missing" | "unreadable"> {
  try {
    await access(file, constants.R_OK);
    return "readable";
  } catch (error) {
    const code = errorCode(error);
    return code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unreadable";
  }
}

async function kindOf(path: string): Promise<"folder" | "file" | "nothing"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return "nothing";
  }
}

async function readVersion(file: string): Promise<string | undefined> {
  try {
    const text = await readFile(file, "utf8");
    // Loaded only where there is a checkout to look at.
    const { parse } = await import("smol-toml");
    const project = parse(text).project;
    if (typeof project !== "object" || project === null || !("version" in project)) return undefined;
    return typeof project.version === "string" ? project.version : undefined;
  } catch {
    // A checkout without a readable pyproject.toml still trains; its version is only a note in the plan.
    return undefined;
  }
}

interface FoundPython {
  readonly file?: string;
  readonly problem?: string;
}

async function findPython(request: TrainerRequest, checkout: string | undefined): Promise<FoundPython> {
  const { python } = request;
  if (python !== undefined && "command" in python) {
    const file = await findExecutable(python.command);
    return file === undefined
      ? { problem: `\`trainer.python\` (${python.command}) is no command on this machine` }
      : { file };
  }
  if (python !== undefined) {
    if (python.unset.length > 0) return { problem: unsetProblem("trainer.python", python) };
    const file = isAbsolute(python.path) ? python.path : resolve(request.root, python.path);
    return (await isExecutable(file))
      ? { file }
      : { problem: `\`trainer.python\` (${python.path}) is no program that can be run` };
  }
  for (const candidate of checkout === undefined ? [] : environmentPythons(checkout)) {
    if (await isExecutable(candidate)) return { file: candidate };
  }
  for (const command of process.platform === "win32" ? ["python", "python3"] : ["python3", "python"]) {
    const file = await findExecutable(command);
    if (file !== undefined) return { file };
  }
  return { problem: "no Python was found on this machine" };
}

function environmentPythons(checkout: string): readonly string[] {
  const inside = process.platform === "win32" ? join("Scripts", "python.exe") : join("bin", "python");
  return ENVIRONMENTS.map((environment) => join(checkout, environment, inside));
}

function unsetProblem(key: string, path: LocatedPath): string {
  const names = path.unset.map((name) => `\`${name}\``).join(" and ");
  const plural = path.unset.length > 1 ? "are" : "is";
  return `\`${key}\` is ${path.written}, and ${names} ${plural} not set`;
}
