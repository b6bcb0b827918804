import { formatDuration } from "../../core/duration.ts";
import { type Stall, type StallOptions, watchForStall } from "../../core/stall.ts";
import { monotonicSeconds } from "../../host/clock.ts";
import { runFiles, stageMark } from "../../host/records/run-store.ts";
import type { ApplyInput } from "../apply-input.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { MAKE_ROOM_THERE } from "../system-error.ts";
import { type FollowResult, followProcess } from "./follow.ts";
import { type StageInput, takeUp } from "./stage.ts";
import type { Started } from "./start-stage.ts";
import { watchRoom } from "./watch-room.ts";

/** Watches a stage's process: what it says goes to the record and to whoever looks on, and so does its silence. */

/** Progress bars that show a rate need no more often than this. */
const POLL_MS = { rehearsal: 50, bridge: 250, scripts: 250 } as const;

/** Passes on what the process says: to the state, and to whoever watches. */
export function followStage(input: StageInput, { identity, ended, source, progress }: Started): Promise<FollowResult> {
  const { apply, stage, recorder, report } = input;
  const watch = watchForStall({ ...whatIsUsual(input), now: monotonicSeconds() });
  const room = watchRoom(recorder.runDir, (text) => {
    const full = `${text}, where it is written what becomes of ${stage.id}: nothing is heard of it any more, and it goes on. ${MAKE_ROOM_THERE} What it has to say is kept until then.`;
    report({ type: "note", stage: stage.id, severity: "warning", text: full });
  });
  return followProcess({
    identity,
    mark: stageMark(recorder.run, stage.id),
    ended,
    source,
    saidLastWord: progress.terminal !== undefined,
    signals: apply.signals,
    stopFile: stage.driver !== "scripts" ? runFiles.stop(recorder.runDir, stage.id) : undefined,
    pollMs: POLL_MS[stage.driver],
    onEvents: async (events) => {
      watch.hear(events, monotonicSeconds());
      room.hear();
      for (const event of events) {
        takeUp(progress, event);
        report({ type: "trainer", stage: stage.id, event });
        if (event.type === "step" && event.loss === null && !progress.saidNotANumber) {
          progress.saidNotANumber = true;
          const { summary, why, mend } = EXECUTE_CODES.lossNotANumber;
          report({ type: "note", stage: stage.id, severity: "warning", text: `${summary}. ${why} ${mend}` });
        }
      }
      await recorder.observe(stage.id, events);
    },
    onLook: () => {
      room.look();
      const stall = watch.look(monotonicSeconds());
      if (stall !== undefined) report({ type: "note", stage: stage.id, severity: "warning", text: stallText(stall) });
    },
    onOutlived: (members) => {
      const pids = members.map(({ pid }) => pid).join(", ");
      const text = `The process that was started, ${identity.pid}, has ended, and processes that came of it still run (${pids}). They are followed until they end.`;
      report({ type: "note", stage: stage.id, severity: "warning", text });
    },
    onStopping: (manner) => {
      const text = manner === "asked" ? "The trainer saves its training state, then it ends." : endedAtOnceText(apply);
      report({ type: "note", stage: stage.id, severity: "note", text });
    },
  });
}

/** Of an earlier part of the same training, so that a trainer is known that hangs when somebody attaches to it. */
function whatIsUsual({ stage, recorder }: StageInput): Pick<StallOptions, "usual" | "samples"> {
  const measured = recorder.state()?.stages[stage.id]?.measured;
  return {
    usual: measured === undefined || measured.steps === 0 ? undefined : measured.seconds / measured.steps,
    samples: stage.argv.includes("--sample_prompts"),
  };
}

function stallText({ seconds, usual }: Stall): string {
  const { summary, why, mend } = EXECUTE_CODES.noStep;
  return `${summary}: nothing was heard of it for ${formatDuration(seconds)}, and a step usually takes ${formatDuration(usual)}. ${why} ${mend}`;
}

function endedAtOnceText({ signals }: ApplyInput): string {
  return signals.stopNow.aborted
    ? "The trainer is ended at once."
    : "The trainer is ended at once: with Musubi Tuner's own scripts there is no way yet to have it save first.";
}
