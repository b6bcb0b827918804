// Bundles src/cli.ts into dist/, twice: one file for what is over in a moment, so that starting it costs one read, and many for
// what may wait for days. V8 needs 14 MB to take in the one file, which the C library keeps more often than not; of many the
// largest counts. dist/wan22.js (launch.mjs) loads the one or the other.
import { chmodSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { build } from "esbuild";
import { importTypeScript, root } from "./import-ts.mjs";

const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

const templates = await precompileBuiltInTemplates();
const common = {
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  // Half the bytes to read and scan at every start.
  minify: true,
  metafile: true,
  logLevel: "warning",
};
const commandLine = {
  ...common,
  define: { WAN22_VERSION: JSON.stringify(version), WAN22_PRESETS: JSON.stringify(await readBuiltInPresets()) },
  // Code, so it can't be a `define`: functions that Handlebars would otherwise compile at every start.
  inject: ["built-in-templates"],
  plugins: [moduleOf("built-in-templates", `export const WAN22_TEMPLATES = ${templates};`)],
  banner: {
    // `require` for the CommonJS packages in the bundle.
    js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);\n',
  },
};
const built = await Promise.all([
  build({ ...commandLine, entryPoints: { cli: "src/cli.ts" }, legalComments: "external" }),
  build({
    ...commandLine,
    entryPoints: { runner: "src/cli.ts" },
    splitting: true,
    chunkNames: "runner-[hash]",
    legalComments: "none",
  }),
  build({ ...common, entryPoints: { wan22: "scripts/launch.mjs" }, external: ["./cli.js", "./runner.js"] }),
]);
const written = built.flatMap(({ metafile }) => Object.keys(metafile.outputs));
for (const file of written.filter((file) => file.endsWith(".js")))
  refuseWideCharacters(readFileSync(root + file, "utf8"));
chmodSync(`${root}dist/wan22.js`, 0o755);
const names = written.map((file) => basename(file));
for (const name of readdirSync(`${root}dist`)) if (!names.includes(name)) rmSync(`${root}dist/${name}`);

/** A module that no file holds. */
function moduleOf(name, contents) {
  const filter = new RegExp(`^${name}$`);
  return {
    name,
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter }, () => ({ path: name, namespace: name }));
      onLoad({ filter, namespace: name }, () => ({ contents, loader: "js" }));
    },
  };
}

/** One character beyond Latin-1, and V8 keeps the whole source at two bytes each for as long as a command runs. */
function refuseWideCharacters(source) {
  const wide = /.{0,40}[^\0-\u00ff].{0,40}/u.exec(source);
  if (wide !== null) throw new Error(`Write the wide character in the code as an escape: ${wide[0]}`);
}

/** The presets as data: reading seven YAML files would take longer than all the rest of a plan. */
async function readBuiltInPresets() {
  const folder = `${root}templates/presets/`;
  const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  const texts = names.map((name) => [
    name,
    { file: `templates/presets/${name}`, text: readFileSync(folder + name, "utf8") },
  ]);
  const { readPresets } = await importTypeScript("src/core/resolve/presets.ts");
  const { value, diagnostics } = readPresets(Object.fromEntries(texts));
  if (value === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return value;
}

/** The templates with what Handlebars makes of them, as JavaScript source. */
async function precompileBuiltInTemplates() {
  const folder = `${root}templates/`;
  const { precompileBuiltIn } = await importTypeScript("src/core/render/render.ts");
  const entries = readdirSync(folder)
    .filter((name) => name.endsWith(".hbs"))
    .map((name) => {
      const text = readFileSync(folder + name, "utf8");
      const fields = `file: ${JSON.stringify(`templates/${name}`)}, text: ${JSON.stringify(text)}`;
      return `${JSON.stringify(name)}: { ${fields}, compiled: ${precompileBuiltIn(name, text)} }`;
    });
  return `{ ${entries.join(", ")} }`;
}
