import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What the lint of this project says of lines that a room may not hold: a small project with its rules, and a file a line. */

const root = join(import.meta.dirname, "../../..");

const REFUSED: readonly (readonly [folder: string, line: string])[] = [
  ["core/plan", "export const { now } = Date;"],
  ["core/plan", "export const today = Date();"],
  ["core/plan", "export const hour = new Date(0).getHours();"],
  ["core/plan", "export const hourOf = (time: Date) => time;"],
  ["core/plan", "export const numbers = [1, 2].map(Math.random);"],
  ["core/plan", "export const { random } = Math;"],
  ["core/plan", "export const text = (12345).toLocaleString();"],
  ["core/plan", 'export const order = (one?: string) => one?.localeCompare("b");'],
  ["core/plan", "export const { compare } = new Intl.Collator();"],
  ["core/plan", "export const everything = globalThis;"],
  ["core/plan", 'export const make = new Function("return 1");'],
  ["core/plan", 'export const make = "".constructor;'],
  ["core/plan", 'export const fs = process.getBuiltinModule("node:fs");'],
  ["core/plan", 'import "../../host/git.ts";'],
  ["core/plan", 'import "../../../node_modules/listr2/dist/index.js";'],
  ["views", "process.exit();"],
  ["views", "export const { stdout } = process;"],
  ["views", 'import "listr2";'],
  ["views/human", 'import "node:fs";'],
  ["commands", "process.exit();"],
  ["commands", "export const { exit } = process;"],
  ["commands", "process.exitCode = 1;"],
  ["commands", "export const end = (one: { exitCode?: number }) => {\n  one.exitCode = 1;\n};"],
  ["execute", "process.abort();"],
  ["host", 'export const fs = process.getBuiltinModule("node:fs");'],
];

const ALLOWED: readonly (readonly [file: string, line: string])[] = [
  ["src/cli.ts", "process.exitCode = 1;"],
  ["src/views/human/drawn-list.ts", 'import "listr2";\n\nexport const { stdout } = process;'],
  ["src/core/plan/sizes.ts", "export const size = Math.max(1, 2);"],
  ["src/execute/judge-stage.ts", "export const end = { exitCode: 1 };"],
];

describe("the lint of src", () => {
  let folder = "";
  let found: ReadonlySet<string> = new Set();
  const refused = REFUSED.map(([room, line], index) => [`src/${room}/refused-${index}.ts`, line] as const);

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "wan22-lint-")));
    for (const name of ["biome.json", ".gitignore", "src/exit-code.grit"])
      await cp(join(root, name), join(folder, name));
    for (const [file, line] of [...refused, ...ALLOWED]) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), `${line}\n`);
    }
    found = await lintedFiles(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(refused)("refuses %s with %s", (file) => {
    expect([...found]).toContain(file);
  });

  it.each(ALLOWED)("takes %s with %s", (file) => {
    expect([...found]).not.toContain(file);
  });
});

/** The files in which lint finds an error, named from the folder. */
async function lintedFiles(folder: string): Promise<ReadonlySet<string>> {
  const biome = join(root, "node_modules/.bin/biome");
  const { stdout } = await promisify(execFile)(biome, ["lint", "--reporter=github", "--max-diagnostics=none"], {
    cwd: folder,
  }).catch((error: unknown) => {
    // It ends with 1 where it finds something.
    if (error instanceof Error && "stdout" in error) return { stdout: String(error.stdout) };
    throw error;
  });
  return new Set(
    [...stdout.matchAll(/^::error .*?\bfile=([^,]+),/gm)].map(([, file = ""]) => file.replace(`${folder}/`, "")),
  );
}
