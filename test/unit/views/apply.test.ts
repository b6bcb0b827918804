import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { type ApplyEvent, applyEventSchema } from "../../../src/core/apply-event.ts";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { advanceProgress, startProgress } from "../../../src/core/progress.ts";
import { openApplyView } from "../../../src/views/apply.ts";
import { createApplyLanes } from "../../../src/views/human/apply-lanes.ts";
import { createApplyLines } from "../../../src/views/human/apply-lines.ts";
import { createApplyProgress } from "../../../src/views/human/apply-progress.ts";

type Given<Type extends ApplyEvent["type"]> = Omit<
  Extract<ApplyEvent, { type: Type }>,
  "v" | "t" | "pipeline" | "type"
>;

/** An event of the pipeline `fox`, `t` seconds after the beginning. */
function event<Type extends ApplyEvent["type"]>(t: number, type: Type, given: Given<Type>): ApplyEvent {
  return applyEventSchema.parse({ v: 1, t: 1_700_000_000 + t, pipeline: "fox", type, ...given });
}

function said(t: number, stage: "cache-latents" | "train", given: Record<string, unknown>): ApplyEvent {
  return event(t, "trainer", { stage, event: { v: 1, t: 1_700_000_000 + t, ...given } as TrainerEvent });
}

const STARTED = event(0, "run-started", {
  run: "20260101T000000Z-fox-ab12",
  folder: ".wan22/runs/20260101T000000Z-fox-ab12",
  plan_digest: "d",
  stages: [
    { id: "cache-latents", action: "create", turn: 0 },
    { id: "train", action: "replace", turn: 1 },
  ],
});

const LATENTS_LOG = "runs/latents.log";
const TRAIN_LOG = "runs/train.log";

/** A run from its beginning to its end, as it is recorded. */
const RUN: readonly ApplyEvent[] = [
  STARTED,
  event(0, "unlinked", { stage: "cache-latents", stale: ["a", "b"], leftover: ["cache/gone.safetensors"] }),
  event(0, "stage-started", {
    stage: "cache-latents",
    action: "create",
    unit: "items",
    done: 0,
    total: 3,
    log: LATENTS_LOG,
    attached: false,
  }),
  said(4, "cache-latents", { type: "item", file: "a", done: 1, total: 3 }),
  said(12, "cache-latents", { type: "item", file: "b", done: 2, total: 3 }),
  said(13, "cache-latents", { type: "item", file: "c", done: 3, total: 3 }),
  event(13, "stage-ended", {
    stage: "cache-latents",
    outcome: "finished",
    done: 3,
    total: 3,
    seconds: 13,
    log: LATENTS_LOG,
  }),
  event(13, "moved", {
    stage: "train",
    reason: "archive",
    files: [{ from: "output/fox.safetensors", to: "output/archive-1/fox.safetensors" }],
  }),
  event(14, "stage-started", {
    stage: "train",
    action: "replace",
    unit: "steps",
    done: 0,
    total: 40,
    log: TRAIN_LOG,
    attached: false,
  }),
  ...Array.from({ length: 20 }, (_, index) =>
    said(16 + 2 * index, "train", { type: "step", step: index + 1, epoch: 1, loss: 0.08 }),
  ),
  said(55, "train", { type: "epoch", epoch: 1, loss: 0.0765 }),
  said(55, "train", {
    type: "checkpoint",
    file: "output/fox-000001.safetensors",
    epoch: 1,
    step: 20,
    bytes: 613_417_760,
  }),
  said(57, "train", { type: "warning", text: "the loss is \u001b[31mhigh" }),
  said(58, "train", { type: "stopping" }),
  event(60, "stage-ended", { stage: "train", outcome: "stopped", done: 21, total: 40, seconds: 46, log: TRAIN_LOG }),
  event(60, "run-ended", {
    run: "20260101T000000Z-fox-ab12",
    outcome: "stopped",
    checkpoints: ["output/fox-000001.safetensors"],
    seconds: 60,
  }),
];

function lines(events: readonly ApplyEvent[]): string {
  let text = "";
  const view = createApplyLines({ write: (more) => (text += more), colour: false });
  for (const one of events) view.report(one);
  return text;
}

