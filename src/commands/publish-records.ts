import type { Diagnostic } from "../core/diagnostic.ts";
import { publishRecord } from "../execute/publish-record.ts";
import { loadPlace, placeOf } from "../execute/take-over.ts";
import { recordInForce } from "../prepare/branch-records.ts";
import type { KnownPipeline } from "../prepare/prepare.ts";

/**
 * Puts on the state branch what an earlier apply could not, or what was put in order just now. `carriedOut`: those whose run
 * has done so itself, or has said why not.
 */
export async function publishUnpublished(
  known: readonly KnownPipeline[],
  carriedOut: ReadonlySet<string>,
): Promise<readonly Diagnostic[]> {
  const diagnostics: Diagnostic[] = [];
  for (const { root, spec, record } of known) {
    if (record?.branch === undefined || carriedOut.has(spec.name)) continue;
    const place = placeOf({ root, spec });
    const loaded = await loadPlace(place);
    const { standing } = recordInForce(loaded, record);
    if (standing !== "ahead" && standing !== "same") continue;
    const result = await publishRecord({ place, branch: record.branch }, { manner: "newer" });
    if (result.kind === "not-pushed") diagnostics.push(result.diagnostic);
  }
  return diagnostics;
}
