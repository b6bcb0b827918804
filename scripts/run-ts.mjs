// Runs a TypeScript script: node scripts/run-ts.mjs SCRIPT.ts [ARGS]
import { importTypeScript } from "./import-ts.mjs";

const [script, ...args] = process.argv.slice(2);
if (script === undefined) throw new Error("usage: node scripts/run-ts.mjs SCRIPT.ts [ARGS]");
process.argv = [process.argv[0] ?? "node", script, ...args];
await importTypeScript(script);
