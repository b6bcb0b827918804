import { describe, expect, test } from "vitest";
import type { PipelineStatus } from "../../../src/core/status.ts";
import { createLogScreen } from "../../../src/views/human/log-screen.ts";
import { viewStatusHuman } from "../../../src/views/human/status.ts";

const RUNNING: PipelineStatus = {
  name: "fox",
  file: "pipelines/fox.yaml",
  host: "gpu-1",
  here: true,
  run: "20260701T100000Z-fox-abcd",
  lock: { kind: "held", who: "ann", host: "gpu-1", pid: 40, since: "2026-07-01T10:00:00.000Z" },
  stages: [
    {
      id: "cache-latents",
      status: "finished",
      alive: false,
      unseen: false,
      run: "r",
      unit: "items",
      done: 24,
      total: 24,
      exit_code: 0,
      log: "cache-latents.log",
    },
    {
      id: "train",
      status: "running",
      alive: true,
      unseen: false,
      run: "r",
      pid: 41,
      started: "2026-07-01T10:00:10.000Z",
      unit: "steps",
      done: 120,
      total: 480,
      epoch: 4,
      loss: 0.0912,
      seconds_per_unit: 2.1,
      eta_seconds: 756,
      training_state: { dir: "out/fox-000004-state", done_epochs: 4, done_steps: 120 },
      log: "train.log",
    },
  ],
};

const view = (status: PipelineStatus) =>
  viewStatusHuman([status], {
    colour: false,
    width: 200,
    host: "here",
    now: Date.parse("2026-07-01T10:05:10Z") / 1000,
  });

describe("the status of a pipeline", () => {
  test("is a line for who is at work, and one a stage", () => {
    expect(view(RUNNING)).toBe(
      `fox: pipelines/fox.yaml · in the hands of ann on gpu-1 (process 40 for 5 min)
  cache-latents  finished  item 24/24
  train          running   step 120/480 · epoch 4 · loss 0.0912 · 2.1 s a step · 13 min left · process 41 for 5 min · training state of step 120
`,
    );
  });

  test("is wrapped at words, the first line too", () => {
    const text = viewStatusHuman([RUNNING], {
      colour: false,
      width: 50,
      host: "here",
      now: Date.parse("2026-07-01T10:05:10Z") / 1000,
    });
    expect(text.split("\n").slice(0, 4)).toEqual([
      "fox: pipelines/fox.yaml · in the hands of ann",
      "    on gpu-1 (process 40 for 5 min)",
      "  cache-latents  finished  item 24/24",
      "  train          running",
    ]);
    const coloured = viewStatusHuman([RUNNING], { colour: true, width: 50, now: 0, host: "here" }).split("\n");
    expect(coloured[0]).toBe("\u001b[1mfox:\u001b[22m pipelines/fox.yaml · in the hands of ann");
    expect(text.split("\n").every((line) => line.length <= 50)).toBe(true);
  });

  test("says what of another machine can't be seen, and shows nothing of a name that would steer the terminal", () => {
    const [, train] = RUNNING.stages;
    if (train === undefined) throw new Error("there is no such stage");
    const text = view({
      ...RUNNING,
      host: "gpu-7\u001b[2J",
      here: false,
      lock: { kind: "dead", who: "eve\u0007", host: "gpu-7", pid: 9, since: "then" },
      stages: [{ ...train, alive: null }],
    });
    expect(text).toContain("its record is of gpu-7\\x1b[2J, whose processes can't be seen from here");
    expect(text).toContain("left by eve\\x07 on gpu-7 (process 9, since then), who is gone");
    expect(text).toContain("process 41 on that machine");
  });

  test("says of a stage between its start and its process, or its end and its record, that it is there", () => {
    const [, train] = RUNNING.stages;
    if (train === undefined) throw new Error("there is no such stage");
    const { pid: _, ...unstarted } = train;
    expect(view({ ...RUNNING, stages: [{ ...unstarted, alive: true }] })).toContain("no process yet for 5 min");
  });
});

describe("a log on a terminal", () => {
  const screen = (redraws: boolean) => {
    let text = "";
    const write = (more: string) => {
      text += more;
    };
    const { take, close } = createLogScreen({ write, width: 20, redraws });
    return {
      take: (more: string | Uint8Array) => take(typeof more === "string" ? Buffer.from(more) : more),
      close,
      text: () => text,
    };
  };

  test("shows lines as they come, and what would steer the terminal as text", () => {
    const { take, close, text } = screen(false);
    take("one\ntw");
    take("o\u001b[31m\nthe rest");
    close();
    expect(text()).toBe("one\ntwo\\x1b[31m\nthe rest\n");
  });

  test("moves a progress bar in its place, no wider than the terminal, and leaves its last state", () => {
    const { take, close, text } = screen(true);
    take("\rsteps: 1\rsteps: 2 of very many steps to come");
    take("\rsteps: 3\ndone\n");
    close();
    expect(text()).toBe("steps: 2 of very man\r\u001b[2Ksteps: 3\ndone\n".replace("very man", "very ma"));
  });

  test("does not tear a character that comes in two parts", () => {
    const { take, close, text } = screen(false);
    const bytes = Buffer.from("狐\n");
    take(bytes.subarray(0, 2));
    take(bytes.subarray(2));
    close();
    expect(text()).toBe("狐\n");
  });
});
