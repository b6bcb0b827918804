import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTail } from "../../../src/host/tail.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-tail-"));
  file = join(folder, "events.ndjson");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a file that is not there yet has no lines, and is read once it is", async () => {
  const tail = openTail(file);
  expect(await tail.readLines()).toEqual([]);
  await writeFile(file, "one\n");
  expect(await tail.readLines()).toEqual(["one"]);
  expect(await tail.readLines()).toEqual([]);
  await tail.close();
});

test("a line counts when it has its end, however its bytes come", async () => {
  const text = "狐狸 🦊\nsecond\n\nthird";
  const tail = openTail(file);
  const lines: string[] = [];
  for (const byte of Buffer.from(text)) {
    await appendFile(file, Buffer.of(byte));
    lines.push(...(await tail.readLines()));
  }
  expect(lines).toEqual(["狐狸 🦊", "second", ""]);
  expect(tail.rest()).toBe("third");
  await tail.close();
});

test("a carriage return ends a line where it is asked for", async () => {
  await writeFile(file, "\rsteps: 1/2\rsteps: 2/2\r\nsaved\n");
  const tail = openTail(file, { lineEnds: "newline-or-return" });
  expect(await tail.readLines()).toEqual(["", "steps: 1/2", "steps: 2/2", "", "saved"]);
  await tail.close();
});

test("many megabytes are read in one go, line by line", async () => {
  const line = "x".repeat(1000);
  await writeFile(file, `${line}\n`.repeat(5000));
  const tail = openTail(file);
  expect(await tail.readLines()).toHaveLength(5000);
  await tail.close();
});
