import { setTimeout as delay } from "node:timers/promises";
import { isStillAlive, type TrialProcess } from "./processes.ts";
import { type Trial, trainersOf } from "./trial.ts";

/** Looks all along whether two trainers live on one stage. */

export interface TrainerWatch {
  /** Ends it; how often it has looked, and at most how many trainers it saw at once. */
  readonly end: () => Promise<{ readonly looks: number; readonly most: number }>;
}

const LOOK_MS = 15;

export function watchTrainers(trial: Trial): TrainerWatch {
  let ends = false;
  let looks = 0;
  let most = 0;
  const said = new Set<string>();
  const watching = (async () => {
    while (!ends) {
      const trainers = trainersOf(trial);
      looks += 1;
      most = Math.max(most, groupsOf(trainers).length);
      for (const text of findDoubles(trainers).map(doubleText)) {
        if (!said.has(text)) trial.findings.push(`${trial.project.folder}: ${text}`);
        said.add(text);
      }
      await delay(LOOK_MS);
    }
  })();
  return {
    end: async () => {
      ends = true;
      await watching;
      return { looks, most };
    },
  };
}

const groupsOf = (trainers: readonly TrialProcess[]) => [...new Set(trainers.map(({ groupId }) => groupId))];

/** The processes were looked at one after the other: only two that live still have lived at the same time. */
function findDoubles(trainers: readonly TrialProcess[]): readonly (readonly TrialProcess[])[] {
  const stageOf = ({ mark }: TrialProcess) => mark?.split("/").at(-1);
  const stages = [...new Set(trainers.map(stageOf))];
  return stages
    .map((stage) => trainers.filter((trainer) => stageOf(trainer) === stage))
    .filter((found) => groupsOf(found).length > 1)
    .map((found) => found.filter(isStillAlive))
    .filter((found) => groupsOf(found).length > 1);
}

function doubleText(trainers: readonly TrialProcess[]): string {
  const each = trainers.map(({ pid, startTime, mark }) => `process ${pid} (${mark}, started at tick ${startTime})`);
  return `Two trainers on one stage: ${each.join(" and ")}.`;
}
