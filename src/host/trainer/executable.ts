import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** What finding a command depends on, apart from the files themselves. */
export interface SearchPath {
  /** `PATH`, as the environment has it. */
  readonly path: string | undefined;
  /** `PATHEXT` on Windows: the endings that make a file a command. */
  readonly endings?: string | undefined;
}

/** The search path of this process. */
function ownSearchPath(): SearchPath {
  return {
    path: process.env.PATH,
    endings: process.platform === "win32" ? (process.env.PATHEXT ?? ".EXE;.CMD;.BAT;.COM") : undefined,
  };
}

/** The file that a command's name stands for, as a shell would find it, without starting anything. */
export async function findExecutable(
  command: string,
  search: SearchPath = ownSearchPath(),
): Promise<string | undefined> {
  const endings =
    search.endings === undefined ? [""] : ["", ...search.endings.split(";").filter((ending) => ending !== "")];
  for (const folder of (search.path ?? "").split(delimiter)) {
    if (folder === "") continue;
    for (const ending of endings) {
      const candidate = join(folder, `${command}${ending}`);
      if (await isExecutable(candidate)) return candidate;
    }
  }
  return undefined;
}

/** Whether `file` is a file that this user may run. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
