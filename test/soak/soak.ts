import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomFrom } from "../rig/random.ts";
import { applyAtOnce, FOUND } from "./applies.ts";
import { finishAndInspect, hashOutputs, type Outputs } from "./inspect.ts";
import { killAgainAndAgain, settleDown } from "./kills.ts";
import { stopAgainAndAgain } from "./stops.ts";
import { openTable, type Row } from "./table.ts";
import { apply, type Kind, makeTrial, type Trial } from "./trial.ts";
import { watchTrainers } from "./watch-trainers.ts";

/**
 * Disturbs trainings at random moments, for as long as one likes, and compares each with one that nobody disturbed.
 *
 *   npm run build && npm run soak -- --kills 1000 --stops 100 --applies 100 --seed 1
 *
 * Ends with 1 where anything is other than it must be; the folder of such a trial stays, for looking.
 */

const number = (value: number) => ({ type: "string", default: String(value) }) as const;
const { values } = parseArgs({
  options: {
    kills: number(20),
    stops: number(5),
    applies: number(10),
    /** Of each training. */
    epochs: number(60),
    seed: number(Date.now() % 1_000_000),
  },
});
const asked = (name: keyof typeof values) => Number(values[name]);
const [kills, stops, applies, epochs, seed] = [
  asked("kills"),
  asked("stops"),
  asked("applies"),
  asked("epochs"),
  asked("seed"),
];

const KINDS: readonly Kind[] = ["single", "halves"];
/** After so many kills a trial is seen to its end and looked at, and another one begins. */
const KILLS_A_TRIAL = 40;

const folder = await mkdtemp(join(tmpdir(), "wan22-soak-"));
const table = openTable(`seed ${seed}, in ${folder}`);
let trials = 0;

interface Undisturbed {
  readonly outputs: Outputs;
  /** From the command's start to that of its first trainer. */
  readonly startMs: number;
}

const known = new Map<Kind, Promise<Undisturbed>>();

/** Trained once for all that are compared with it. */
function undisturbed(kind: Kind): Promise<Undisturbed> {
  const training = known.get(kind) ?? trainUndisturbed(kind);
  known.set(kind, training);
  return training;
}

async function trainUndisturbed(kind: Kind): Promise<Undisturbed> {
  const own = join(folder, `undisturbed-${kind}`);
  const trial = await makeTrial({ folder: own, kind, epochs, random: randomFrom(seed), clock: "steady" });
  const began = performance.now();
  const applying = apply(trial);
  await applying.until(({ type }) => type === "stage-started");
  const startMs = performance.now() - began;
  if ((await applying.ended) !== 0) throw new Error(`undisturbed: ${(await applying.process).stderr}`);
  return { outputs: await hashOutputs(trial), startMs };
}

interface Trying {
  readonly name: string;
  readonly kind: Kind;
  readonly clock: "steady" | "jumping";
}

/** One project, disturbed and seen to its end. */
async function tryOut(
  { name, kind, clock }: Trying,
  disturb: (trial: Trial, usual: Undisturbed) => Promise<Row["counts"]>,
): Promise<void> {
  const usual = await undisturbed(kind);
  trials += 1;
  // Each has a seed of its own, so that the next one does not hang on how far this one came.
  const random = randomFrom(seed * 1000 + trials);
  const own = join(folder, [trials, ...name.replaceAll(",", "").split(" "), kind].join("-"));
  const trial = await makeTrial({ folder: own, kind, epochs, random, clock });
  const began = performance.now();
  const watch = watchTrainers(trial);
  let counts: Row["counts"] = {};
  try {
    counts = await disturb(trial, usual);
    await settleDown(trial);
    await finishAndInspect(trial, usual.outputs);
  } catch (error) {
    trial.findings.push(`${trial.project.folder}: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const { looks, most } = await watch.end();
  const seconds = (performance.now() - began) / 1000;
  const { findings, ends } = trial;
  table.add({
    name: [name, kind, ...(clock === "steady" ? [] : [`${clock} clocks`])].join(", "),
    counts,
    looks,
    most,
    seconds,
    ends,
    findings,
  });
  if (findings.length === 0) await rm(trial.project.folder, { recursive: true, force: true });
}

const kindOf = (turn: number) => KINDS[turn % KINDS.length] as Kind;

for (let [done, turn] = [0, 0]; done < kills; turn += 1) {
  const most = Math.min(KILLS_A_TRIAL, kills - done);
  // Both kinds by a steady clock, then both by clocks that jump.
  const clock = turn % 4 < 2 ? "steady" : "jumping";
  const trying = { name: "kills", kind: kindOf(turn), clock } as const;
  await tryOut(trying, async (trial, { startMs }) => {
    const { kills: hit, reused } = await killAgainAndAgain(trial, { startMs, most });
    done += hit.runner + hit.trainer + hit.both;
    return { ...hit, "pid used again": reused };
  });
}
for (let [done, turn] = [0, 0]; done < stops; turn += 1) {
  await tryOut({ name: "stops", kind: kindOf(turn), clock: "steady" }, async (trial) => {
    const stopped = await stopAgainAndAgain(trial, stops - done);
    done += stopped;
    return { stops: stopped };
  });
}
for (const found of applies > 0 ? FOUND : []) {
  await tryOut({ name: `applies at once, ${found}`, kind: "single", clock: "steady" }, async (trial) => {
    await applyAtOnce(trial, { count: applies, found });
    return { applies };
  });
}

const isFine = table.print();
if (isFine) await rm(folder, { recursive: true, force: true });
process.exitCode = isFine ? 0 : 1;
