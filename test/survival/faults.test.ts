import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import { expect, it } from "vitest";
import { stateSchema } from "../../src/core/state/state.ts";
import { type Call, type Fault, faultEnvironment, readCalls, waysToFail } from "../rig/faults.ts";
import { checkpointHashes, FILE } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** Every system call by which the record is kept fails in turn, or the runner is killed there. */

const APPLY = ["apply", FILE, "--auto-approve"];
const STATE = ".wan22/state/quickstart.json";
const LOG = "calls.ndjson";

const quickstart = () => makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));

/** What is wrong after it, a sentence each. */
async function consequences(fault: Fault, wanted: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const project = await quickstart();
  const environment = faultEnvironment(project.path(LOG), fault);
  const first = await project.run(APPLY, { environment });
  const wrong: string[] = [];
  const demand = (holds: boolean, what: string) => {
    if (!holds) wrong.push(`${fault.site} #${fault.occurrence}, ${fault.how}: ${what}`);
  };
  const met = (await readCalls(project.path(LOG))).some(({ isAsked }) => isAsked);
  demand(met, "never came");
  demand(fault.how.startsWith("kill") || [0, 1, 6, 85].includes(first.exitCode ?? -1), `ended with ${first.exitCode}`);
  demand(!/bug in wan22/.test(first.stderr), `showed a stack:\n${first.stderr}`);
  demand(first.exitCode !== 85 || /goes on/.test(first.stdout + first.stderr), "left its trainer without a word");
  demand(first.exitCode !== 1 || /error\[/.test(first.stdout + first.stderr), "ended without a word");
  for (const file of [STATE, `${STATE}.backup`]) demand(await isWhole(project, file), `${file} is not whole`);

  const second = await project.run(APPLY);
  demand(second.exitCode === 0, `the next apply ended with ${second.exitCode}:\n${second.stdout}${second.stderr}`);
  demand(!/A1\]/.test(second.stdout + second.stderr), "the record had to be rebuilt");
  const hashes = await checkpointHashes(project);
  demand(JSON.stringify(hashes) === JSON.stringify(wanted), `the checkpoints are others: ${JSON.stringify(hashes)}`);
  demand((await project.run(APPLY)).stdout.includes("No changes."), "something is left to do");
  demand(await isWhole(project, STATE), `${STATE} is not whole in the end`);
  // What a killed taking of a lock left may be another's: it is removed when it is a minute old.
  const left = (await project.list(".wan22/state")).filter((name) => /\.json.*\.tmp$|\.lock$|claim/.test(name));
  demand(left.length === 0, `is left: ${left.join(", ")}`);
  return wrong;
}

/** One that isn't there is the old one, where nothing was written before. */
async function isWhole(project: Project, file: string): Promise<boolean> {
  const text = await project.read(file).catch(() => undefined);
  if (text === undefined) return true;
  try {
    return stateSchema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

/** The calls that records and locks are made of; what else a run has in its folder can be made again. */
const RECORDS = /(?:state|backup|journal\.ndjson|lock)(?: temporary)?$/;

/** Every kind of call once, each in another way and at another of its first half: what is polled comes more or less often. */
function sample(calls: readonly Call[]): readonly Fault[] {
  const sites = [...new Set(calls.map(({ site }) => site))].filter((site) => RECORDS.test(site));
  return sites.map((site, position) => {
    const count = Math.max(1, Math.floor(calls.filter((call) => call.site === site).length / 2));
    const ways = waysToFail(site);
    return { site, occurrence: 1 + (position % count), how: ways[position % ways.length] ?? "kill before" };
  });
}

/** `all`, or those of some sites, at every occurrence, for who has the hour: `WAN22_FAULTS="write journal"`. */
function chosen(calls: readonly Call[], which: string): readonly Fault[] {
  return calls
    .filter(({ site }) => which === "all" || site.includes(which))
    .flatMap(({ site, occurrence }) => waysToFail(site).map((how) => ({ site, occurrence, how })));
}

/** The journal's eleventh entry is the trainer's process, which runs by then and must not be taken for one that failed. */
const UNRECORDED_PROCESS: Fault = { site: "write journal.ndjson", occurrence: 11, how: "halfway" };

it("leaves the old record or the new one, whole, and the next apply ends with the same bytes", {
  timeout: 3_600_000,
}, async () => {
  const undisturbed = await quickstart();
  const log = undisturbed.path(LOG);
  expect((await undisturbed.run(APPLY, { environment: faultEnvironment(log) })).exitCode).toBe(0);
  const wanted = await checkpointHashes(undisturbed);
  const calls = await readCalls(log);
  expect(new Set(calls.map(({ site }) => site))).toEqual(
    expect.objectContaining(
      new Set(["write state temporary", "fsync state temporary", "rename state", "write journal.ndjson"]),
    ),
  );
  const which = process.env.WAN22_FAULTS;
  const faults = which === undefined ? [...sample(calls), UNRECORDED_PROCESS] : chosen(calls, which);
  const atOnce = pLimit(availableParallelism());
  const wrong = await Promise.all(faults.map((fault) => atOnce(() => consequences(fault, wanted))));
  expect(wrong.flat()).toEqual([]);
});
