import type { Diagnostic } from "../core/diagnostic.ts";
import { viewDiagnostics } from "../views/human/diagnostics.ts";
import { viewDiagnosticsJson } from "../views/json.ts";
import type { Terminal } from "./terminal.ts";

/** How findings are shown that are not in a plan. */
export interface ShowDiagnosticsOptions {
  /** `human` if left out. */
  readonly format?: "human" | "json";
  /** Of the files that they are about, to show the lines. */
  readonly texts?: ReadonlyMap<string, string> | undefined;
}

/** On standard error; nothing where there are none. */
export function showDiagnostics(
  diagnostics: readonly Diagnostic[],
  { colour, width, err }: Pick<Terminal, "colour" | "width" | "err">,
  { format = "human", texts = new Map() }: ShowDiagnosticsOptions = {},
): void {
  if (diagnostics.length === 0) return;
  err(format === "json" ? viewDiagnosticsJson(diagnostics) : viewDiagnostics(diagnostics, { colour, width, texts }));
}
