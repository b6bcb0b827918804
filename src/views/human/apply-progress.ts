import type { ApplyEvent, StageOutcome } from "../../core/apply-event.ts";
import { printable } from "../../core/printable.ts";
import { advanceProgress, type StageProgress, startProgress } from "../../core/progress.ts";
import type { StageId } from "../../core/vocabulary.ts";
import { listWords } from "../text/quantity.ts";
import { type Span, wrapSpans } from "../text/spans.ts";
import { createStyle, type Style } from "../text/style.ts";
import { type ApplyView, noteSpans } from "./apply-lines.ts";
import {
  describeEnd,
  describeMove,
  describeProgress,
  describeRunEnd,
  describeStart,
  describeTrainerEvent,
  describeUnlinked,
  toneOfRunEnd,
} from "./apply-text.ts";
import { createDrawnList, type DrawnTask, type Line } from "./drawn-list.ts";

/** `apply` of one pipeline at a time, in a terminal that can be drawn on. */

export interface ApplyProgressOptions {
  /** The terminal. */
  readonly stream: NodeJS.WriteStream;
  readonly colour: boolean;
}

/** Milliseconds between two drawings of a stage: a trainer may take a thousand steps a second, an eye can't. */
const REDRAW_MS = 100;

type StageEnded = Extract<ApplyEvent, { type: "stage-ended" }>;

/** A stage as it is drawn: it ends when its event comes, or without one when the run ends. */
interface DrawnStage {
  readonly ended: Promise<StageEnded | undefined>;
  readonly end: (event: StageEnded | undefined) => void;
  task?: Line;
  progress?: StageProgress;
  /** The line under it. */
  said?: string;
  /** When its line was last drawn, in milliseconds of the process's clock. */
  drawnAt: number;
}

interface DrawnRun {
  readonly stages: ReadonlyMap<StageId, DrawnStage>;
  /** What shall still be read when the drawing is done. */
  readonly remarks: (readonly Span[])[];
  readonly finished: Promise<unknown>;
}

/** `apply` in a terminal: a line a stage with its progress, which stays when the stage is done. */
export function createApplyProgress(options: ApplyProgressOptions): ApplyView {
  const style = createStyle(options);
  const runs = new Map<string, DrawnRun>();
  // One drawing at a time: a pipeline that starts while another is drawn waits with its first line.
  let last: Promise<unknown> = Promise.resolve();
  const write = (text: string) => void options.stream.write(text);

  const endRun = (name: string, closing: readonly Span[] | undefined) => {
    const run = runs.get(name);
    if (run === undefined) return;
    runs.delete(name);
    for (const stage of run.stages.values()) stage.end(undefined);
    last = run.finished.then(() => {
      const said = closing === undefined ? run.remarks : [...run.remarks, closing];
      const lines = said.flatMap((spans) => wrapSpans(spans, { columns: options.stream.columns, hanging: 2 }));
      write(lines.map((line) => `${line}\n`).join(""));
    });
  };

  return {
    report(event) {
      if (event.type === "run-started") {
        endRun(event.pipeline, undefined);
        const run = drawRun(event, last, options, write, style);
        runs.set(event.pipeline, run);
        last = run.finished;
        return;
      }
      const run = runs.get(event.pipeline);
      if (run === undefined) return;
      if (event.type === "run-ended") {
        const text = `${printable(event.pipeline)}: ${describeRunEnd(event)}`;
        endRun(event.pipeline, [{ text, colour: style[toneOfRunEnd(event)] }]);
        return;
      }
      drawEvent(event, run, style);
    },
    async close() {
      for (const name of [...runs.keys()]) endRun(name, undefined);
      await last;
    },
  };
}

function drawRun(
  event: Extract<ApplyEvent, { type: "run-started" }>,
  previous: Promise<unknown>,
  options: ApplyProgressOptions,
  write: (text: string) => void,
  style: Style,
): DrawnRun {
  const stages = new Map<StageId, DrawnStage>(event.stages.map(({ id }) => [id, createStage()]));
  const drawStage = (id: StageId): DrawnTask => ({ title: id, task: (_, task) => follow(id, stages.get(id), task) });
  const draw = createDrawnList(
    turnsOf(event).flatMap((turn) => {
      const tasks = turn.map(drawStage);
      if (tasks.length === 1) return tasks;
      const ends = turn.map(async (id) => (await stages.get(id)?.ended)?.outcome);
      return [drawTogether(`${listWords(turn)}, at the same time`, tasks, Promise.all(ends))];
    }),
    { stream: options.stream, order: "one-by-one" },
  );
  const finished = previous.then(() => {
    write(`${style.strong(printable(event.pipeline))} ${style.faint(printable(event.run))}\n`);
    return draw();
  });
  return { stages, remarks: [], finished };
}

