import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lockEncoding } from "../../../src/execute/locks/lock-encoding.ts";

interface Asking {
  readonly root: string;
  readonly pipeline: string;
  readonly digests: Readonly<Record<string, string>>;
  readonly onWaiting?: (text: string) => void;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function ask({ root, pipeline, digests, onWaiting = () => undefined, timeoutMs = 60_000, signal }: Asking) {
  return lockEncoding({
    stage: { store: "store", cache_digests: digests },
    root,
    work: { project: root, pipeline, stage: "cache-latents", run: `run-of-${pipeline}` },
    patience: { timeoutMs, onWaiting, signals: [signal] },
  });
}

async function makeRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "wan22-encoding-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
}

test("Who would encode the same items waits until the other has, whatever the files are called", async () => {
  const root = await makeRoot();
  const first = await ask({ root, pipeline: "ant", digests: { "ant/a": "1", "ant/b": "2" } });
  const said: string[] = [];
  const second = ask({
    root,
    pipeline: "bee",
    digests: { "bee/y": "2", "bee/x": "1" },
    onWaiting: (text) => {
      said.push(text);
      void (first.kind === "acquired" && first.release());
    },
  });
  expect((await second).kind).toBe("acquired");
  expect(said).toEqual([expect.stringMatching(/^Waiting, since cache-latents of ant in .* encodes the same;/)]);
});

test("Who encodes others waits for nobody", async () => {
  const root = await makeRoot();
  await ask({ root, pipeline: "ant", digests: { "ant/a": "1" } });
  const waits = () => expect.unreachable();
  expect((await ask({ root, pipeline: "bee", digests: { "bee/a": "2" }, onWaiting: waits })).kind).toBe("acquired");
});

test("A signal ends the waiting, and one that may not wait encodes without the lock", async () => {
  const root = await makeRoot();
  const digests = { a: "1" };
  await ask({ root, pipeline: "ant", digests });
  const stop = new AbortController();
  const waiting = ask({ root, pipeline: "bee", digests, signal: stop.signal, onWaiting: () => stop.abort() });
  expect(await waiting).toEqual({ kind: "cancelled" });
  expect((await ask({ root, pipeline: "cat", digests, timeoutMs: 0 })).kind).toBe("acquired");
});
