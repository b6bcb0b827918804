import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { describeHook, type Notification, type NotificationEvent, type NotifyHook } from "../core/notification.ts";
import type { Spec } from "../core/spec/spec.ts";
import { expandPath } from "../core/spec/variables.ts";
import { readGitCommit } from "../host/git/git-commit.ts";
import { postJson, sendToCommand } from "../host/send.ts";
import type { ApplyInput, ApplyResult } from "./apply-input.ts";
import { EXECUTE_CODES } from "./codes.ts";
import type { UnseenEnd } from "./settle.ts";

/** Tells the hooks of a pipeline what becomes of a run. Whatever a hook does, the run is neither harmed nor kept waiting. */

export interface Notifier {
  /** Takes what happens, for what is to be told of it. */
  readonly take: (event: ApplyEvent) => void;
  /** Tells of the end, waits a few seconds at most, and says which hooks could not be told. */
  readonly end: (result: Pick<ApplyResult, "outcome" | "run" | "diagnostics">) => Promise<readonly Diagnostic[]>;
}

export interface NotifyInput {
  /** Absolute. */
  readonly root: string;
  readonly spec: Pick<Spec, "name" | "file" | "notify">;
  readonly environment: ApplyInput["environment"];
}

/** One attempt; a slow server is tried again, a slow program is not. */
const ATTEMPT_MS = 10_000;
const PAUSES_MS: readonly number[] = [500, 2000];
/** What is still on its way at the end of a run gets this long. */
const GRACE_MS = 5000;
const LONGEST_MESSAGE = 4000;

export interface NotifierOptions {
  /** `adopting`: a run that another runner has begun, and told of. */
  readonly begins: "adopting" | "new";
  /** What is known of it before anything is taken. */
  readonly known?: Partial<Said>;
}

export function openNotifier(input: NotifyInput, { begins, known }: NotifierOptions): Notifier {
  const ending = new AbortController();
  const sent: Promise<Diagnostic | undefined>[] = [];
  let said: Said = { checkpoints: [], ...known };
  const tell = (event: NotificationEvent, more: Partial<Notification>) => {
    const hooks = input.spec.notify.filter(({ on }) => on.includes(event));
    if (hooks.length === 0) return;
    const notification = describe(input, event, { ...said, ...more });
    for (const hook of hooks) sent.push(send(hook, notification, input, ending.signal));
  };
  return {
    take: (event) => {
      const isFirst = said.run === undefined;
      said = { ...said, ...whatIsSaid(event) };
      if (event.type === "run-started" && isFirst && begins === "new") tell("started", {});
    },
    end: async ({ outcome, run, diagnostics }) => {
      const event = eventOf(outcome);
      // Without a run there was nothing to do, or it was refused.
      if (event !== undefined && (run !== undefined || event === "failed")) {
        const error = diagnostics.find(({ severity }) => severity === "error");
        const message = error?.message.slice(0, LONGEST_MESSAGE) ?? said.message;
        tell(event, { outcome, ...(event === "finished" || message === undefined ? {} : { message }) });
      }
      const grace = new AbortController();
      const settled = Promise.all(sent);
      await Promise.race([settled, wait(GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined)]);
      grace.abort();
      ending.abort();
      return (await settled).flatMap((problem) => problem ?? []);
    },
  };
}

type Said = Pick<Notification, "run" | "stage" | "step" | "total" | "checkpoints" | "message">;

function whatIsSaid(event: ApplyEvent): Partial<Said> {
  switch (event.type) {
    case "run-started":
      return { run: event.run };
    case "stage-started":
      return { stage: event.stage, step: event.done, total: event.total };
    case "trainer": {
      if (event.event.type === "step") return { stage: event.stage, step: event.event.step };
      return event.event.type === "item" ? { stage: event.stage, step: event.event.done } : {};
    }
    case "stage-ended": {
      const { stage, done, total, message } = event;
      return { stage, step: done, total, ...(message === undefined ? {} : { message }) };
    }
    case "run-ended":
      return { checkpoints: event.checkpoints };
    default:
      return {};
  }
}

