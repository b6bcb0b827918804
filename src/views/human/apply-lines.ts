import type { ApplyEvent } from "../../core/apply-event.ts";
import { printable } from "../../core/printable.ts";
import { advanceProgress, type StageProgress, startProgress } from "../../core/progress.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { createStyle, type Style } from "../text/style.ts";
import {
  describeEnd,
  describeMove,
  describeProgress,
  describeRun,
  describeRunEnd,
  describeStart,
  describeTrainerEvent,
  describeUnlinked,
  toneOfRunEnd,
} from "./apply-text.ts";

/** A view of `apply` that is told every event as it happens. */
export interface ApplyView {
  readonly report: (event: ApplyEvent) => void;
  /** Writes what is still to be written and leaves the terminal as it was. */
  readonly close: () => Promise<void>;
}

export interface ApplyLinesOptions {
  readonly write: (text: string) => void;
  readonly colour: boolean;
  /** Seconds between two lines of progress of a stage; 10 if left out. */
  readonly everySeconds?: number;
}

/** `apply` as plain lines, each of which stands for itself: for logs, pipes and screen readers. */
export function createApplyLines(options: ApplyLinesOptions): ApplyView {
  const style = createStyle(options);
  const everySeconds = options.everySeconds ?? 10;
  const stages = new Map<string, { progress: StageProgress; shown: number }>();
  return {
    report(event) {
      for (const line of linesOf(event, stages, everySeconds, style)) options.write(`${line}\n`);
    },
    close: async () => undefined,
  };
}

type Stages = Map<string, { progress: StageProgress; shown: number }>;

function linesOf(event: ApplyEvent, stages: Stages, everySeconds: number, style: Style): readonly string[] {
  const name = printable(event.pipeline);
  const head = (stage: StageId | undefined) => style.strong(stage === undefined ? `${name}:` : `${name} ${stage}:`);
  switch (event.type) {
    case "run-started":
      return [`${head(undefined)} ${describeRun(event)}`];
    case "stage-started":
      stages.set(keyOf(event), { progress: startProgress(event), shown: event.t });
      return [`${head(event.stage)} ${describeStart(event)}`];
    case "trainer": {
      const said = describeTrainerEvent(event.event);
      const line = said ?? progressLine(event, stages, everySeconds);
      return line === undefined ? [] : [`${head(event.stage)} ${line}`];
    }
    case "moved":
      return [`${head(event.stage)} ${describeMove(event)}`];
    case "unlinked":
      return [`${head(event.stage)} ${describeUnlinked(event)}`];
    case "note":
      return [`${head(event.stage)} ${style[event.severity](`${event.severity}:`)} ${printable(event.text)}`];
    case "stage-ended": {
      const text = describeEnd(event);
      return [`${head(event.stage)} ${event.outcome === "finished" ? text : style.warning(text)}`];
    }
    case "run-ended": {
      const text = describeRunEnd(event);
      return [`${head(undefined)} ${style[toneOfRunEnd(event)](text)}`];
    }
  }
}

/** A line of progress when the last one is old enough; the rest of the progress is kept in mind only. */
function progressLine(
  event: Extract<ApplyEvent, { type: "trainer" }>,
  stages: Stages,
  everySeconds: number,
): string | undefined {
  const known = stages.get(keyOf(event));
  if (known === undefined) return undefined;
  const progress = advanceProgress(known.progress, event.event);
  if (progress === known.progress) return undefined;
  const due = event.event.t - known.shown >= everySeconds;
  stages.set(keyOf(event), { progress, shown: due ? event.event.t : known.shown });
  return due ? describeProgress(progress) : undefined;
}

function keyOf(event: { readonly pipeline: string; readonly stage: StageId }): string {
  return `${event.pipeline} ${event.stage}`;
}
