// Imports a TypeScript module on Node 20: bundles it beside the project's own modules and loads the result.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** `entry` relative to the project's root. */
export async function importTypeScript(entry) {
  mkdirSync(`${root}.tsbuild`, { recursive: true });
  const outfile = `${root}.tsbuild/run-${process.pid}-${entry.replaceAll("/", "-")}.mjs`;
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "esm",
    packages: "external",
    plugins: [ownPlaces],
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** A module that looks for what lies beside it finds it, though the bundle lies elsewhere. */
const ownPlaces = {
  name: "own-places",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)),
      loader: "ts",
    }));
  },
};
