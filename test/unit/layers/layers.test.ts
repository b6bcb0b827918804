import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judgeFile, ROOMS } from "./rooms.ts";

const root = join(import.meta.dirname, "../../..");

/** Every source file, named from the project's root. */
function sourceFiles(): readonly string[] {
  return readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name.replaceAll("\\", "/")}`);
}

describe("the rooms of src", () => {
  it("import what their row allows, and nothing else", () => {
    const faults = sourceFiles().flatMap((file) => judgeFile(file, readFileSync(join(root, file), "utf8")));

    expect(faults).toEqual([]);
  });

  it("are those of docs/ARCHITECTURE.md, row by row", () => {
    const page = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
    const [, table = ""] = /\| room \| imports \| packages \|\n\|[-|]+\|\n((?:\|.*\n)+)/.exec(page) ?? [];
    const rows = table
      .trimEnd()
      .split("\n")
      .map((row) => row.slice(1, -1).split("|").map(readCell));

    expect(rows).toEqual(Object.entries(ROOMS).map(([room, { rooms, packages }]) => [[room], rooms, packages]));
  });
});

/** "`core`, `host`" to its words; a dash holds none. */
function readCell(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
}

describe("a file of core is refused", () => {
  it.each([
    ['/// <reference types="node" />', 'tells the compiler /// <reference types="node" />'],
    ['/// <reference lib="dom" />', 'tells the compiler /// <reference lib="dom" />'],
    ["// @ts-expect-error\nprocess.exit();", "tells the compiler // @ts-expect-error"],
    ["declare const process: { exit(): void };", "declares what it does not import"],
    ["declare global { const process: unknown }", "declares what it does not import"],
    [
      'import { Listr } from "../../../node_modules/listr2/dist/index.js";',
      "imports node_modules/listr2/dist/index.js",
    ],
    ['import fs from "node:fs";', "imports node:fs"],
    ['import fs = require("node:fs");', "imports node:fs"],
    ['export * from "../../host/git.ts";', "imports src/host/git.ts"],
    ['export type Git = import("../../host/git.ts").GitFacts;', "imports src/host/git.ts"],
    ['export type Git = typeof import("../../host/git.ts");', "imports src/host/git.ts"],
    ['export const git = () => import("../../host/git.ts");', "imports src/host/git.ts"],
    ["export const load = (name: string) => import(name);", "imports what is only known when it runs"],
    ['import { readYaml } from "../spec/read-yaml.ts";', "imports src/core/spec/read-yaml.ts"],
    ['import { parse } from "yaml";', "imports yaml"],
  ])("for %s", (text, fault) => {
    const faults = judgeFile("src/core/trainer/sizes.ts", text);

    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it.each([
    ["src/core/facts.ts", "./trainer/items.ts"],
    ["src/core/resolve/cards.ts", "../render/render.ts"],
    ["src/core/check/samples.ts", "../render/render.ts"],
    ["src/core/render/render.ts", "../check/check.ts"],
    ["src/core/state/fold.ts", "../plan/plan.ts"],
    ["src/core/plan/plan.ts", "../check/check.ts"],
  ])("where %s goes against the order inside with %s", (file, specifier) => {
    expect(judgeFile(file, `import "${specifier}";`)).toHaveLength(1);
  });
});

describe("a file of another room is refused", () => {
  it.each([
    ["src/host/git.ts", 'export type Prepared = import("../prepare/prepare.ts").Prepared;'],
    ["src/host/git.ts", 'import { createRequire } from "node:module";'],
    ["src/prepare/read.ts", 'import { runStage } from "../execute/run-stage.ts";'],
    ["src/views/json.ts", 'import { exit } from "node:process";'],
    ["src/views/json.ts", 'import { Listr } from "listr2";'],
    ["src/views/apply.ts", 'export const list = () => import("listr2");'],
    ["src/commands/plan.ts", 'import { Command } from "commander";'],
    ["src/commands/plan.ts", 'import "../cli.ts";'],
    ["src/foo/bar.ts", "export const bar = 1;"],
    ["src/core/foo/bar.ts", "export const bar = 1;"],
    ["src/bar.ts", "export const bar = 1;"],
    ["src/views/globals.d.ts", "export {};"],
  ])("%s with %s", (file, text) => {
    expect(judgeFile(file, text)).toHaveLength(1);
  });
});
