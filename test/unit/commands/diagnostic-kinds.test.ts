import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { DIAGNOSTIC_CHAPTERS } from "../../../src/commands/diagnostic-kinds.ts";

const SOURCES = new URL("../../../src/", import.meta.url);

/** Every object of kinds that any `codes.ts` exports. */
async function exportedCodes(): Promise<readonly string[]> {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) => /codes\.ts$/.test(file));
  const modules = await Promise.all(files.map((file): Promise<object> => import(new URL(file, SOURCES).href)));
  const tables = modules.flatMap((module) => Object.values(module).filter((table) => typeof table === "object"));
  return tables.flatMap((table: Readonly<Record<string, { readonly code: string }>>) =>
    Object.values(table).map(({ code }) => code),
  );
}

test("every kind of diagnostic is in a chapter, and in one only", async () => {
  const listed = DIAGNOSTIC_CHAPTERS.flatMap(({ kinds }) => kinds.map(({ code }) => code));
  expect(listed.toSorted()).toEqual((await exportedCodes()).toSorted());
  expect(new Set(listed).size).toBe(listed.length);
});

test("every title begins with a capital, or with a name that is written as it is", () => {
  const titles = DIAGNOSTIC_CHAPTERS.flatMap(({ kinds }) => kinds.map(({ summary }) => summary));
  expect(titles.filter((title) => !/^(?:[A-Z`]|[a-z]+[\d_.])/.test(title))).toEqual([]);
});
