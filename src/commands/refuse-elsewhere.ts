import type { Diagnostic } from "../core/diagnostic.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import type { Prepared, PreparedPipeline } from "../prepare/prepare.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";

/** Pipelines that can be planned here and not be carried out, because of what is on another machine. */

/** Why a pipeline is not carried out, and what that is to the shell. */
export interface Refusal {
  readonly diagnostic: Diagnostic;
  readonly exitCode: ExitCode;
}

/** What another machine is at work on, or has the files of, by its record: it can be planned here, and not carried out. */
export function refuseElsewhere(
  { known }: Prepared,
  pipelines: readonly PreparedPipeline[],
): ReadonlyMap<PreparedPipeline["spec"], Refusal> {
  const refused = new Map<PreparedPipeline["spec"], Refusal>();
  for (const { spec, plan, filesElsewhere } of pipelines) {
    const { atWork } = known.find((one) => one.spec === spec) ?? {};
    if (!plan.stages.some(isCarriedOut)) continue;
    if (atWork !== undefined) refused.set(spec, { diagnostic: atWork, exitCode: EXIT.locked });
    else if (filesElsewhere !== undefined) refused.set(spec, { diagnostic: filesElsewhere, exitCode: EXIT.error });
  }
  return refused;
}