describe("apply as lines", () => {
  it("says what happens, each line for itself, and progress every ten seconds", () => {
    expect(lines(RUN)).toMatchInlineSnapshot(`
      "fox: cache-latents (create) and train (replace); run 20260101T000000Z-fox-ab12
      fox cache-latents: removed 2 stale cache files, to be made again, and 1 cache file that nothing in the dataset makes any more: gone.safetensors
      fox cache-latents: create, 3 items; log runs/latents.log
      fox cache-latents: item 2/3 · 8 s an item · 8 s left
      fox cache-latents: finished in 13 s (3/3)
      fox train: archived 1 file or folder into output/archive-1
      fox train: replace, 40 steps; log runs/train.log
      fox train: step 5/40 · epoch 1 · loss 0.0800 · 2 s a step · 70 s left
      fox train: step 10/40 · epoch 1 · loss 0.0800 · 2 s a step · 60 s left
      fox train: step 15/40 · epoch 1 · loss 0.0800 · 2 s a step · 50 s left
      fox train: step 20/40 · epoch 1 · loss 0.0800 · 2 s a step · 40 s left
      fox train: epoch 1 done, loss 0.0765
      fox train: saved output/fox-000001.safetensors (613 MB)
      fox train: warning: the loss is \\x1b[31mhigh
      fox train: stopping: the training state is saved at the next step
      fox train: stopped at 21/40 after 46 s; apply again to go on from here
      fox: stopped after 60 s; apply again to go on from here
      "
    `);
  });

  it.each([
    ["finished", undefined],
    ["stopped", "it was ended at once; no training state was saved before, so applying again starts over"],
    ["failed", "CUDA out of memory"],
    ["lost", undefined],
    ["detached", undefined],
  ] as const)("says how a stage ended: %s", (outcome, message) => {
    const ended = event(9, "stage-ended", {
      stage: "train",
      outcome,
      done: 4,
      total: 40,
      seconds: 9,
      log: TRAIN_LOG,
      ...(message === undefined ? {} : { message }),
    });
    expect(lines([ended])).toMatchSnapshot();
  });

  it.each(["finished", "stopped", "failed", "interrupted", "detached"] as const)(
    "says how a run ended: %s",
    (outcome) => {
      const ended = event(9, "run-ended", {
        run: "r",
        outcome,
        checkpoints: ["output/a.safetensors", "output/b.safetensors"],
        seconds: 3_700,
      });
      expect(lines([ended])).toMatchSnapshot();
    },
  );
});

describe("apply as NDJSON", () => {
  it("is every event, a line each, with nothing that a terminal would obey", async () => {
    const { stream, text } = terminal();
    const view = await openApplyView({ format: "json", stream, terminal: "interactive", colour: true });
    for (const one of RUN) view.report(one);
    await view.close();
    expect(text()).not.toMatch(/[^\n\P{C}]/u);
    const read = text()
      .trimEnd()
      .split("\n")
      .map((line) => applyEventSchema.parse(JSON.parse(line)));
    expect(read).toEqual(RUN);
  });
});

