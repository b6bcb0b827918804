import { relative, resolve } from "node:path";
import type { Prepared } from "../prepare/prepare.ts";
import type { Terminal } from "./terminal.ts";

/** A `wan22` command that can be pasted where the user stands: by the way it was started, with words quoted for a shell. */
export function commandLine(words: readonly string[], { environment }: Pick<Terminal, "environment">): string {
  // npx says so; without it a newcomer's shell knows no `wan22`.
  const start = environment.npm_command === "exec" ? ["npx", "wan22"] : ["wan22"];
  return [...start, ...words.map(quoteWord)].join(" ");
}

/** Pipeline files as the user's folder sees them; a plan names them from the project's root. */
export function filesFrom(folder: string, { pipelines }: Pick<Prepared, "pipelines">): (file: string) => string {
  const names = new Map(pipelines.map(({ root, spec }) => [spec.file, relative(folder, resolve(root, spec.file))]));
  return (file) => names.get(file) ?? file;
}

function quoteWord(word: string): string {
  return /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
