import { spawnSync } from "node:child_process";
import { delimiter, dirname } from "node:path";

/**
 * The search path with the folder of the interpreter behind `python3` in front: a version manager's shim takes longer to start
 * than most of what is started here, thousands of times. Unchanged where there is no Python.
 */
export function pathWithRealPython(path = process.env.PATH ?? ""): string {
  const { stdout } = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  const executable = stdout?.trim() ?? "";
  return executable === "" ? path : `${dirname(executable)}${delimiter}${path}`;
}
