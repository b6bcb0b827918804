import type { ApplyEvent } from "../../core/apply-event.ts";
import { printable } from "../../core/printable.ts";
import { advanceProgress, type StageProgress, startProgress } from "../../core/progress.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { type Span, wrapSpans } from "../text/spans.ts";
import { createStyle, type Style } from "../text/style.ts";
import { withLocalTimes } from "../text/time.ts";
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
  /** Columns of the terminal as it is now; nothing is wrapped where there is none, so that a log keeps a line for each. */
  readonly columns?: () => number | undefined;
  /** Seconds between two lines of progress of a stage; 10 if left out. */
  readonly everySeconds?: number;
}

/** `apply` as plain lines, each of which stands for itself: for logs, pipes and screen readers. */
export function createApplyLines(options: ApplyLinesOptions): ApplyView {
  const style = createStyle(options);
  const everySeconds = options.everySeconds ?? 10;
  const stages: Stages = new Map();
  return {
    report(event) {
      const spans = spansOf(event, stages, everySeconds, style);
      if (spans === undefined) return;
      const lines = wrapSpans(spans, { columns: options.columns?.(), hanging: 2 });
      options.write(`${lines.join("\n")}\n`);
    },
    close: async () => undefined,
  };
}

type Stages = Map<string, { progress: StageProgress; shown: number }>;

/** What is said of an event; undefined where that is nothing. */
function spansOf(event: ApplyEvent, stages: Stages, everySeconds: number, style: Style): readonly Span[] | undefined {
  const name = printable(event.pipeline);
  const line = (stage: StageId | undefined, ...rest: readonly Span[]): readonly Span[] => [
    { text: stage === undefined ? `${name}:` : `${name} ${stage}:`, colour: style.strong },
    ...rest.flatMap((span) => [{ text: " " }, span]),
  ];
  switch (event.type) {
    case "run-started":
      return line(undefined, { text: describeRun(event) });
    case "stage-started":
      stages.set(keyOf(event), { progress: startProgress(event), shown: event.t });
      return line(event.stage, { text: describeStart(event) });
    case "trainer": {
      const text = describeTrainerEvent(event.event) ?? progressLine(event, stages, everySeconds);
      return text === undefined ? undefined : line(event.stage, { text });
    }
    case "moved":
      return line(event.stage, { text: describeMove(event) });
    case "unlinked":
      return line(event.stage, { text: describeUnlinked(event) });
    case "note":
      return line(event.stage, ...noteSpans(event, style));
    case "stage-ended": {
      const text = describeEnd(event);
      return line(event.stage, event.outcome === "finished" ? { text } : { text, colour: style.warning });
    }
    case "run-ended":
      return line(undefined, { text: describeRunEnd(event), colour: style[toneOfRunEnd(event)] });
  }
}

/** `warning:` and what it is about. */
export function noteSpans(
  { severity, text }: Extract<ApplyEvent, { type: "note" }>,
  style: Style,
): readonly [Span, Span] {
  return [{ text: `${severity}:`, colour: style[severity] }, { text: printable(withLocalTimes(text)) }];
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