/** Nobody is told of a runner that detached: the end is still to come. */
function eventOf(outcome: ApplyOutcome): NotificationEvent | undefined {
  switch (outcome) {
    case "finished":
    case "failed":
    case "stopped":
      return outcome;
    case "interrupted":
      return "stopped";
    case "detached":
      return undefined;
  }
}

async function describe(
  { root, spec }: NotifyInput,
  event: NotificationEvent,
  known: Omit<Notification, "version" | "event" | "time" | "pipeline" | "file" | "host" | "commit">,
): Promise<Notification> {
  const time = new Date().toISOString();
  const commit = await readGitCommit(root).catch(() => undefined);
  return {
    version: 1,
    event,
    time,
    pipeline: spec.name,
    file: spec.file,
    ...known,
    host: hostname(),
    ...(commit === undefined ? {} : { commit }),
  };
}

/** Undefined where the hook was told. Never throws. */
async function send(
  hook: NotifyHook,
  notification: Promise<Notification>,
  { root, spec, environment }: NotifyInput,
  ending: AbortSignal,
): Promise<Diagnostic | undefined> {
  const told = await notification;
  const text = `${JSON.stringify(told)}\n`;
  const attempt = () => AbortSignal.any([ending, AbortSignal.timeout(ATTEMPT_MS)]);
  const problem =
    hook.target.kind === "command"
      ? await sendToCommand(hook.target.command, { text, signal: attempt(), folder: root, environment })
      : await post(hook.target.url, { text, attempt, ending, environment });
  if (problem === undefined) return undefined;
  const mend = hook.target.kind === "command" ? MEND_COMMAND : MEND_URL;
  const detail = `${describeHook(hook)} was not told that ${spec.name} ${told.event}: ${typeof problem === "string" ? `${problem}. ${mend}` : problem.sentence}`;
  return diagnose(EXECUTE_CODES.notTold, detail);
}

const MEND_COMMAND = "Try it by hand in the project's root, with JSON on its standard input.";
const MEND_URL = "See that the URL is right, and that its server takes JSON by POST.";

/** A URL that is not whole: what is wrong, and how to mend that. */
interface Incomplete {
  readonly sentence: string;
}

interface PostInput {
  readonly text: string;
  readonly attempt: () => AbortSignal;
  readonly ending: AbortSignal;
  readonly environment: NotifyInput["environment"];
}

/** Variables are replaced here and nowhere else, so that what they hold is in this function's memory alone. */
async function post(
  written: string,
  { text, attempt, ending, environment }: PostInput,
): Promise<string | Incomplete | undefined> {
  const { text: url, unset, malformed } = expandPath(written, environment);
  if (unset.length > 0) {
    return { sentence: `the environment variable ${unset.join(", ")} is not set. Set it where \`wan22 apply\` runs.` };
  }
  if (malformed.length > 0) {
    return {
      sentence: "a variable in its URL is cut short, or holds another. Mend it in the file.",
    };
  }
  for (const pause of [...PAUSES_MS, undefined]) {
    const { problem, isPassing } = await postJson(url, { text, signal: attempt() });
    if (problem === undefined || !isPassing || pause === undefined || ending.aborted) return problem;
    await wait(pause, undefined, { signal: ending }).catch(() => undefined);
    if (ending.aborted) return problem;
  }
  return undefined;
}

/** Tells of an end that nobody has seen when it came. */
export async function tellUnseenEnd(input: NotifyInput, end: UnseenEnd): Promise<readonly Diagnostic[]> {
  const { run, stage, outcome, message, state } = end;
  const record = state.stages[stage];
  const total = (record?.total_epochs ?? 0) * (record?.steps_per_epoch ?? 0);
  const notifier = openNotifier(input, {
    begins: "adopting",
    known: {
      run,
      stage,
      checkpoints: state.checkpoints.map(({ file }) => file),
      ...(total === 0 ? {} : { step: record?.done_steps ?? 0, total }),
      ...(message === undefined ? {} : { message }),
    },
  });
  const untold = await notifier.end({ outcome, run, diagnostics: [] });
  await end.onTold();
  return untold;
}
