import { resolve } from "node:path";
import { type Diagnostic, type DiagnosticKind, diagnose, type Place } from "../core/diagnostic.ts";
import type { Spec } from "../core/spec/spec.ts";
import { PREPARE_CODES } from "./codes.ts";
import type { ShowFile } from "./shown-files.ts";

/** A pipeline among those given, with how its files are shown. */
export interface GivenPipeline {
  /** Absolute. */
  readonly root: string;
  readonly spec: Spec;
  readonly show: ShowFile;
}

/** Pipelines of one project must not share a name, and none an output. Findings by spec. */
export function checkAcross(given: readonly GivenPipeline[]): ReadonlyMap<Spec, readonly Diagnostic[]> {
  const findings = new Map<Spec, Diagnostic[]>();
  const clash = (
    kind: DiagnosticKind,
    key: (one: GivenPipeline) => string,
    path: string,
    what: (spec: Spec) => string,
  ) => {
    const first = new Map<string, GivenPipeline>();
    for (const one of given) {
      const owner = first.get(key(one));
      if (owner === undefined) {
        first.set(key(one), one);
        continue;
      }
      const { spec, show } = one;
      const detail = `${owner.show(owner.spec.file)} and ${show(spec.file)} both ${what(spec)}. ${kind.why} ${kind.mend}`;
      const other = placeOf(owner.spec, path);
      const finding = diagnose(kind, detail, {
        at: shownPlace(placeOf(spec, path), show),
        related: [{ message: "the other one", ...shownPlace(other, owner.show) }],
        path,
      });
      findings.set(spec, [...(findings.get(spec) ?? []), finding]);
    }
  };
  clash(
    PREPARE_CODES.sameName,
    ({ root, spec }) => `${root}\n${spec.name}`,
    "name",
    (spec) => `are named \`${spec.name}\``,
  );
  clash(
    PREPARE_CODES.sameOutput,
    ({ root, spec }) => resolve(root, spec.output.dir.path, spec.output.name),
    "output.name",
    (spec) => `write \`${spec.output.dir.path}/${spec.output.name}\``,
  );
  return findings;
}

function shownPlace(place: Place, show: ShowFile): Place {
  return { ...place, file: show(place.file) };
}

/** Where a key stands, or the file where it was left out. */
export function placeOf(spec: Spec, path: string): Place {
  return spec.places.get(path) ?? { file: spec.file };
}
