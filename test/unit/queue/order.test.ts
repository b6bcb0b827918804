import { describe, expect, it } from "vitest";
import { nextToBegin, type QueueEntry, reordered } from "../../../src/core/queue.ts";

/** Who begins on which card, and how the order of those that wait changes. */

const waiting = (name: string, wants?: readonly number[]): QueueEntry => ({
  name,
  project: "/p",
  file: `${name}.yaml`,
  status: "waiting",
  ...(wants === undefined ? {} : { wants: [...wants] }),
});
const running = (name: string, gpus: readonly number[]): QueueEntry => ({
  ...waiting(name),
  status: "running",
  gpus: [...gpus],
});

const next = (pool: readonly number[] | undefined, entries: readonly QueueEntry[], busy?: readonly number[]) => {
  const found = nextToBegin({ pool, entries }, busy);
  return found === undefined ? undefined : [found.entry.name, found.gpus];
};

describe("without a pool", () => {
  it("one begins when no other is at work, as its file says", () => {
    expect(next(undefined, [waiting("fox", [3]), waiting("dog")])).toEqual(["fox", undefined]);
    expect(next(undefined, [running("owl", []), waiting("fox")])).toBeUndefined();
    expect(next(undefined, [{ ...waiting("owl"), status: "ended" }, waiting("fox")])).toEqual(["fox", undefined]);
  });
});

describe("with a pool", () => {
  it("each gets the first card that is free, in the order they wait in", () => {
    expect(next([0, 1], [waiting("fox"), waiting("dog")])).toEqual(["fox", [0]]);
    expect(next([0, 1], [running("fox", [0]), waiting("dog"), waiting("owl")])).toEqual(["dog", [1]]);
    expect(next([0, 1], [running("fox", [0]), running("dog", [1]), waiting("owl")])).toBeUndefined();
  });

  it("and leaves alone what somebody else uses", () => {
    expect(next([0, 1], [waiting("fox")], [0])).toEqual(["fox", [1]]);
    expect(next([0, 1], [waiting("fox")], [0, 1])).toBeUndefined();
  });

  it("one that names its cards gets all of them or waits", () => {
    expect(next([0, 1], [waiting("fox", [0, 1])])).toEqual(["fox", [0, 1]]);
    expect(next([0, 1], [running("dog", [1]), waiting("fox", [0, 1])])).toBeUndefined();
  });

  it("and what it waits for is kept for it, or those behind it would take one after the other for ever", () => {
    expect(next([0, 1], [running("dog", [1]), waiting("fox", [0, 1]), waiting("owl")])).toBeUndefined();
    expect(next([0, 1, 2], [running("dog", [1]), waiting("fox", [0, 1]), waiting("owl")])).toEqual(["owl", [2]]);
  });

  it("one that can do with any card takes none that another can't do without", () => {
    expect(next([0, 1], [waiting("owl"), waiting("fox", [0])])).toEqual(["owl", [1]]);
    expect(next([0], [waiting("owl"), waiting("fox", [0])])).toEqual(["owl", [0]]);
  });
});

describe("another order", () => {
  const entries = [running("ant", [0]), waiting("bee"), waiting("cat"), waiting("dog")];
  const key = (name: string) => ({ name, project: "/p" });
  const order = (keys: readonly string[], place: Parameters<typeof reordered>[2]) =>
    reordered(entries, keys.map(key), place).map(({ name }) => name);

  it("puts those that wait first, last, before or after one, as they were named", () => {
    expect(order(["dog"], { kind: "first" })).toEqual(["ant", "dog", "bee", "cat"]);
    expect(order(["dog", "cat"], { kind: "first" })).toEqual(["ant", "dog", "cat", "bee"]);
    expect(order(["dog", "dog"], { kind: "first" })).toEqual(["ant", "dog", "bee", "cat"]);
    expect(order(["bee"], { kind: "last" })).toEqual(["ant", "cat", "dog", "bee"]);
    expect(order(["dog"], { kind: "before", of: key("cat") })).toEqual(["ant", "bee", "dog", "cat"]);
    expect(order(["bee"], { kind: "after", of: key("cat") })).toEqual(["ant", "cat", "bee", "dog"]);
  });

  it("leaves what is at work where it is, and loses nothing that it does not know", () => {
    expect(order(["ant", "dog"], { kind: "first" })).toEqual(["ant", "dog", "bee", "cat"]);
    expect(order(["owl"], { kind: "last" })).toEqual(["ant", "bee", "cat", "dog"]);
    expect(order(["cat"], { kind: "after", of: key("ant") })).toEqual(["ant", "cat", "bee", "dog"]);
  });

  it("tells pipelines of one name apart by their projects", () => {
    const two = [waiting("fox"), { ...waiting("fox"), project: "/q" }];
    expect(reordered(two, [{ name: "fox", project: "/q" }], { kind: "first" })).toEqual([two[1], two[0]]);
  });
});
