import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./commands/duration.ts";
import { examplesText } from "./commands/examples.ts";
import { EXIT, type ExitCode } from "./commands/exit-code.ts";
import type { GpuRequest } from "./commands/gpu-pool.ts";
import type { SchemaName } from "./commands/schema.ts";
import { openTerminal } from "./commands/terminal.ts";
import { type OpeningHours, parseOpeningHours } from "./core/opening-hours.ts";
import type { Choices } from "./core/plan/choices.ts";
import { STAGE_IDS, type StageId } from "./core/vocabulary.ts";

/** argv to command; the only place that sets the exit code. */

declare const WAN22_VERSION: string;

// Commands are loaded when they run: each start pays only for what it does.
const SCHEMAS: Readonly<Record<SchemaName, string>> = {
  pipeline: "a pipeline file",
  project: "wan22.yaml",
  plan: "what `wan22 plan --format json` prints",
  list: "what `wan22 list --json` prints",
  "saved-plan": "what `wan22 plan --out` saves",
  lock: "what `wan22 lock` writes, NAME.lock.json",
  "apply-events": "a line of `wan22 apply --format json`",
  "watch-events": "a line of `wan22 watch --format json`",
  runs: "what `wan22 runs --format json` prints",
  notification: "what a hook of `notify:` gets",
  events: "a line of STAGE.events.ndjson, and of `trainer` in apply-events",
  status: "what `wan22 status --format json` prints",
  queue: "what `wan22 status --queue --format json` prints",
  state: "the record of a pipeline, .wan22/state/NAME.json",
  verification: "what `wan22 verify --format json` prints",
  provenance: "what a run was made from, .wan22/runs/RUN/provenance.json",
};
const VALIDATE_FORMATS = ["human", "json", "github"] as const;
const PLAN_FORMATS = ["human", "json", "markdown", "github"] as const;
const SHOW_FORMATS = ["human", "json", "markdown"] as const;
/** Of commands whose output a person or a program reads. */
const DATA_FORMATS = ["human", "json"] as const;
const RESTORE_SOURCES = ["best", "backup", "runs", "branch"] as const;

function toStage(text: string, previous: readonly StageId[]): readonly StageId[] {
  const stage = STAGE_IDS.find((id) => id === text);
  if (stage === undefined) throw new InvalidArgumentError(`It is one of ${STAGE_IDS.join(", ")}.`);
  return [...previous, stage];
}

function toMilliseconds(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError("It is a duration such as 90s, 10m or 2h.");
  return milliseconds;
}

function toHours(text: string, previous: readonly OpeningHours[] = []): readonly OpeningHours[] {
  const hours = parseOpeningHours(text);
  if (hours === undefined) throw new InvalidArgumentError("It is hours such as 22:00-08:00 or Mon-Fri 22:00-08:00.");
  return [...previous, hours];
}

/** Between two looks. Node takes weeks for no time at all. */
function toPause(text: string): number {
  const milliseconds = toMilliseconds(text);
  if (milliseconds < 100 || milliseconds > 86_400_000)
    throw new InvalidArgumentError("It is a tenth of a second to a day, such as 5s.");
  return milliseconds;
}

function toCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError("It is a whole number from 0.");
  return count;
}

function listSchemas(): string {
  const names = Object.entries(SCHEMAS);
  const longest = Math.max(...names.map(([name]) => name.length));
  return names.map(([name, of]) => `  ${name.padEnd(longest)}  ${of}`).join("\n");
}

function toGpus(text: string): GpuRequest {
  if (text === "all") return text;
  const ids = text.split(",").map((id) => id.trim());
  if (!ids.every((id) => /^\d{1,4}$/.test(id))) {
    throw new InvalidArgumentError("It is numbers as nvidia-smi counts, such as 0,1; or all.");
  }
  return [...new Set(ids.map(Number))];
}

