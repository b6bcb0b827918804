import { chmod, mkdir, mkdtemp, open, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainSystemError } from "../../../src/execute/system-error.ts";
import { proveWritable, writeWholeFile } from "../../../src/host/atomic-file.ts";
import { testWithSmallDisk } from "../../rig/small-disk.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "wan22-system-error-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** What is said of the error that work ends in: its code, and what is wrong, without how to mend it. */
async function said(work: () => Promise<unknown>) {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const diagnostic = await explainSystemError(error, root);
  return `${diagnostic?.code} ${diagnostic?.detail.split(" Give yourself")[0]?.split(" Make room")[0]}`;
}

describe("what the system refuses is told by what can be changed", () => {
  test("a file where a folder should be", async () => {
    await writeFile(join(root, "output"), "");
    expect(await said(() => proveWritable(join(root, "output")))).toBe(
      "A18 output is a file, and a folder is wanted there.",
    );
    expect(await said(() => proveWritable(join(root, "output/fox/a")))).toBe(
      "A18 output is a file, and a folder is wanted there.",
    );
    expect(await said(() => writeWholeFile(join(root, "output/fox.json"), ""))).toContain("A18 output is a file");
  });

  test("a link that leads nowhere", async () => {
    await symlink("/proc/nowhere", join(root, "output"));
    expect(await said(() => proveWritable(join(root, "output/fox")))).toContain(
      "A18 output is a link that leads nowhere, or in a circle",
    );
  });

  test("a folder where a file should be", async () => {
    await mkdir(join(root, "fox.json"));
    expect(await said(() => writeWholeFile(join(root, "fox.json"), "text"))).toBe(
      "A18 fox.json is a folder, and a file is wanted there.",
    );
  });

  // Root may write everywhere but on a read-only disk.
  test.skipIf(process.getuid?.() === 0)(
    "a closed folder: itself, above what is to be made, and as a rename's target",
    async () => {
      await mkdir(join(root, "closed"));
      await writeFile(join(root, "file"), "");
      await chmod(join(root, "closed"), 0o500);
      const closed = "A18 Nothing can be written in closed: you have no permission.";
      expect(await said(() => proveWritable(join(root, "closed")))).toBe(closed);
      expect(await said(() => proveWritable(join(root, "closed/fox/state")))).toBe(closed);
      expect(await said(() => writeWholeFile(join(root, "closed/fox.json"), "text"))).toBe(closed);
      expect(await said(() => rename(join(root, "file"), join(root, "closed/file")))).toBe(closed);
      await chmod(join(root, "closed"), 0o700);
    },
  );

  testWithSmallDisk("a read-only disk", async (mountSmallDisk) => {
    const { folder: disk, remount } = await mountSmallDisk({ kibibytes: 16 });
    remount("ro");
    const closed = `A18 Nothing can be written in ${disk}: the file system is read-only.`;
    expect(await said(() => proveWritable(disk))).toBe(closed);
    expect(await said(() => proveWritable(join(disk, "fox/state")))).toBe(closed);
  });

  testWithSmallDisk("a full disk, by the file, its bytes, and what is free where", async (mountSmallDisk) => {
    const { folder: disk } = await mountSmallDisk({ kibibytes: 16 });
    const text = "1".repeat(100_000);
    expect(await said(() => writeWholeFile(join(disk, "fox.json"), text))).toBe(
      `A17 ${disk}/fox.json (100 kB) could not be written: 16.4 kB are free on the disk at ${disk}.`,
    );
  });

  test("and is told from a bug, which keeps its stack", async () => {
    expect(await explainSystemError(new TypeError("x is undefined"), root)).toBeUndefined();
    const closed = await open(join(root, "x"), "w");
    await closed.close();
    expect(await readFile(join(root, "x"), "utf8")).toBe("");
  });
});

test("a folder is proved by a file that is gone again", async () => {
  await proveWritable(join(root, "a/b"));
  await expect(readFile(join(root, "a/b"))).rejects.toMatchObject({ code: "EISDIR" });
});
