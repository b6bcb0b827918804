import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { pathWithRealPython } from "./test/rig/real-python.ts";

const env = { PATH: pathWithRealPython() };

export default defineConfig({
  test: {
    // An end-to-end test waits for its processes half of the time: a core that waits can do another one's work.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          name: "unit",
          env,
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { test: { name: "e2e", env, include: ["test/e2e/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 } },
      {
        test: {
          name: "survival",
          env,
          include: ["test/survival/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "contract",
          env,
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
