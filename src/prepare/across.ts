import { type Diagnostic, type DiagnosticKind, diagnose, type Place } from "../core/diagnostic.ts";
import type { Spec } from "../core/spec/spec.ts";
import { outputsMeet } from "../core/trainer/checkpoints.ts";
import { PREPARE_CODES } from "./codes.ts";
import type { ShowFile } from "./shown-files.ts";

/** A pipeline among those given, with how its files are shown. */
export interface GivenPipeline {
  /** Absolute. */
  readonly root: string;
  readonly spec: Spec;
  readonly show: ShowFile;
  /** Where `output.dir` really lies, links followed; absolute. */
  readonly outputFolder: string;
}

interface Clash {
  /** Only pipelines of the same key can clash. */
  readonly key: (one: GivenPipeline) => string;
  /** The key of the pipeline file that is to be changed. */
  readonly path: string;
  /** Whether two of the same key do; always if left out. */
  readonly meet?: (one: Spec, other: Spec) => boolean;
  readonly verb: string;
  readonly thing: (spec: Spec) => string;
}

/** Pipelines of one project must not share a name, and none an output. Findings by spec. */
export function checkAcross(given: readonly GivenPipeline[]): ReadonlyMap<Spec, readonly Diagnostic[]> {
  const findings = new Map<Spec, Diagnostic[]>();
  const clash = (kind: DiagnosticKind, { key, path, meet = () => true, verb, thing }: Clash) => {
    const seen = new Map<string, readonly GivenPipeline[]>();
    for (const one of given) {
      const others = seen.get(key(one)) ?? [];
      seen.set(key(one), [...others, one]);
      const owner = others.find((other) => meet(other.spec, one.spec));
      if (owner === undefined) continue;
      const { spec, show } = one;
      const [first, second] = [thing(owner.spec), thing(spec)];
      const files = `${owner.show(owner.spec.file)} and ${show(spec.file)}`;
      const both =
        first === second ? `${files} both ${verb} ${first}` : `${files} ${verb} ${first} and ${second}, which meet`;
      const finding = diagnose(kind, `${both}. ${kind.why} ${kind.mend}`, {
        at: shownPlace(placeOf(spec, path), show),
        related: [{ message: "the other one", ...shownPlace(placeOf(owner.spec, path), owner.show) }],
        path,
      });
      findings.set(spec, [...(findings.get(spec) ?? []), finding]);
    }
  };
  clash(PREPARE_CODES.sameName, {
    key: ({ root, spec }) => `${root}\n${spec.name}`,
    path: "name",
    verb: "are named",
    thing: (spec) => `\`${spec.name}\``,
  });
  clash(PREPARE_CODES.sameOutput, {
    key: ({ outputFolder }) => outputFolder,
    path: "output.name",
    meet: (one, other) => outputNames(one).some((name) => outputNames(other).some((of) => outputsMeet(name, of))),
    verb: "write",
    thing: (spec) => `\`${spec.output.dir.path}/${spec.output.name}\``,
  });
  return findings;
}

/** What the names of its checkpoints begin with. */
function outputNames({ noise, output: { name } }: Spec): readonly string[] {
  return noise === "separate" ? [`${name}-low`, `${name}-high`] : [name];
}

function shownPlace(place: Place, show: ShowFile): Place {
  return { ...place, file: show(place.file) };
}

/** Where a key stands, or the file where it was left out. */
export function placeOf(spec: Spec, path: string): Place {
  return spec.places.get(path) ?? { file: spec.file };
}
