import { describe, expect, test } from "vitest";
import { foldState } from "../../../src/core/state/fold.ts";
import type { State } from "../../../src/core/state/state.ts";
import { type Random, randomFrom } from "../../rig/random.ts";
import { emptyDisk, observed, type SimulatedDisk, simulateRun } from "./simulated-trainer.ts";
import { type Clip, PIPELINE, type Planned, planWorld } from "./world.ts";

/** Random lives of pipelines: edited, applied, stopped, killed, applied again. What was planned must be what is then there. */

interface Choice {
  readonly epochs: number;
  readonly lines: readonly string[];
  readonly clips: readonly Clip[];
}

function randomChoice(random: Random): Choice {
  const line = (probability: number, text: () => string) => (random.chance(probability) ? [text()] : []);
  return {
    epochs: random.integer(1, 7),
    lines: [
      ...line(0.7, () => `save_every_n_epochs: ${random.integer(1, 3)}`),
      ...line(0.4, () => `save_every_n_steps: ${random.integer(1, 9)}`),
      ...line(0.3, () => `save_last_n_epochs: ${random.integer(1, 3)}`),
      ...line(0.3, () => `save_last_n_epochs_state: ${random.integer(1, 3)}`),
      ...line(0.3, () => `save_last_n_steps: ${random.integer(1, 12)}`),
      ...line(0.3, () => `save_last_n_steps_state: ${random.integer(1, 12)}`),
      ...line(0.3, () => "save_state: false"),
      ...line(0.2, () => "save_state_on_train_end: true"),
      ...line(0.2, () => "lr_scheduler: cosine"),
    ],
    clips: Array.from({ length: random.integer(1, 3) }, (_, index) => ({ stem: `c${index}` })),
  };
}

function yamlOf({ epochs, lines }: Choice): string {
  const train = `  max_train_epochs: ${epochs}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  return PIPELINE.replace("  max_train_epochs: 4\n", train);
}

interface Life {
  readonly disk: SimulatedDisk;
  state: State | undefined;
  planned: Planned | undefined;
}

function plan(life: Life, choice: Choice): Planned {
  const world = { yaml: yamlOf(choice), clips: choice.clips };
  const blank = life.planned ?? planWorld(world);
  return planWorld({ ...world, state: life.state, disk: observed(life.disk, withItems(blank, planWorld(world))) });
}

/** Headers are written for the items that are wanted now: what a cache was made from stands in the ledger. */
function withItems(planned: Planned, wanted: Planned): Planned {
  return { ...planned, items: wanted.items };
}

function apply(life: Life, planned: Planned, more: { untilStep?: number; manner?: "stop" | "kill" } = {}): void {
  const entries = simulateRun({ planned, disk: life.disk, lineage: "one", ...more });
  life.state = foldState(life.state, entries);
  life.planned = planned;
}

function filesOf(disk: SimulatedDisk): readonly string[] {
  return [...disk.checkpoints.keys(), ...disk.states.keys()].sort();
}

/** What the plan says will be there when it is carried out. */
function promised({ plan: { checkpoints } }: Planned): readonly string[] {
  return checkpoints
    .filter(({ action }) => action !== "prune")
    .map(({ file }) => file)
    .sort();
}

/** Lives of each test; `WAN22_LIVES=500` runs more of them. */
const LIVES = Number(process.env.WAN22_LIVES ?? 30);
const TIMEOUT_MS = 20_000 + LIVES * 2_000;

describe("over random lives of a pipeline", () => {
  test(
    "what is planned is what is there afterwards, and a second plan has nothing to do",
    () => {
      for (let seed = 1; seed <= LIVES; seed += 1) {
        const random = randomFrom(seed);
        const life: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
        let choice = randomChoice(random);
        for (let round = 0; round < 4; round += 1) {
          const label = `seed ${seed}, round ${round}: ${JSON.stringify(choice)}`;
          const planned = plan(life, choice);
          if (random.chance(0.5)) {
            const total = planned.plan.dataset.total_steps;
            apply(life, planned, {
              untilStep: random.integer(1, Math.max(1, total)),
              manner: random.pick(["stop", "kill"]),
            });
          } else {
            apply(life, planned);
            expect(filesOf(life.disk), label).toEqual(promised(planned));
            const again = plan(life, choice);
            expect(
              again.plan.stages.map(({ action }) => action),
              label,
            ).toEqual(["none", "none", "none"]);
            expect(promised(again), label).toEqual(filesOf(life.disk));
          }
          if (random.chance(0.5)) choice = { ...choice, epochs: random.integer(1, 9) };
          else if (random.chance(0.4)) choice = randomChoice(random);
        }
      }
    },
    TIMEOUT_MS,
  );

  test(
    "a run that was stopped or killed, however often, leaves the files of one that was not",
    () => {
      for (let seed = 1; seed <= LIVES; seed += 1) {
        const random = randomFrom(10_000 + seed);
        const choice = randomChoice(random);
        const straight: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
        apply(straight, plan(straight, choice));
        const life: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
        for (let attempt = 0; attempt < 5; attempt += 1) {
          const planned = plan(life, choice);
          const from = planned.stage("train").done_steps ?? 0;
          if (planned.stage("train").action === "none") break;
          apply(life, planned, { untilStep: from + random.integer(1, 10), manner: random.pick(["stop", "kill"]) });
        }
        const last = plan(life, choice);
        if (last.stage("train").action !== "none") apply(life, last);
        expect(filesOf(life.disk), `seed ${seed}: ${JSON.stringify(choice)}`).toEqual(filesOf(straight.disk));
      }
    },
    TIMEOUT_MS,
  );

  test(
    "a run extended by more epochs leaves the checkpoints of one that was planned so",
    () => {
      for (let seed = 1; seed <= LIVES; seed += 1) {
        const random = randomFrom(20_000 + seed);
        const lines = [`save_every_n_epochs: ${random.integer(1, 3)}`];
        const choice = { epochs: random.integer(1, 5), lines, clips: [{ stem: "a" }] };
        const longer = { ...choice, epochs: choice.epochs + random.integer(1, 4) };
        const life: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
        apply(life, plan(life, choice));
        const extended = plan(life, longer);
        expect(extended.stage("train").action).toBe("extend");
        apply(life, extended);
        const straight: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
        apply(straight, plan(straight, longer));
        expect([...life.disk.checkpoints.keys()].sort(), `seed ${seed}`).toEqual(
          [...straight.disk.checkpoints.keys()].sort(),
        );
      }
    },
    TIMEOUT_MS,
  );
});
