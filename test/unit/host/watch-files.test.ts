import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { watchFiles } from "../../../src/host/watch-files.ts";

test("A watch is quiet until something has changed, and again once that was asked for", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wan22-watch-"));
  const watch = watchFiles({ pollMs: undefined, onProblem: () => undefined });
  onTestFinished(async () => {
    await watch.close();
    await rm(folder, { recursive: true });
  });
  const file = join(folder, "fox.yaml");
  await watch.follow([file]);
  expect(watch.isQuiet()).toBe(true);

  await writeFile(join(folder, "other.yaml"), "");
  await writeFile(file, "name: fox\n");
  await vi.waitUntil(() => !watch.isQuiet());

  await watch.changed();
  expect(watch.isQuiet()).toBe(true);
});
