import { type Diagnostic, type DiagnosticKind, diagnose, type Place } from "../core/diagnostic.ts";
import type { Spec } from "../core/spec/spec.ts";
import { PREPARE_CODES } from "./codes.ts";

/** Pipelines given together must not share a name or an output. Findings by pipeline file. */
export function checkAcross(specs: readonly Spec[]): ReadonlyMap<string, readonly Diagnostic[]> {
  const findings = new Map<string, Diagnostic[]>();
  const clash = (kind: DiagnosticKind, key: (spec: Spec) => string, path: string, what: (spec: Spec) => string) => {
    const first = new Map<string, Spec>();
    for (const spec of specs) {
      const owner = first.get(key(spec));
      if (owner === undefined) {
        first.set(key(spec), spec);
        continue;
      }
      const detail = `${owner.file} and ${spec.file} both ${what(spec)}. ${kind.why} ${kind.mend}`;
      const finding = diagnose(kind, detail, {
        at: placeOf(spec, path),
        related: [{ message: "the other one", ...placeOf(owner, path) }],
        path,
      });
      findings.set(spec.file, [...(findings.get(spec.file) ?? []), finding]);
    }
  };
  clash(
    PREPARE_CODES.sameName,
    (spec) => spec.name,
    "name",
    (spec) => `are named \`${spec.name}\``,
  );
  clash(
    PREPARE_CODES.sameOutput,
    (spec) => `${spec.output.dir.path}/${spec.output.name}`,
    "output.name",
    (spec) => `write \`${spec.output.dir.path}/${spec.output.name}\``,
  );
  return findings;
}

/** Where a key stands, or the file where it was left out. */
export function placeOf(spec: Spec, path: string): Place {
  return spec.places.get(path) ?? { file: spec.file };
}
