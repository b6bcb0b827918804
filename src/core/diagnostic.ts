/** Diagnostics: what is wrong, why, and how to mend it, as plain data. Printing them is the views' work. */
import { withoutCredentials } from "./credentials.ts";
import { printable } from "./printable.ts";

export type Severity = "error" | "warning" | "note";

/** A range in a text; lines and columns count from 1, the end is exclusive. */
export interface SourceRange {
  readonly line: number;
  readonly column: number;
  readonly end_line: number;
  readonly end_column: number;
}

/** A file as shown to people (relative to the project root where it lies inside), with a range where one is known. */
export interface Place {
  readonly file: string;
  readonly range?: SourceRange | undefined;
}

/** One kind of diagnostic: its stable code and everything about it that is constant. `docs/DIAGNOSTICS.md` is made of these. */
export interface DiagnosticKind {
  /** Stable: a letter for the chapter and a number; `T1`–`T27` are the trainer's own refusals, numbered as in its facts. */
  readonly code: string;
  readonly severity: Severity;
  /** One line without a full stop, the same for every occurrence. */
  readonly summary: string;
  /** Why it matters: what would happen if it were let through. */
  readonly why: string;
  /** How to mend it, in general. */
  readonly mend: string;
  /** The smallest input that shows it, as a user would write it. */
  readonly example: string;
}

export interface RelatedPlace extends Place {
  readonly message: string;
}

export interface Diagnostic {
  readonly severity: Severity;
  readonly code: string;
  readonly summary: string;
  /** Full sentences about this occurrence: what, why, how to mend. */
  readonly detail: string;
  /** Summary and detail in one. */
  readonly message: string;
  readonly file?: string | undefined;
  readonly range?: SourceRange | undefined;
  readonly related: readonly RelatedPlace[];
  /** Where in the file the value stands, as a dotted key path, for readers without the text. */
  readonly path?: string | undefined;
}

export interface DiagnosticOptions {
  readonly at?: Place | undefined;
  readonly related?: readonly RelatedPlace[] | undefined;
  readonly path?: string | undefined;
  /** Follows the detail as it is, line breaks kept: a patch, the end of a log. */
  readonly below?: string | undefined;
  /** Overrides the kind's severity: the same finding can be an error in one place and a warning in another. */
  readonly severity?: Severity | undefined;
}

/**
 * Makes a diagnostic of a kind. `text` is full sentences: what, why, how to mend. The names in it come from disks: a line
 * break in one would begin a line that looks like this program's own, so none is left. Nor are passwords in addresses: what is
 * found goes into comments and logs.
 */
export function diagnose(kind: DiagnosticKind, text: string, options: DiagnosticOptions = {}): Diagnostic {
  const detail = withoutCredentials(`${printable(text)}${options.below ?? ""}`);
  return {
    severity: options.severity ?? kind.severity,
    code: kind.code,
    summary: kind.summary,
    detail,
    message: `${kind.summary}: ${detail}`,
    ...(options.at === undefined ? {} : { file: options.at.file }),
    ...(options.at?.range === undefined ? {} : { range: options.at.range }),
    related: (options.related ?? []).map((place) => ({
      ...place,
      message: withoutCredentials(printable(place.message)),
    })),
    ...(options.path === undefined ? {} : { path: options.path }),
  };
}

/** What is wrong with a thing that several share is said once. */
export function withoutRepeats(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((one) => [JSON.stringify(one), one])).values()];
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === "error");
}

/** Either a value, or the reasons why there is none. A value may come with warnings and notes. */
export interface Outcome<T> {
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
}
