import { expect, it } from "vitest";
import { EXAMPLES } from "../../src/commands/examples.ts";
import { makeProject } from "../rig/project.ts";

/** The help texts: what they show as examples is what the command takes. */

it.each(Object.entries(EXAMPLES))(
  "the help of %s has its examples, each with options that it has",
  async (words, examples) => {
    const project = await makeProject();
    const { exitCode, stdout } = await project.run([...words.split(" "), "--help"]);
    expect(exitCode).toBe(0);
    const [options = "", shown = ""] = stdout.split("\nExamples:\n");
    expect(shown.trimEnd().split("\n")).toHaveLength(examples.length);
    expect(shown.split("\n").every((line) => line.length <= 80)).toBe(true);
    for (const [line] of examples) {
      expect(shown).toContain(`  ${line}  `);
      expect(line.startsWith(`wan22 ${words} `)).toBe(true);
      for (const [option] of line.matchAll(/(?<= )--?[a-z][a-z-]*/g))
        expect(options).toMatch(new RegExp(`^  (?:-[a-z], )?${option}|^  ${option},`, "m"));
    }
  },
);
