import { describe, expect, it } from "vitest";
import { type Candidate, type Circumstances, decide } from "../../../src/core/plan/watch/reconcile.ts";
import { type Rules, whyHeld } from "../../../src/core/plan/watch/reconcile-record.ts";
import { aPipeline, aStage } from "../views/plans.ts";

/** What a watch does with the pipelines of a commit: a verdict for each, by what is known of it. */

const waiting = aPipeline({ stages: [aStage({ id: "train", action: "create" })] });
const done = aPipeline({ stages: [aStage({ id: "train", action: "none" })] });
const refused = { ...waiting, policy: [{ rule: "max_hours" as const, verdict: "broken" as const, limit: 1 }] };

function aCandidate(given: Partial<Candidate> = {}): Candidate {
  return {
    plan: waiting,
    key: "this",
    attended: false,
    ours: false,
    trains: false,
    progress: 0,
    outcome: undefined,
    message: undefined,
    elsewhere: undefined,
    attempt: undefined,
    hours: { kind: "open" },
    ...given,
  };
}

const attempt = (given = {}) => ({ key: "this", begun: 1, progress: 0, ...given });

function verdicts(candidates: readonly Candidate[], given: Partial<Circumstances> = {}): readonly string[] {
  return decide(candidates, { beginnings: "free", slots: 1, ...given }).map((verdict) =>
    verdict.kind === "leave" ? verdict.why : verdict.kind === "begin" ? `begin ${verdict.attempt.begun}` : verdict.kind,
  );
}

const verdict = (given: Partial<Candidate>, circumstances: Partial<Circumstances> = {}) =>
  verdicts([aCandidate(given)], circumstances)[0];

describe("a pipeline", () => {
  it("is begun where it has something to do, and nothing is in the way", () => {
    expect(verdict({})).toBe("begin 1");
    expect(verdict({ plan: done })).toBe("nothing");
    expect(verdict({ attended: true })).toBe("at-work");
    expect(verdict({ ours: true, attempt: attempt() })).toBe("at-work");
    expect(verdict({ plan: refused })).toBe("refused");
    expect(verdict({ elsewhere: "It trains on another machine." })).toBe("elsewhere");
    expect(verdict({}, { beginnings: "held" })).toBe("held");
    expect(verdict({ hours: { kind: "closed", until: "Mon 22:00" } })).toBe("closed");
  });

  it("that failed is begun again when it is another request, and not before", () => {
    expect(verdict({ outcome: "failed", attempt: attempt() })).toBe("failed");
    expect(verdict({ outcome: "failed", attempt: attempt({ key: "other" }) })).toBe("begin 1");
    // What failed before there was a watch is tried once.
    expect(verdict({ outcome: "failed" })).toBe("begin 1");
    const [first] = decide([aCandidate({ outcome: "failed", message: "out of memory", attempt: attempt() })], {
      beginnings: "free",
      slots: 1,
    });
    expect(first).toMatchObject({ text: expect.stringMatching(/^failed \(out of memory\)\. It is not begun again/) });
  });

  it("that somebody stopped stays so, unless the watch itself withdrew it", () => {
    expect(verdict({ outcome: "stopped", attempt: attempt() })).toBe("stopped");
    expect(verdict({ outcome: "interrupted" })).toBe("stopped");
    expect(verdict({ outcome: "stopped", attempt: attempt({ withdrawn: true }) })).toMatch(/^begin/);
    expect(verdict({ outcome: "stopped", attempt: attempt({ key: "other" }) })).toBe("begin 1");
  });

  it("that ended without a word is begun three times, as long as it gets no further", () => {
    expect(verdict({ attempt: attempt() })).toBe("begin 2");
    expect(verdict({ attempt: attempt({ begun: 3 }) })).toBe("failed");
    expect(verdict({ progress: 5, attempt: attempt({ begun: 3 }) })).toBe("begin 1");
    expect(verdict({ attempt: attempt({ begun: 3, key: "other" }) })).toBe("begin 1");
  });

  it("that trains without a runner gets one, whatever the hour", () => {
    const hours = { kind: "closed" as const, until: "Mon 22:00" };
    expect(verdict({ trains: true, outcome: "failed", attempt: attempt(), hours })).toBe("begin 2");
    expect(verdict({ trains: true, outcome: "stopped", attempt: attempt() })).toBe("begin 2");
  });
});

describe("several pipelines", () => {
  it("have their turns in their order, by the number of cards", () => {
    const three = [aCandidate(), aCandidate(), aCandidate()];
    expect(verdicts(three)).toEqual(["begin 1", "queued", "queued"]);
    expect(verdicts(three, { slots: 2 })).toEqual(["begin 1", "begin 1", "queued"]);
    const atWork = aCandidate({ ours: true, attempt: attempt() });
    expect(verdicts([aCandidate(), atWork])).toEqual(["queued", "at-work"]);
    const closed = aCandidate({ hours: { kind: "closed", until: "Mon 22:00" } });
    expect(verdicts([aCandidate(), closed])).toEqual(["begin 1", "closed"]);
    expect(verdicts([closed, aCandidate()])).toEqual(["closed", "begin 1"]);
    // What somebody else began takes no turn of the watch's.
    expect(verdicts([aCandidate(), aCandidate({ attended: true })])).toEqual(["begin 1", "at-work"]);
  });
});

describe("rules", () => {
  const inForce: Rules = { commit: "a", projects: { ".": "strict" }, hooks: ["one"] };

  it("that a commit changes hold it up, and so do hooks that it adds", () => {
    expect(whyHeld(inForce, { ...inForce, commit: "b" })).toBeUndefined();
    expect(whyHeld(inForce, { ...inForce, hooks: [] })).toBeUndefined();
    expect(whyHeld(inForce, { ...inForce, projects: {} })).toBeUndefined();
    expect(whyHeld(inForce, { ...inForce, projects: { ".": "loose" } })).toMatch(/rules/);
    expect(whyHeld(inForce, { ...inForce, projects: { ".": "strict", nested: "loose" } })).toMatch(/rules/);
    expect(whyHeld(inForce, { ...inForce, hooks: ["one", "two"] })).toMatch(/hook/);
  });
});