describe("apply in a terminal", () => {
  it("ends with a line a stage, then what must not be missed, and gives the cursor back", async () => {
    const { stream, text } = terminal();
    const view = createApplyProgress({ stream, colour: false });
    for (const one of RUN) view.report(one);
    await view.close();
    const shown = text();
    const drawn = stripVTControlCharacters(shown)
      .split("\n")
      .filter((line) => line.trim() !== "");
    expect(drawn.slice(-7)).toEqual([
      expect.stringMatching(/cache-latents {2}finished in 13 s \(3\/3\)$/),
      expect.stringMatching(/train {2}stopped at 21\/40 after 46 s; apply again to go on from here$/),
      "cache-latents: removed 2 stale cache files, to be made again, and 1 cache file",
      "  that nothing in the dataset makes any more: gone.safetensors",
      "train: archived 1 file or folder into output/archive-1",
      "train: warning: the loss is \\x1b[31mhigh",
      "fox: stopped after 60 s; apply again to go on from here",
    ]);
    expect(shown.lastIndexOf("\u001b[?25h")).toBeGreaterThan(shown.lastIndexOf("\u001b[?25l"));
  });

  it("keeps a line for each pipeline at work, and under it what became of those before", async () => {
    const { stream, text } = terminal();
    const view = createApplyLanes({ stream, colour: false, lanes: 2 });
    const of = (pipeline: string, one: ApplyEvent): ApplyEvent => ({ ...one, pipeline });
    const begin = (pipeline: string, gpu: number) => {
      view.report(of(pipeline, STARTED));
      view.report(
        of(
          pipeline,
          event(1, "stage-started", {
            ...{ stage: "train", action: "create", unit: "steps", done: 0, total: 40, log: TRAIN_LOG, attached: false },
            gpus: [gpu],
          }),
        ),
      );
    };
    const finish = (pipeline: string, outcome: "finished" | "failed") => {
      view.report(
        of(
          pipeline,
          event(9, "stage-ended", { stage: "train", outcome, done: 3, total: 40, seconds: 8, log: TRAIN_LOG }),
        ),
      );
      view.report(of(pipeline, event(9, "run-ended", { run: "r", outcome, checkpoints: [], seconds: 9 })));
    };
    const drawn = () => stripVTControlCharacters(text()).replace(/\s+/g, " ");
    begin("fox", 0);
    begin("dog", 1);
    finish("dog", "failed");
    begin("owl", 1);
    await expect.poll(drawn).toMatch(/fox train on GPU 0 /);
    view.report(of("fox", event(5, "note", { severity: "warning", text: "The card is hot." })));
    await expect.poll(drawn).toMatch(/fox train on GPU 0 .*owl train on GPU 1 .*dog train: failed .*dog: failed/);
    finish("fox", "finished");
    finish("owl", "finished");
    await view.close();
    const end = drawn();
    expect(end.slice(end.lastIndexOf("dog and owl") - 200)).toMatch(
      /fox .*fox: warning: The card is hot\. .*fox: done .*dog and owl .*dog: failed .*owl: done/,
    );
  });

  it("keeps a line for each of the stages that run at the same time", async () => {
    const { stream, text } = terminal();
    const view = createApplyProgress({ stream, colour: false });
    const begun = (stage: "train-low" | "train-high") =>
      event(1, "stage-started", {
        ...{ stage, action: "create", unit: "steps", done: 0, total: 40, log: TRAIN_LOG, attached: false },
      });
    const over = (stage: "train-low" | "train-high", outcome: "finished" | "failed") =>
      event(9, "stage-ended", {
        stage,
        outcome,
        done: outcome === "failed" ? 3 : 40,
        total: 40,
        seconds: 8,
        log: TRAIN_LOG,
      });
    const stages = [
      { id: "train-low" as const, action: "create", turn: 0 },
      { id: "train-high" as const, action: "create", turn: 0 },
    ];
    const started = event(0, "run-started", { run: "r", folder: "runs/r", plan_digest: "d", stages });
    for (const one of [started, begun("train-low"), begun("train-high")]) view.report(one);
    for (const one of [over("train-high", "failed"), over("train-low", "finished")]) view.report(one);
    view.report(event(9, "run-ended", { run: "r", outcome: "failed", checkpoints: [], seconds: 9 }));
    await view.close();
    const drawn = stripVTControlCharacters(text())
      .split("\n")
      .filter((line) => line.trim() !== "");
    expect(drawn.slice(-4)).toEqual([
      expect.stringMatching(/^↓ train-low and train-high, at the same time$/),
      expect.stringMatching(/^ {2}. train-low {2}finished in 8 s \(40\/40\)$/),
      expect.stringMatching(/^ {2}. train-high {2}failed at 3\/40 after 8 s; log runs\/train.log$/),
      expect.stringMatching(/^fox: failed/),
    ]);
  });

  it("leaves the terminal in order when it is closed in the middle", async () => {
    const { stream, text } = terminal();
    const view = createApplyProgress({ stream, colour: false });
    for (const one of RUN.slice(0, 12)) view.report(one);
    await view.close();
    expect(stripVTControlCharacters(text())).toMatch(/train {2}interrupted/);
    expect(text().lastIndexOf("\u001b[?25h")).toBeGreaterThan(text().lastIndexOf("\u001b[?25l"));
  });

  it("draws one pipeline after the other", async () => {
    const { stream, text } = terminal();
    const view = createApplyProgress({ stream, colour: false });
    for (const one of [...RUN, ...RUN.map((given) => ({ ...given, pipeline: "owl" }))]) view.report(one);
    await view.close();
    const shown = stripVTControlCharacters(text());
    expect(shown.indexOf("fox: stopped")).toBeGreaterThan(0);
    expect(shown.indexOf("owl: stopped")).toBeGreaterThan(shown.indexOf("fox: stopped"));
  });

  it("is lines where the terminal doesn't know its size", async () => {
    const { stream, text } = terminal({ columns: 0, rows: 0 });
    const view = await openApplyView({ format: "human", stream, terminal: "interactive", colour: false });
    for (const one of RUN) view.report(one);
    await view.close();
    expect(text()).toBe(lines(RUN));
  });
});

