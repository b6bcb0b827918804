import { expect, it } from "vitest";
import { setApart } from "../../../src/prepare/rerun.ts";
import { planInput } from "../plan/world.ts";

it("a run that is made again shares no record, cache, output, branch or hook with the first, and keeps all else", () => {
  const { spec } = planInput({}).resolved;
  const shared = {
    ...spec,
    stateDir: "/srv/state",
    stateBackend: { kind: "git", branch: "wan22-state", remote: "origin" },
    cacheDir: "/srv/cache",
    output: { ...spec.output, dir: { ...spec.output.dir, path: "/srv/loras" } },
    policy: { max_hours: 1 },
  } as const;
  const { stateDir, stateBackend, cacheDir, output, notify, policy, ...rest } = setApart(shared);

  expect([stateDir, stateBackend, cacheDir, notify, policy]).toEqual([
    ".wan22",
    { kind: "local" },
    ".wan22/cache",
    [],
    undefined,
  ]);
  expect(output).toEqual({ ...spec.output, dir: { ...spec.output.dir, path: "rerun-output" } });
  expect({ ...shared, ...rest }).toEqual(shared);
});
