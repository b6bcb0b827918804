import { expect, test } from "vitest";
import { commandLine } from "../../../src/commands/command-line.ts";

const folder = "/home/fox/project";

test("A command is written as it was started", () => {
  expect(commandLine(["apply", "fox.yaml"], { folder, environment: {} })).toBe("wan22 apply fox.yaml");
  const here = { npm_command: "exec", npm_config_local_prefix: "/home/fox" };
  expect(commandLine(["apply"], { folder, environment: here })).toBe("npx wan22 apply");
  const elsewhere = { npm_command: "exec", npm_config_local_prefix: "/home/fox/my wan22" };
  expect(commandLine(["apply"], { folder, environment: elsewhere })).toBe(
    "npx --prefix '/home/fox/my wan22' wan22 apply",
  );
});

test("Words that a shell would take apart are quoted", () => {
  expect(commandLine(["apply", "it's a fox.yaml", "狐狸.yaml"], { folder, environment: {} })).toBe(
    "wan22 apply 'it'\\''s a fox.yaml' 狐狸.yaml",
  );
});