function toEpoch(text: string): number {
  const epoch = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(epoch)) throw new InvalidArgumentError("It is a whole number.");
  if (epoch === 0) throw new InvalidArgumentError("Epochs count from 1. To start over: --replace train.");
  return epoch;
}

/** What is asked of a plan beside what its file says, the same for `plan` and `apply`. */
function addChoices(command: Command): Command {
  const several = "(may be given several times)";
  return command
    .addOption(
      new Option("--only <stage>", `run this stage; others that have something to do wait ${several}`)
        .argParser(toStage)
        .default([], "all"),
    )
    .addOption(
      new Option("--replace <stage>", `start this stage over; what exists is archived ${several}`)
        .argParser(toStage)
        .default([], "none"),
    )
    .addOption(
      new Option("--from <stage>", "start this stage and all after it over; what exists is archived").argParser(
        (text, previous: StageId | undefined) => {
          if (previous !== undefined) throw new InvalidArgumentError("Give it once: the first of the stages.");
          return toStage(text, [])[0];
        },
      ),
    )
    .addOption(
      new Option(
        "--from-epoch <n>",
        "train on from the training state of this epoch; what came after it is archived",
      ).argParser(toEpoch),
    )
    .addOption(
      new Option(
        "--gpus <ids>",
        "share these GPUs (0,1; or all) out: pipelines side by side, each on what its file names of them, or on the one that is free first",
      ).argParser(toGpus),
    );
}

function choicesOf({ only, replace, from, fromEpoch }: Choices): Choices {
  return { only, replace, from, fromEpoch };
}

function detailsOf(isAsked: boolean | undefined): "full" | "summary" {
  return isAsked ? "full" : "summary";
}

function formatOption(description: string, formats: readonly string[]): Option {
  return new Option("--format <format>", description).choices(formats).default("human");
}

function changedSinceOption(): Option {
  return new Option(
    "--changed-since <ref>",
    "only pipelines that are touched by what changed since HEAD and this commit parted, uncommitted changes too; nothing that they name is started",
  );
}

function lockTimeoutOption(): Option {
  return new Option("--lock-timeout <duration>", "wait this long (90s, 10m, 2h) for a pipeline or GPU that another has")
    .argParser(toMilliseconds)
    .default(0, "do not wait");
}

