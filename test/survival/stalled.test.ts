import { expect, it } from "vitest";
import { startApply, stepFrom } from "../rig/applying.ts";
import { FAST_CLOCK } from "../rig/clocks.ts";
import { FILE, longQuickstart, trainerOf } from "../rig/long-quickstart.ts";

it("a trainer that hangs is told of while it hangs, and training goes on when it does", async () => {
  const project = await longQuickstart();
  const applying = startApply(project, FILE, { environment: { NODE_OPTIONS: FAST_CLOCK } });
  await applying.until(stepFrom(20));
  const trainer = await trainerOf(project);
  process.kill(trainer, "SIGSTOP");
  await applying.until(({ type }) => type === "note");
  process.kill(trainer, "SIGCONT");

  expect(await applying.ended).toBe(0);
  expect(applying.events.filter(({ type }) => type === "note")).toMatchObject([
    {
      stage: "train",
      severity: "warning",
      text: expect.stringMatching(
        /^Training has taken no step for .*: nothing was heard of it for \d+ (?:s|min), and a/,
      ),
    },
  ]);
});
