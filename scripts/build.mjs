// Bundles src/cli.ts into dist/wan22.js: one file, so that starting it costs one read.
import { chmodSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

await build({
  absWorkingDir: new URL("..", import.meta.url).pathname,
  entryPoints: ["src/cli.ts"],
  outfile: "dist/wan22.js",
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  minifySyntax: true,
  legalComments: "none",
  define: { WAN22_VERSION: JSON.stringify(version) },
  banner: {
    js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
chmodSync(new URL("../dist/wan22.js", import.meta.url), 0o755);
