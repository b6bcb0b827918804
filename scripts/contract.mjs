// Runs the contract tests on a Musubi Tuner checkout: makes the virtual environment that they need, tries each tag that is
// named, and prints a table of what ran and what it gave.
//
//   npm run contract -- ../musubi-tuner [v0.3.0 v0.3.4 …] [-- vitest's own arguments]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const requirements = join(root, "test/rig/miniature/requirements.txt");

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", cwd: root, ...options });
  if (error !== undefined) throw error;
  return status;
}

function fail(text) {
  console.error(text);
  process.exit(1);
}

/** The environment lies beside the checkout's own files and is made once; a changed list of requirements is installed again. */
function makeEnvironment() {
  const folder = join(root, ".contract", "venv");
  const python = join(folder, "bin", "python");
  const made = join(folder, "requirements.txt");
  const wanted = readFileSync(requirements, "utf8");
  if (existsSync(made) && readFileSync(made, "utf8") === wanted) return python;
  mkdirSync(join(root, ".contract"), { recursive: true });
  const base = ["python3.12", "python3.11", "python3.10", "python3"].find(
    (name) => spawnSync(name, ["-c", "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))"]).status === 0,
  );
  if (base === undefined) fail("No Python from 3.10 to 3.12 was found: Musubi Tuner's packages need one of them.");
  console.error(`making ${folder} with ${base}`);
  if (run(base, ["-m", "venv", "--clear", folder]) !== 0) fail("The virtual environment could not be made.");
  if (run(python, ["-m", "pip", "install", "--quiet", "-r", requirements]) !== 0)
    fail("pip could not install what is needed.");
  if (run("cp", [requirements, made]) !== 0) fail(`${made} could not be written.`);
  return python;
}

/** A tag's files in a folder of their own; the checkout is not touched. */
function unpackTag(checkout, tag, folder) {
  const archive = spawnSync("git", ["-C", checkout, "archive", tag], { maxBuffer: 1 << 30 });
  if (archive.status !== 0) fail(`${checkout} has no tag ${tag}: ${archive.stderr}`);
  mkdirSync(folder, { recursive: true });
  const tar = spawnSync("tar", ["x", "-C", folder], { input: archive.stdout });
  if (tar.status !== 0) fail(`${tag} could not be unpacked: ${tar.stderr}`);
  return folder;
}

function runTests(path, python, report, rest) {
  const env = { ...process.env, MUSUBI_TUNER_PATH: path, MUSUBI_PYTHON: process.env.MUSUBI_PYTHON ?? python };
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  run("npx", ["vitest", "run", "--project", "contract", ...reporters, ...rest], { env });
  return existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
}

/** A line a test: what it gave, how long it took. */
function rowsOf(version, results) {
  return results.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status, duration = 0 }) => ({
      version,
      file: name.slice(name.lastIndexOf("/") + 1).replace(/\.test\.ts$/, ""),
      test: [...ancestorTitles.slice(1), title].filter((text) => text !== "").join(": "),
      status,
      seconds: (duration / 1000).toFixed(1),
    })),
  );
}

function printTable(rows) {
  const columns = ["version", "file", "status", "seconds", "test"];
  const width = (column) => Math.max(column.length, ...rows.map((row) => row[column].length));
  const line = (row) => columns.map((column) => row[column].padEnd(column === "test" ? 0 : width(column))).join("  ");
  console.log(`\n${line(Object.fromEntries(columns.map((column) => [column, column])))}`);
  for (const row of rows) console.log(line(row));
  const count = (status) => rows.filter((row) => row.status === status).length;
  console.log(
    `\n${count("passed")} passed, ${count("failed")} failed, ${rows.length - count("passed") - count("failed")} skipped`,
  );
}

const words = process.argv.slice(2);
const split = words.indexOf("--") < 0 ? words.length : words.indexOf("--");
const [checkout, ...tags] = words.slice(0, split);
if (checkout === undefined || !existsSync(join(checkout, "src/musubi_tuner/wan_train_network.py"))) {
  fail("Name a Musubi Tuner checkout: npm run contract -- ../musubi-tuner [v0.3.0 v0.3.4 …]");
}
const python = process.env.MUSUBI_PYTHON ?? makeEnvironment();
if (run("node", ["scripts/build.mjs"]) !== 0) fail("wan22 could not be built.");
const temporary = mkdtempSync(join(tmpdir(), "wan22-contract-"));
try {
  const versions = tags.length === 0 ? [{ version: "checkout", path: resolve(checkout) }] : [];
  for (const tag of tags) versions.push({ version: tag, path: unpackTag(checkout, tag, join(temporary, tag)) });
  const rows = versions.flatMap(({ version, path }) =>
    rowsOf(version, runTests(path, python, join(temporary, `${version}.json`), words.slice(split + 1))),
  );
  printTable(rows);
  process.exitCode = rows.length > 0 && rows.every(({ status }) => status !== "failed") ? 0 : 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