/** Stages under a line that says done only when all of them did finish. */
function drawTogether(
  title: string,
  tasks: readonly DrawnTask[],
  ends: Promise<readonly (StageOutcome | undefined)[]>,
): DrawnTask {
  return {
    title,
    task: (_, task) => {
      void ends.then((outcomes) => {
        if (outcomes.some((outcome) => outcome !== "finished")) task.skip(title);
      });
      return task.newListr([...tasks], BESIDE);
    },
  };
}

/** Stages that run at the same time keep a line each, as others do. */
const BESIDE = {
  concurrent: true,
  exitOnError: false,
  rendererOptions: { collapseSubtasks: false },
} as const;

/** A run's stages, turn by turn. */
function turnsOf({ stages }: Extract<ApplyEvent, { type: "run-started" }>): readonly (readonly StageId[])[] {
  const turns = new Map<number, readonly StageId[]>();
  for (const { id, turn } of stages) turns.set(turn, [...(turns.get(turn) ?? []), id]);
  return [...turns.values()];
}

function createStage(): DrawnStage {
  let end: DrawnStage["end"] = () => undefined;
  const ended = new Promise<StageEnded | undefined>((resolve) => {
    end = resolve;
  });
  return { ended, end, drawnAt: Number.NEGATIVE_INFINITY };
}

async function follow(id: StageId, stage: DrawnStage | undefined, task: Line): Promise<void> {
  if (stage === undefined) return;
  stage.task = task;
  draw(id, stage);
  if (stage.said !== undefined) task.output = stage.said;
  const event = await stage.ended;
  if (event === undefined) {
    task.skip(`${id}  ${stage.progress === undefined ? "not started" : "interrupted"}`);
    return;
  }
  const text = `${id}  ${describeEnd(event)}`;
  if (event.outcome === "failed" || event.outcome === "lost") throw new Error(text);
  if (event.outcome === "finished") task.title = text;
  else task.skip(text);
}

function drawEvent(
  event: Exclude<ApplyEvent, { type: "run-started" | "run-ended" }>,
  run: DrawnRun,
  style: Style,
): void {
  const stage = event.stage === undefined ? undefined : run.stages.get(event.stage);
  switch (event.type) {
    case "stage-started":
      if (stage === undefined) return;
      stage.progress = startProgress(event);
      draw(event.stage, stage);
      say(stage, describeStart(event));
      return;
    case "trainer": {
      if (stage?.progress === undefined) return;
      stage.progress = advanceProgress(stage.progress, event.event);
      if (performance.now() - stage.drawnAt >= REDRAW_MS) draw(event.stage, stage);
      const said = describeTrainerEvent(event.event);
      if (said === undefined) return;
      say(stage, said);
      // The line under a stage is replaced by the next one; a warning must outlive it.
      if (event.event.type === "warning" || event.event.type === "oom")
        run.remarks.push([{ text: `${event.stage}: ${said}` }]);
      return;
    }
    case "moved":
      run.remarks.push([{ text: `${event.stage}: ${describeMove(event)}` }]);
      return;
    case "unlinked":
      run.remarks.push([{ text: `${event.stage}: ${describeUnlinked(event)}` }]);
      return;
    case "note": {
      const [severity, text] = noteSpans(event, style);
      if (stage !== undefined) say(stage, text.text);
      const of = event.stage === undefined ? "" : `${event.stage}: `;
      run.remarks.push([{ text: of }, severity, { text: " " }, text]);
      return;
    }
    case "stage-ended":
      stage?.end(event);
      return;
  }
}

function draw(id: StageId, stage: DrawnStage): void {
  if (stage.task === undefined) return;
  stage.drawnAt = performance.now();
  stage.task.title = stage.progress === undefined ? id : `${id}  ${describeProgress(stage.progress)}`;
}

/** A line under the stage, in place of the one before. */
function say(stage: DrawnStage, text: string): void {
  stage.said = text;
  if (stage.task !== undefined) stage.task.output = text;
}