function buildProgram(run: (work: () => Promise<ExitCode> | ExitCode) => Promise<void>): Command {
  const terminal = openTerminal();
  const onSignal = (isDetaching: boolean | undefined) =>
    isDetaching || terminal.environment.GITHUB_ACTIONS === "true" ? "detach" : "stop";
  const program = new Command("wan22")
    .description("Train Wan2.2 video LoRAs the way a good team ships infrastructure.")
    .version(WAN22_VERSION)
    .showSuggestionAfterError()
    .showHelpAfterError("(wan22 --help shows what there is)")
    .exitOverride();

  program
    .command("validate")
    .description("check pipeline files, and everything they name; nothing is changed")
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(formatOption("github prints annotations for a workflow's log", VALIDATE_FORMATS))
    .addOption(changedSinceOption())
    .action((files: string[], { format, changedSince }) =>
      run(async () => (await import("./commands/validate.ts")).runValidate(files, { format, changedSince }, terminal)),
    );

  program
    .command("list")
    .description(
      "list pipelines, each cell of a matrix too, by what their files say; nothing that they name is looked at",
    )
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .option("--json", "in one line, as a workflow's `strategy.matrix` takes it")
    .addOption(changedSinceOption())
    .action((files: string[], { json, changedSince }) =>
      run(async () =>
        (await import("./commands/list.ts")).runList(
          files,
          { format: json ? "json" : "human", changedSince },
          terminal,
        ),
      ),
    );

  addChoices(program.command("plan"))
    .description("say exactly what `apply` would do")
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(
      formatOption(
        "json is as `wan22 schema plan` describes it, markdown the comment of a pull request; github prints annotations for a workflow's log",
        PLAN_FORMATS,
      ),
    )
    .option("--details", "show every parameter, checkpoint, file and argument list")
    .option("--detailed-exitcode", "exit with 2 where there is something to do")
    .option(
      "--out <file>",
      "save the plan; `wan22 apply FILE` carries out what was saved, or says what has moved since",
    )
    .addOption(changedSinceOption())
    .option("--markdown <file>", "write the plan for a pull request too, whatever else is printed")
    .action((files: string[], { format, details, detailedExitcode, out, changedSince, markdown, ...options }) =>
      run(async () =>
        (await import("./commands/plan.ts")).runPlan(
          files,
          {
            format,
            details: detailsOf(details),
            exitCode: detailedExitcode ? "detailed" : "plain",
            choices: choicesOf(options),
            gpus: options.gpus,
            out,
            changedSince,
            markdown,
          },
          terminal,
        ),
      ),
    );

  addChoices(program.command("apply"))
    .description(
      "make it happen; Ctrl-C stops, with the training state saved where the trainer can, and the same command goes on",
    )
    .argument("[files...]", "pipeline files, or saved plans; all pipelines in pipelines/ if left out")
    .option("--auto-approve", "do not ask before the plan is carried out")
    .addOption(formatOption("json is an event a line, as `wan22 schema apply-events` describes it", DATA_FORMATS))
    .addOption(lockTimeoutOption())
    .option(
      "--detach-on-signal",
      "Ctrl-C and SIGTERM end wan22 alone and training goes on, instead of stopping it; always so under GITHUB_ACTIONS, and when the terminal is closed",
    )
    .option("--detach", "carry the plan out in the background, and come back with 85 when its first trainer runs")
    .option("--update-lock", "write a lock anew that what is here differs from, instead of refusing")
    .addOption(new Option("--planned-as <mark>", "the plan that was agreed to").hideHelp())
    .action(
      (
        files: string[],
        { autoApprove, format, lockTimeout, detachOnSignal, detach, updateLock, plannedAs, ...options },
      ) =>
        run(async () =>
          (await import("./commands/apply.ts")).runApply(
            files,
            {
              format,
              approval: autoApprove ? "auto" : "ask",
              choices: choicesOf(options),
              gpus: options.gpus,
              lockTimeoutMs: lockTimeout,
              onSignal: onSignal(detachOnSignal),
              runner: detach ? "detached" : "here",
              lock: updateLock ? { kind: "update", tool: WAN22_VERSION } : { kind: "keep" },
              plannedAs,
              tool: WAN22_VERSION,
            },
            terminal,
          ),
        ),
    );

  addChoices(program.command("watch"))
    .description(
      "plan again as files change, and show what changed; with --apply, plan and apply the commits of a branch; Ctrl-C ends it, and what trains goes on",
    )
    .argument("[files...]", "pipeline files; all in pipelines/ if left out, also those that come later")
    .addOption(formatOption("json is an event a line, as `wan22 schema watch-events` describes it", DATA_FORMATS))
    .option("--details", "show every parameter, checkpoint, file and difference")
    .addOption(
      new Option("--poll <duration>", "look at the files that often, where the system tells of no changes").argParser(
        toPause,
      ),
    )
    .addOption(new Option("--apply", "carry out, in the background, what the branch named with --git asks for"))
    .option("--git <branch>", "with --apply: the branch, such as origin/main; its commits are checked out here")
    .addOption(
      new Option("--interval <duration>", "with --apply: how often it is looked at")
        .argParser(toPause)
        .default(60_000, "60s"),
    )
    .option("--once", "with --apply: look at it a single time")
    .addOption(
      new Option(
        "--allow <hours>",
        "with --apply: begin something at these hours only (22:00-08:00, or Mon-Fri 22:00-08:00), whatever wan22.yaml says (may be given several times)",
      ).argParser(toHours),
    )
    .option("--accept-rules", "with --apply: let the policy, hours and hooks count that the branch has now")
    .option("--retry", "with --apply: begin once more what failed or was stopped")
    .addOption(new Option("--project <folder>", "stand in this folder").hideHelp())
    .action((files: string[], options, command: Command) => {
      const { format, git, apply, once, allow, acceptRules, retry, project, interval, poll, gpus } = options;
      const details = detailsOf(options.details);
      const { only = [], replace = [], ...started } = choicesOf(options);
      if (!apply) {
        const misplaced = [git, once, allow, acceptRules, retry].some((value) => value !== undefined);
        if (misplaced || command.getOptionValueSource("interval") === "cli") {
          command.error("error: --git, --interval, --once, --allow, --accept-rules and --retry belong to --apply");
        }
        return run(async () =>
          (await import("./commands/watch/watch.ts")).runWatch(
            files,
            { format, details, carriedOut: "by-hand", choices: choicesOf(options), gpus, pollMs: poll },
            terminal,
          ),
        );
      }
      if (git === undefined) command.error("error: --apply needs the branch to follow: --git origin/main");
      const isAsked = Object.values(started).some((value) => value !== undefined);
      if (isAsked || poll !== undefined || only.length + replace.length > 0) {
        command.error(
          "error: with --apply the commits say what is done: of what plan and apply can be told, --gpus alone",
        );
      }
      return run(async () =>
        (await import("./commands/watch/reconcile.ts")).runReconcile(
          files,
          {
            format,
            details,
            carriedOut: "by-itself",
            git,
            intervalMs: interval,
            rounds: once ? "once" : "on-and-on",
            choices: {},
            gpus,
            allow: allow === undefined ? undefined : { allow },
            rules: acceptRules ? "accept" : "keep",
            retry: retry === true,
          },
          project === undefined ? terminal : { ...terminal, folder: project },
        ),
      );
    });

  program
    .command("lock")
    .description(
      "write NAME.lock.json beside a pipeline: clips, captions, models and trainer, so that it can be planned without them",
    )
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .option("--check", "write nothing; exit with 1 where what is here differs from the lock")
    .action((files: string[], { check }) =>
      run(async () =>
        (await import("./commands/lock.ts")).runLock(
          files,
          { manner: check ? "check" : "write", tool: WAN22_VERSION },
          terminal,
        ),
      ),
    );

  program
    .command("status")
    .description("say how pipelines stand: how far each stage is, whether its trainer lives, who is at work on it")
    .argument("[files...]", "pipeline files or names; all of the project if left out")
    .option("--queue", "what is at work on which GPU and what waits, of all projects on this machine")
    .addOption(formatOption("json is as `wan22 schema status` describes it, or `queue`", DATA_FORMATS))
    .action((files: string[], { queue, format }) =>
      run(async () =>
        queue
          ? (await import("./commands/queue.ts")).runQueueStatus(files, { format }, terminal)
          : (await import("./commands/status.ts")).runStatus(files, { format }, terminal),
      ),
    );

  program
    .command("reorder")
    .description("put pipelines that wait for their turn first, or elsewhere; `wan22 status --queue` shows the order")
    .argument("<files...>", "pipeline files or names, in the order in which they are to begin")
    .addOption(
      new Option("--first", "before all others that wait; so if left out").conflicts(["last", "before", "after"]),
    )
    .addOption(new Option("--last", "after all others that wait").conflicts(["before", "after"]))
    .addOption(new Option("--before <file>", "before this one that waits").conflicts("after"))
    .option("--after <file>", "after this one that waits")
    .action((files: string[], { last, before, after }) =>
      run(async () =>
        (await import("./commands/queue.ts")).runReorder(
          files,
          before !== undefined
            ? { kind: "before", of: before }
            : after !== undefined
              ? { kind: "after", of: after }
              : { kind: last ? "last" : "first" },
          terminal,
        ),
      ),
    );

  program
    .command("logs")
    .description("print the log of what runs, or of what ran last: the trainer's own words")
    .argument("[file]", "a pipeline file or name; the one at work if left out")
    .argument("[stage]", `one of ${STAGE_IDS.join(", ")}`)
    .option("-f, --follow", "go on until the run's stages have ended; Ctrl-C ends this alone")
    .option("-n, --lines <number>", "that many lines from the end; all if left out", toCount)
    .action((file: string | undefined, stage: string | undefined, { follow = false, lines }) =>
      run(async () => {
        const words = [file, stage].filter((word) => word !== undefined);
        return (await import("./commands/logs.ts")).runLogs(words, { follow, lines }, terminal);
      }),
    );

  program
    .command("stop")
    .description("end what is at work, with the training state saved where the trainer can; the same `apply` goes on")
    .argument("[files...]", "pipeline files or names; all of the project if left out")
    .option("--now", "end it at once, with all that came of it; what was saved before stays")
    .option("--no-wait", "come back when it is asked, not when it has ended")
    .action((files: string[], { now, wait }) =>
      run(async () =>
        (await import("./commands/stop.ts")).runStop(
          files,
          { manner: now ? "now" : "save", wait: wait ? "until-ended" : "none" },
          terminal,
        ),
      ),
    );

  program
    .command("attach")
    .description("follow what is at work on a pipeline to its end, as its `apply` does; nothing new is started")
    .argument("[file]", "a pipeline file or name; the one at work if left out")
    .addOption(formatOption("json is an event a line, as `wan22 schema apply-events` describes it", DATA_FORMATS))
    .option("--detach-on-signal", "Ctrl-C and SIGTERM end the watching alone, instead of stopping the trainer")
    .action((file: string | undefined, { format, detachOnSignal }) =>
      run(async () =>
        (await import("./commands/attach.ts")).runAttach(
          file,
          { format, onSignal: onSignal(detachOnSignal) },
          terminal,
        ),
      ),
    );

  program
    .command("runs")
    .description("list the runs of pipelines, and the archive folders that they left")
    .argument("[files...]", "pipeline files or names; all of the project if left out")
    .addOption(formatOption("json is as `wan22 schema runs` describes it", DATA_FORMATS))
    .option("--details", "name every file of an archive folder")
    .action((files: string[], { format, details }) =>
      run(async () =>
        (await import("./commands/runs.ts")).runRuns(files, { format, details: detailsOf(details) }, terminal),
      ),
    );

  program
    .command("verify")
    .description("prove that checkpoints belong to a run and a commit; exits with 1 where anything can't be proved")
    .argument("<what...>", "runs, as `wan22 runs` lists them, or files of checkpoints")
    .addOption(formatOption("json is as `wan22 schema verification` describes it", DATA_FORMATS))
    .action((words: string[], { format }) =>
      run(async () => (await import("./commands/verify.ts")).runVerify(words, { format }, terminal)),
    );

  program
    .command("rerun")
    .description(
      "make a run's plan again from its commit, in a working tree of its own, and say what is not the same any more",
    )
    .argument("<run>", "as `wan22 runs` lists it")
    .option("--apply", "carry it out there too, and compare what comes of it byte for byte")
    .option("--auto-approve", "do not ask before it is carried out")
    .addOption(lockTimeoutOption())
    .action((word: string, { apply, autoApprove, lockTimeout }) =>
      run(async () =>
        (await import("./commands/rerun.ts")).runRerun(
          word,
          {
            manner: apply ? "apply" : "compare",
            approval: autoApprove ? "auto" : "ask",
            lockTimeoutMs: lockTimeout,
            onSignal: onSignal(false),
            tool: WAN22_VERSION,
          },
          terminal,
        ),
      ),
    );

  program
    .command("prune")
    .description("show what nothing needs any more, ask, and remove it; what a record or a resume needs always stays")
    .argument("[files...]", "pipeline files or names; all of the project if left out")
    .option("--archives", "archive folders only")
    .option("--runs", "runs only, with what runners in the background said")
    .option("--caches", "caches only, with the store; these three can be combined, and all are looked for without any")
    .addOption(
      new Option("--keep <n>", "newest runs, archive folders and background logs of each pipeline that stay")
        .argParser(toCount)
        .default(0),
    )
    .option("--auto-approve", "do not ask before it is removed")
    .action((files: string[], { archives, runs, caches, keep, autoApprove }) =>
      run(async () =>
        (await import("./commands/prune.ts")).runPrune(
          files,
          {
            approval: autoApprove ? "auto" : "ask",
            kinds: [
              ...(archives ? (["archive"] as const) : []),
              ...(runs ? (["run", "log"] as const) : []),
              ...(caches ? (["cache", "store"] as const) : []),
            ],
            keep,
          },
          terminal,
        ),
      ),
    );

  program
    .command("show")
    .description("print a saved plan as it was saved, also a stale one")
    .argument("<file>", "what `wan22 plan --out` saved")
    .addOption(formatOption("as `wan22 plan` has them", SHOW_FORMATS))
    .option("--details", "show every parameter, checkpoint, file and argument list")
    .action((file: string, { format, details }) =>
      run(async () =>
        (await import("./commands/show.ts")).runShow(file, { format, details: detailsOf(details) }, terminal),
      ),
    );

  program
    .command("doctor")
    .description(
      "look at this machine as pipelines need it: trainer, Python, GPU, models, disk; and what to do about each",
    )
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(formatOption("json is for programs", DATA_FORMATS))
    .action((files: string[], { format }) =>
      run(async () => (await import("./commands/doctor.ts")).runDoctor(files, { format }, terminal)),
    );

  program
    .command("explain")
    .description(
      "explain a parameter, a section or key of a pipeline file, a tier, a problem, an argument of the trainer, or the code of a diagnostic",
    )
    .argument(
      "[word]",
      "what to explain; without one, what there is: such as network_dim, train, noise, hardware, high-end, buying, hints, sizes, out-of-memory, --sdpa or T1",
    )
    .allowUnknownOption()
    .action((word: string | undefined) =>
      run(async () => (await import("./commands/explain/explain.ts")).runExplain(word, terminal)),
    );

  const state = program
    .command("state")
    .description("look at what is recorded of pipelines, and put right what is wrong with it");
  const stateDir = () => new Option("--state-dir <dir>", "where records lie; what the project's files say if left out");

  state
    .command("list")
    .description("every record: how far it is, on which machine, who has its lock")
    .addOption(stateDir())
    .action(({ stateDir }) =>
      run(async () => (await import("./commands/state/state-show.ts")).runStateList({ stateDir }, terminal)),
    );

  state
    .command("show")
    .description("one record; json is as `wan22 schema state` describes it")
    .argument("<pipeline>", "its name or file")
    .addOption(formatOption("json is as `wan22 schema state` describes it", DATA_FORMATS))
    .option("--details", "name every checkpoint and training state")
    .addOption(stateDir())
    .action((word: string, { format, details, stateDir }) =>
      run(async () =>
        (await import("./commands/state/state-show.ts")).runStateShow(
          word,
          { format, details: detailsOf(details), stateDir },
          terminal,
        ),
      ),
    );

  state
    .command("history")
    .description("every run with its outcome, time and steps")
    .argument("<pipeline>", "its name or file")
    .addOption(stateDir())
    .action((word: string, { stateDir }) =>
      run(async () => (await import("./commands/state/state-show.ts")).runStateHistory(word, { stateDir }, terminal)),
    );

  state
    .command("restore")
    .description("put a record back; shows what would change, asks, and keeps the one that is replaced")
    .argument("<pipeline>", "its name or file")
    .addOption(
      new Option(
        "--from <source>",
        "its backup, the journals of its runs, the best that comes of both, or the state branch",
      )
        .choices(RESTORE_SOURCES)
        .default("best"),
    )
    .option("--auto-approve", "do not ask before it is replaced")
    .addOption(lockTimeoutOption())
    .addOption(stateDir())
    .action((word: string, { from, autoApprove, lockTimeout, stateDir }) =>
      run(async () =>
        (await import("./commands/state/state-restore.ts")).runStateRestore(
          word,
          { from, approval: autoApprove ? "auto" : "ask", lockTimeoutMs: lockTimeout, stateDir },
          terminal,
        ),
      ),
    );

  state
    .command("push")
    .description("put the records that lie here on the state branch, where they say more than it does")
    .argument("[pipelines...]", "names or files; all of the project if left out")
    .option("--force", "put them in the place of whatever the branch says, which keeps that in its history")
    .option("--auto-approve", "do not ask before anything is replaced")
    .action((words: string[], { force, autoApprove }) =>
      run(async () =>
        (await import("./commands/state/state-branch.ts")).runStatePush(
          words,
          { manner: force ? "force" : "newer", approval: autoApprove ? "auto" : "ask" },
          terminal,
        ),
      ),
    );

  state
    .command("unlock")
    .description("remove a lock whose owner is gone for good, here or on the state branch")
    .argument("<lock>", "the pipeline's name or file, or a lock file")
    .option("--force", "do not ask, and do not stop at an owner that is alive")
    .addOption(stateDir())
    .action((word: string, { force, stateDir }) =>
      run(async () =>
        (await import("./commands/state/state-unlock.ts")).runUnlock(
          word,
          { force: force === true, stateDir },
          terminal,
        ),
      ),
    );

  program
    .command("schema")
    .description("print a JSON Schema, for editors and other tools")
    .addArgument(program.createArgument("<name>", "which one").choices(Object.keys(SCHEMAS)))
    .addHelpText("after", `\nSchemas:\n${listSchemas()}`)
    .action((name: SchemaName) => run(async () => (await import("./commands/schema.ts")).runSchema(name, terminal)));
  completeHelp(program, "");
  return program;
}

