import { relative, resolve } from "node:path";
import type { Prepared } from "../prepare/prepare.ts";
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

/** Pipeline files as the user's folder sees them; a plan names them from the project's root. */
export function filesFrom(folder: string, { pipelines }: Pick<Prepared, "pipelines">): (file: string) => string {
  const names = new Map(pipelines.map(({ root, spec }) => [spec.file, relative(folder, resolve(root, spec.file))]));
  return (file) => names.get(file) ?? file;
}

function quoteWord(word: string): string {
  return /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
