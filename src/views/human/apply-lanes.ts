import type { ApplyEvent } from "../../core/apply-event.ts";
import { printable } from "../../core/printable.ts";
import { advanceProgress, type StageProgress, startProgress } from "../../core/progress.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { listWords } from "../text/quantity.ts";
import { createStyle } from "../text/style.ts";
import type { ApplyView } from "./apply-lines.ts";
import {
  describeEnd,
  describeGpus,
  describeMove,
  describeProgress,
  describeRunEnd,
  describeTrainerEvent,
  describeUnlinked,
  toneOfRunEnd,
} from "./apply-text.ts";
import { createDrawnList, type Line } from "./drawn-list.ts";

/** `apply` of pipelines side by side, in a terminal that can be drawn on: a line for each that is at work, and under it what became of those before. */

export interface ApplyLanesOptions {
  /** The terminal. */
  readonly stream: NodeJS.WriteStream;
  readonly colour: boolean;
  /** How many are at work at the same time, at most. */
  readonly lanes: number;
}

/** Milliseconds between two drawings of a line: a trainer may take a thousand steps a second, an eye can't. */
const REDRAW_MS = 100;

interface Lane {
  /** Every pipeline that had it; the last is at work while `busy`. */
  readonly pipelines: string[];
  busy: boolean;
  readonly stages: Map<StageId, { readonly where: string; progress: StageProgress }>;
  line?: Line;
  /** What was said before the line was drawn for the first time. */
  readonly unsaid: string[];
  /** In milliseconds of the process's clock. */
  drawnAt: number;
}

export function createApplyLanes(options: ApplyLanesOptions): ApplyView {
  const style = createStyle(options);
  const lanes = Array.from({ length: options.lanes }, createLane);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const drawing = createDrawnList(
    lanes.map((lane) => ({
      title: "free",
      task: async (_, line) => {
        lane.line = line;
        draw(lane);
        for (const text of lane.unsaid.splice(0)) line.output = text;
        await ended;
        line.title = lane.pipelines.length === 0 ? "free" : listWords(lane.pipelines.map(printable));
      },
      // All of it stays, also when the line is done.
      rendererOptions: { outputBar: Number.POSITIVE_INFINITY, persistentOutput: true },
    })),
    { stream: options.stream, order: "together" },
  )();

  const report = (event: ApplyEvent) => {
    const lane = laneOf(event, lanes);
    if (lane === undefined) return;
    const sayOf = (stage: StageId | undefined, text: string) =>
      say(lane, `${printable(event.pipeline)}${stage === undefined ? "" : ` ${stage}`}: ${text}`);
    switch (event.type) {
      case "run-started":
        if (lane.pipelines.at(-1) !== event.pipeline) lane.pipelines.push(event.pipeline);
        lane.busy = true;
        lane.stages.clear();
        break;
      case "stage-started":
        lane.stages.set(event.stage, { where: describeGpus(event.gpus), progress: startProgress(event) });
        break;
      case "trainer": {
        const stage = lane.stages.get(event.stage);
        if (stage !== undefined) stage.progress = advanceProgress(stage.progress, event.event);
        const said = describeTrainerEvent(event.event);
        const isUrgent = event.event.type === "warning" || event.event.type === "oom";
        if (said !== undefined && isUrgent) sayOf(event.stage, said);
        if (performance.now() - lane.drawnAt < REDRAW_MS) return;
        break;
      }
      case "moved":
        sayOf(event.stage, describeMove(event));
        break;
      case "unlinked":
        sayOf(event.stage, describeUnlinked(event));
        break;
      case "note":
        sayOf(event.stage, `${style[event.severity](`${event.severity}:`)} ${printable(event.text)}`);
        break;
      case "stage-ended":
        lane.stages.delete(event.stage);
        if (event.outcome !== "finished") sayOf(event.stage, style.warning(describeEnd(event)));
        break;
      case "run-ended":
        lane.busy = false;
        sayOf(undefined, style[toneOfRunEnd(event)](describeRunEnd(event)));
        break;
    }
    draw(lane);
  };
  return {
    report,
    async close() {
      end();
      await drawing;
    },
  };
}

function createLane(): Lane {
  return { pipelines: [], busy: false, stages: new Map(), unsaid: [], drawnAt: Number.NEGATIVE_INFINITY };
}

/** The one that works on the pipeline; for one that begins, the first that is free. */
function laneOf({ type, pipeline }: ApplyEvent, lanes: readonly Lane[]): Lane | undefined {
  const own = lanes.find((lane) => lane.busy && lane.pipelines.at(-1) === pipeline);
  return own ?? (type === "run-started" ? lanes.find(({ busy }) => !busy) : undefined);
}

function draw(lane: Lane): void {
  if (lane.line === undefined) return;
  lane.drawnAt = performance.now();
  const at = [...lane.stages].map(([id, { where, progress }]) => `${id}${where}  ${describeProgress(progress)}`);
  lane.line.title = lane.busy ? [printable(lane.pipelines.at(-1) ?? ""), ...at].join("  ") : "free";
}

function say(lane: Lane, text: string): void {
  if (lane.line === undefined) lane.unsaid.push(text);
  else lane.line.output = text;
}
