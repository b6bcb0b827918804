import { relative, resolve } from "node:path";
import type { KnownPipeline, Prepared } from "../prepare/prepare.ts";
import type { Terminal } from "./terminal.ts";

/** A `wan22` command that can be pasted where the user stands: by the way it was started, with words quoted for a shell. */
export function commandLine(words: readonly string[], terminal: Pick<Terminal, "environment" | "folder">): string {
  return [...startOf(terminal), ...words].map(quoteWord).join(" ");
}

/** npx says so; without it a newcomer's shell knows no `wan22`, and it finds none outside the folder that it was told. */
function startOf({ environment, folder }: Pick<Terminal, "environment" | "folder">): readonly string[] {
  if (environment.npm_command !== "exec") return ["wan22"];
  const prefix = environment.npm_config_local_prefix;
  const isAbove = prefix === undefined || !relative(prefix, folder).startsWith("..");
  return isAbove ? ["npx", "wan22"] : ["npx", "--prefix", prefix, "wan22"];
}

/** Pipeline files as the user's folder sees them, by the names that a plan has for them. */
export function filesFrom(folder: string, { known }: Pick<Prepared, "known">): (file: string) => string {
  const names = new Map(known.map((pipeline) => [pipeline.shownFile, fileFrom(folder, pipeline)]));
  return (file) => names.get(file) ?? file;
}

/** A pipeline's file as the user's folder sees it. */
export function fileFrom(folder: string, { root, spec }: Pick<KnownPipeline, "root" | "spec">): string {
  return relative(folder, resolve(root, spec.file));
}

function quoteWord(word: string): string {
  return /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
