import { resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { State } from "../core/state/state.ts";
import { tellUnseenEnd } from "../execute/notify.ts";
import { settlePipeline, type UnseenEnd } from "../execute/settle.ts";
import { giveBack, placeOf, type TakenOver, takeOver } from "../execute/take-over.ts";
import type { Lock } from "../host/locks/lock.ts";
import { observeRealPaths } from "../host/real-paths.ts";
import { statePaths } from "../host/records/run-store.ts";
import type { KnownPipeline } from "../prepare/prepare.ts";
import type { Terminal } from "./terminal.ts";

/** The pipelines whose locks an `apply` has, from before it plans them for good until each has had its turn. */

/** Names a pipeline by its file, or by its cell in one. */
type FileOf = Pick<KnownPipeline, "root" | "spec">;

export interface HeldPipelines {
  /** Takes one over from whoever had it, or says why not. */
  readonly take: (pipeline: KnownPipeline, options: TakeOptions) => Promise<TakenOver>;
  readonly has: (pipeline: FileOf) => boolean;
  /** Writes down what a trainer came to meanwhile, or says what is in the way. */
  readonly settle: (pipeline: KnownPipeline) => Promise<Diagnostic | undefined>;
  readonly giveUp: (pipeline: FileOf) => Promise<void>;
  /** Gives up all that are left, and waits until hooks are told of ends that nobody had seen: those that can't be. */
  readonly close: () => Promise<readonly Diagnostic[]>;
}

export interface TakeOptions {
  readonly timeoutMs: number;
  readonly whyNot: (state: State | undefined) => Diagnostic | undefined;
}

export function holdPipelines(terminal: Pick<Terminal, "note" | "environment">): HeldPipelines {
  let locks: readonly { readonly pipeline: KnownPipeline; readonly lock: Lock }[] = [];
  const telling: Promise<readonly Diagnostic[]>[] = [];
  const onUnseenEnd =
    ({ root, spec }: KnownPipeline) =>
    (end: UnseenEnd) =>
      void telling.push(tellUnseenEnd({ root, spec, environment: terminal.environment }, end));
  const giveUp = async (pipeline: FileOf) => {
    const path = pathOf(pipeline);
    const given = locks.filter((one) => pathOf(one.pipeline) === path);
    locks = locks.filter((one) => !given.includes(one));
    for (const one of given) await giveBack(placeOf(one.pipeline), one.lock);
  };
  return {
    take: async (pipeline, options) => {
      const taken = await takeOver(placeOf(pipeline), {
        ...options,
        onNote: terminal.note,
        onUnseenEnd: onUnseenEnd(pipeline),
      });
      if (taken.kind === "taken") locks = [...locks, { pipeline, lock: taken.lock }];
      return taken;
    },
    has: (pipeline) => locks.some((one) => pathOf(one.pipeline) === pathOf(pipeline)),
    settle: (pipeline) =>
      settlePipeline({ ...placeOf(pipeline), onWaiting: terminal.note, onUnseenEnd: onUnseenEnd(pipeline) }),
    giveUp,
    close: async () => {
      for (const { pipeline } of locks) await giveUp(pipeline);
      return (await Promise.all(telling)).flat();
    },
  };
}

/** In one order, whatever that of the words: of two applies that wait, each could have what the other one waits for. */
export async function inLockOrder(pipelines: readonly KnownPipeline[]): Promise<readonly KnownPipeline[]> {
  const keyed = pipelines.map(async (pipeline) => {
    const { root, stateDir, pipeline: name } = placeOf(pipeline);
    const seen = await observeRealPaths([{ path: stateDir, links: "none" }], { root });
    return { pipeline, file: statePaths(seen[stateDir]?.real ?? stateDir, name).lockFile };
  });
  const files = await Promise.all(keyed);
  return files.sort((a, b) => (a.file < b.file ? -1 : 1)).map(({ pipeline }) => pipeline);
}

function pathOf({ root, spec }: FileOf): string {
  return resolve(root, spec.file);
}
