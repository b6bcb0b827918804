// Runs a TypeScript script on Node 20: bundles it beside the project's own modules and imports the result.
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [script, ...args] = process.argv.slice(2);
if (script === undefined) throw new Error("usage: node scripts/run-ts.mjs SCRIPT.ts [ARGS]");
mkdirSync(`${root}.tsbuild`, { recursive: true });
const outfile = `${root}.tsbuild/run-${process.pid}.mjs`;
await build({
  absWorkingDir: root,
  entryPoints: [script],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  packages: "external",
  define: { WAN22_VERSION: '"0.0.0"' },
});
process.argv = [process.argv[0] ?? "node", script, ...args];
try {
  await import(pathToFileURL(outfile).href);
} finally {
  rmSync(outfile, { force: true });
}
