// Bundles src/cli.ts into dist/wan22.js: one file, so that starting it costs one read.
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";
import { importTypeScript, root } from "./import-ts.mjs";

const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

await build({
  absWorkingDir: root,
  entryPoints: ["src/cli.ts"],
  outfile: "dist/wan22.js",
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  // Half the bytes to read and scan at every start.
  minify: true,
  legalComments: "external",
  define: { WAN22_VERSION: JSON.stringify(version), WAN22_PRESETS: JSON.stringify(await readBuiltInPresets()) },
  banner: {
    // `require` for the CommonJS packages in the bundle.
    js:
      '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);\n' +
      // Code, so it can't be a `define`: functions that Handlebars would otherwise compile at every start.
      `const WAN22_TEMPLATES = ${await precompileBuiltInTemplates()};`,
  },
  logLevel: "warning",
});
chmodSync(`${root}dist/wan22.js`, 0o755);

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