/** Each command gets its examples, and whoever mistypes an option of it is sent to the help that has it. */
function completeHelp(command: Command, parent: string): void {
  for (const one of command.commands) {
    const words = `${parent}${one.name()}`;
    one.showHelpAfterError(`(wan22 ${words} --help shows what there is)`);
    const examples = examplesText(words);
    if (examples !== "") one.addHelpText("after", examples);
    completeHelp(one, `${words} `);
  }
}

async function main(): Promise<void> {
  let exitCode: ExitCode = EXIT.fine;
  const program = buildProgram(async (work) => {
    exitCode = await work();
  });
  try {
    await program.parseAsync();
  } catch (error) {
    exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? EXIT.fine : EXIT.error) : reportBug(error);
  }
  process.exitCode = exitCode;
}

/** A user's mistake never ends here. */
function reportBug(error: unknown): ExitCode {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `This is a bug in wan22 ${WAN22_VERSION}; please report it with the command, the pipeline file and these lines:\n${stack}\n`,
  );
  return EXIT.error;
}

/**
 * Output that nobody takes any more ends no work: a reader that has seen enough (`wan22 plan | head`), a `tee` that
 * died of the same Ctrl-C, a terminal that was closed. A run must hear of its signals, and keep its record, all the same.
 */
function surviveLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.once("error", (error: NodeJS.ErrnoException) => {
      stream.on("error", () => undefined);
      if (error.code === "EPIPE" || error.code === "EIO") return;
      process.once("exit", () => {
        process.stderr.write(`The output could not be written: ${error.message}.\n`);
        if (process.exitCode === EXIT.fine) process.exitCode = EXIT.error;
      });
    });
  }
}

surviveLostOutput();
await main();
