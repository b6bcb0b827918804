import { existsSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { findExecutable } from "../../src/host/trainer/executable.ts";

/** Git as a command finds it, with a gate before its remote: what is pushed waits there until it is let through. */

export interface GatedGit {
  /** For the command that shall find it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves when something has come to the gate. */
  readonly arrived: () => Promise<void>;
  readonly open: () => Promise<void>;
  /** The remote is not there, and is there again. */
  readonly cut: () => Promise<void>;
  readonly mend: () => Promise<void>;
}

/** In a folder of its own, which the caller removes. */
export async function makeGatedGit(folder: string): Promise<GatedGit> {
  await mkdir(folder, { recursive: true });
  const at = (name: string) => join(folder, name);
  const script = [
    "#!/bin/sh",
    'case " $* " in',
    `  *" push "*|*" fetch "*|*" ls-remote "*)`,
    `    if [ -e '${at("cut")}' ]; then echo "fatal: unable to access: no route to host" >&2; exit 128; fi ;;`,
    "esac",
    'case " $* " in',
    `  *" push "*) : > '${at("arrived")}'; until [ -e '${at("open")}' ]; do sleep 0.05; done ;;`,
    "esac",
    `exec '${await findExecutable("git")}' "$@"`,
  ];
  await writeFile(at("git"), `${script.join("\n")}\n`);
  await chmod(at("git"), 0o755);
  return {
    environment: { PATH: `${folder}:${process.env.PATH}` },
    arrived: () => expect.poll(() => existsSync(at("arrived")), { timeout: 60_000 }).toBe(true),
    open: () => writeFile(at("open"), ""),
    cut: () => writeFile(at("cut"), ""),
    mend: () => rm(at("cut")),
  };
}
