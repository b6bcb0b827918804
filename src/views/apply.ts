import { type ApplyView, createApplyLines } from "./human/apply-lines.ts";
import { viewApplyEventJson } from "./json.ts";

export interface ApplyViewOptions {
  /** `json` is NDJSON, an event a line. */
  readonly format: "human" | "json";
  readonly stream: NodeJS.WriteStream;
  /** Whether lines may be drawn over; `plain` for logs, pipes and CI. */
  readonly terminal: "interactive" | "plain";
  readonly colour: boolean;
}

/** The view of `apply` that fits where it is shown. It is told every event, and closed at the end. */
export async function openApplyView({ format, stream, terminal, colour }: ApplyViewOptions): Promise<ApplyView> {
  if (format === "json") {
    return { report: (event) => void stream.write(viewApplyEventJson(event)), close: async () => undefined };
  }
  // A terminal that doesn't know its size can't be drawn on.
  const canDraw = terminal === "interactive" && stream.columns > 0 && stream.rows > 0;
  if (!canDraw) return createApplyLines({ write: (text) => void stream.write(text), colour });
  // Loaded only here: it takes as long as a whole plan.
  const { createApplyProgress } = await import("./human/apply-progress.ts");
  return createApplyProgress({ stream, colour });
}
