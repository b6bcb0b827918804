import type { Diagnostic, Severity } from "../core/diagnostic.ts";
import { joinPath } from "../core/paths.ts";
import { printable } from "../core/printable.ts";
import { readAddress } from "../core/spec/cell.ts";
import { sortDiagnostics } from "./human/diagnostics.ts";
import { printableLines } from "./text/printable.ts";

/** Diagnostics as GitHub's workflow commands, which it shows beside the lines of a change. */

const COMMANDS: Readonly<Record<Severity, string>> = { error: "error", warning: "warning", note: "notice" };

export interface AnnotationOptions {
  /** Where the project's root lies in the repository; `.` if left out. */
  readonly folder?: string | undefined;
}

/** A line a diagnostic (`::error file=fox.yaml,line=12,col=5,endColumn=16,title=S3 …::detail`). Empty for none. */
export function viewAnnotations(diagnostics: readonly Diagnostic[], options: AnnotationOptions = {}): string {
  return sortDiagnostics(diagnostics)
    .map((diagnostic) => `${annotation(diagnostic, options.folder ?? ".")}\n`)
    .join("");
}

function annotation(diagnostic: Diagnostic, folder: string): string {
  const properties: [string, string][] = [];
  const { file, range } = diagnostic;
  if (file !== undefined) properties.push(["file", joinPath(folder, readAddress(file).file)]);
  if (file !== undefined && range !== undefined) {
    properties.push(["line", String(range.line)], ["endLine", String(Math.max(range.line, range.end_line))]);
    // GitHub refuses columns where the annotation spans lines; its end column is the last one, ours the one after it.
    if (range.end_line <= range.line) {
      properties.push(
        ["col", String(range.column)],
        ["endColumn", String(Math.max(range.column, range.end_column - 1))],
      );
    }
  }
  properties.push(["title", `${diagnostic.code} ${diagnostic.summary}`]);
  const related = diagnostic.related.map((place) => {
    const at = place.range === undefined ? place.file : `${place.file}:${place.range.line}`;
    return `${place.message}: ${at}`;
  });
  const message = escapeMessage([diagnostic.detail, ...related].join("\n"));
  const list = properties.map(([name, value]) => `${name}=${escapeProperty(value)}`).join(",");
  return `::${COMMANDS[diagnostic.severity]} ${list}::${message}`;
}

function escapeMessage(text: string): string {
  return printableLines(text).replace(/%/g, "%25").replace(/\n/g, "%0A");
}

function escapeProperty(text: string): string {
  return printable(text).replace(/%/g, "%25").replace(/:/g, "%3A").replace(/,/g, "%2C");
}
