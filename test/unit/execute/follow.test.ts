import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { followProcess } from "../../../src/execute/stage/follow.ts";
import { identifyProcess } from "../../../src/host/process.ts";

/** A promise, and all that come of it, that tell how often somebody began to wait for one of them. */
class Counted<T> extends Promise<T> {
  static waits = 0;
  // biome-ignore lint/suspicious/noThenProperty: it is a promise's own.
  override then<A, B>(...args: Parameters<Promise<T>["then"]>): Promise<A | B> {
    Counted.waits += 1;
    return super.then(...args) as Promise<A | B>;
  }
}

it("keeps nothing of a look at a process that still runs, however many there are", async () => {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { pid } = child;
  if (pid === undefined) throw new Error("it was not started");
  const exit = once(child, "exit");
  const ended = new Counted<{ exitCode: number; signal: null }>((done) => {
    void exit.then(([exitCode]) => done({ exitCode, signal: null }));
  });
  const stop = new AbortController();
  let looks = 0;
  let waitsAt10 = 0;
  const poll = async (): Promise<readonly TrainerEvent[]> => {
    looks += 1;
    if (looks === 10) waitsAt10 = Counted.waits;
    if (looks === 200) {
      expect(Counted.waits).toBe(waitsAt10);
      expect(getEventListeners(stop.signal, "abort")).toHaveLength(1);
      child.stdin?.end();
      await exit;
    }
    // Something at each look, so that the next one comes soon.
    return [{ v: 1, t: looks, type: "step", step: looks, epoch: 1, loss: 0 }];
  };
  const { end } = await followProcess({
    identity: await identifyProcess(pid),
    mark: { name: "WAN22_STAGE", value: "of this test" },
    ended,
    source: { poll, end: async () => [] },
    saidLastWord: false,
    onEvents: async () => undefined,
    onLook: () => undefined,
    signals: { stop: stop.signal, stopNow: new AbortController().signal },
    stopFile: undefined,
    onStopping: () => undefined,
    onOutlived: () => undefined,
    pollMs: 1,
  });
  expect(end).toEqual({ exitCode: 0, signal: null });
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
});