describe("apply on a terminal of 60 columns", () => {
  const text = `no step for 40 min, and one takes 2 s: ${"a hook of the trainer makes samples, ".repeat(3)}ann has it since then`;
  const note = event(2, "note", { stage: "train", severity: "warning", text });
  const run = [...RUN.slice(0, -1), note, ...RUN.slice(-1)];
  const flat = (shown: string) => stripVTControlCharacters(shown).replace(/\s+/g, " ");

  it.each(["plain", "interactive"] as const)("is wrapped at words, notes too: %s", async (kind) => {
    const { stream, text: shown } = terminal({ columns: 60, rows: 24 });
    const view = await openApplyView({ format: "human", stream, terminal: kind, colour: true });
    for (const one of run) view.report(one);
    await view.close();
    const said = stripVTControlCharacters(shown()).split("\n");
    const at = said.findIndex((line) => line.includes("warning: no step"));
    expect(said.slice(at, at + 3).map((line) => line.length <= 60)).toEqual([true, true, true]);
    expect(said[at + 1]).toMatch(/^ {2}\S/);
    expect(flat(shown())).toContain(`train: warning: ${text}`);
    expect(shown()).toContain(" \u001b[1m\u001b[33mwarning:\u001b[39m\u001b[22m no step for 40 min");
  });

  it("is a line for each where nobody looks at a terminal", async () => {
    const { stream, text: shown } = terminal({ columns: 60, rows: 24 });
    Object.assign(stream, { isTTY: false });
    const view = await openApplyView({ format: "human", stream, terminal: "plain", colour: false });
    for (const one of run) view.report(one);
    await view.close();
    expect(shown()).toBe(lines(run));
  });
});

describe("progress", () => {
  const started = startProgress({ unit: "steps", done: 100, total: 200 });
  const step = (t: number, number: number, loss: number | null): TrainerEvent => ({
    v: 1,
    t,
    type: "step",
    step: number,
    epoch: 3,
    loss,
  });

  it("measures from what it has seen, not from what was done before", () => {
    const progress = [step(10, 101, 0.5), step(14, 103, 0.3)].reduce(advanceProgress, started);
    expect(progress).toMatchObject({ done: 103, epoch: 3, loss: 0.4, secondsPerUnit: 2, etaSeconds: 194 });
  });

  it("forgets what is long ago", () => {
    const slow = Array.from({ length: 5 }, (_, index) => step(index * 100, 100 + index, 9));
    const fast = Array.from({ length: 20 }, (_, index) => step(1_000 + index, 105 + index, 1));
    expect([...slow, ...fast].reduce(advanceProgress, started)).toMatchObject({ secondsPerUnit: 1, loss: 1 });
  });

  it("says NaN when the loss is", () => {
    expect(advanceProgress(started, step(1, 101, null)).loss).toBeNull();
  });

  it("knows no rate after one step, nor when the clock stands still or goes back", () => {
    expect(advanceProgress(started, step(1, 101, 1))).not.toHaveProperty("secondsPerUnit");
    expect([step(9, 101, 1), step(1, 102, 1)].reduce(advanceProgress, started)).not.toHaveProperty("secondsPerUnit");
  });
});

/** A terminal that remembers what was written on it. */
function terminal(size = { columns: 80, rows: 24 }): {
  readonly stream: NodeJS.WriteStream;
  readonly text: () => string;
} {
  let text = "";
  const stream = Object.assign(new PassThrough(), { isTTY: true, ...size }) as unknown as NodeJS.WriteStream;
  stream.write = (chunk: string | Uint8Array) => {
    text += chunk.toString();
    return true;
  };
  return { stream, text: () => text };
}
