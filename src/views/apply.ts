import { type ApplyView, createApplyLines } from "./human/apply-lines.ts";
import { viewApplyEventJson } from "./json.ts";

export interface ApplyViewOptions {
  /** `json` is NDJSON, an event a line. */
  readonly format: "human" | "json";
  readonly stream: NodeJS.WriteStream;
  /** Whether lines may be drawn over; `plain` for logs, pipes and CI. */
  readonly terminal: "interactive" | "plain";
  readonly colour: boolean;
  /** How many pipelines are at work at the same time, at most; 1 if left out. */
  readonly lanes?: number;
}

/** The view of `apply` that fits where it is shown. It is told every event, and closed at the end. */
export async function openApplyView({
  format,
  stream,
  terminal,
  colour,
  lanes = 1,
}: ApplyViewOptions): Promise<ApplyView> {
  if (format === "json") {
    return { report: (event) => void stream.write(viewApplyEventJson(event)), close: async () => undefined };
  }
  // A terminal that doesn't know its size can't be drawn on.
  const canDraw = terminal === "interactive" && stream.columns > 0 && stream.rows > 0;
  if (!canDraw)
    return createApplyLines({ write: (text) => void stream.write(text), colour, columns: () => columnsOf(stream) });
  // Loaded only here: it takes as long as a whole plan.
  if (lanes > 1) return (await import("./human/apply-lanes.ts")).createApplyLanes({ stream, colour, lanes });
  const { createApplyProgress } = await import("./human/apply-progress.ts");
  return createApplyProgress({ stream, colour });
}

/** Undefined of what is no terminal, or of one that doesn't know its size. */
function columnsOf({ isTTY, columns }: NodeJS.WriteStream): number | undefined {
  return isTTY && columns > 0 ? columns : undefined;
}
