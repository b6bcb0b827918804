import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./commands/duration.ts";
import { EXIT, type ExitCode } from "./commands/exit-code.ts";
import type { SchemaName } from "./commands/schema.ts";
import { openTerminal } from "./commands/terminal.ts";
import type { Choices } from "./core/plan/choices.ts";
import { STAGE_IDS, type StageId } from "./core/vocabulary.ts";

/** argv to command; the only place that sets the exit code. */

declare const WAN22_VERSION: string;

// Commands are loaded when they run: each start pays only for what it does.
const SCHEMAS: Readonly<Record<SchemaName, string>> = {
  pipeline: "a pipeline file",
  project: "wan22.yaml",
  plan: "what `wan22 plan --format json` prints",
  "saved-plan": "what `wan22 plan --out` saves",
  "apply-events": "a line of `wan22 apply --format json`",
  runs: "what `wan22 runs --format json` prints",
  notification: "what a hook of `notify:` gets",
  events: "a line of STAGE.events.ndjson, and of `trainer` in apply-events",
  status: "what `wan22 status --format json` prints",
  state: "the record of a pipeline, .wan22/state/NAME.json",
};
const VALIDATE_FORMATS = ["human", "json", "github"] as const;
const PLAN_FORMATS = ["human", "json", "markdown", "github"] as const;
const SHOW_FORMATS = ["human", "json", "markdown"] as const;
/** Of commands whose output a person or a program reads. */
const DATA_FORMATS = ["human", "json"] as const;
const RESTORE_SOURCES = ["best", "backup", "runs"] as const;

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
    );
}

function choicesOf({ only, replace, from, fromEpoch }: Choices): Choices {
  return { only, replace, from, fromEpoch };
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
    .addOption(new Option("--format <format>").choices(VALIDATE_FORMATS).default("human"))
    .action((files: string[], { format }) =>
      run(async () => (await import("./commands/validate.ts")).runValidate(files, { format }, terminal)),
    );

  addChoices(program.command("plan"))
    .description("say exactly what `apply` would do")
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(new Option("--format <format>").choices(PLAN_FORMATS).default("human"))
    .option("--details", "show every parameter, checkpoint, file and argument list")
    .option("--detailed-exitcode", "exit with 2 where there is something to do")
    .option(
      "--out <file>",
      "save the plan; `wan22 apply FILE` carries out what was saved, or says what has moved since",
    )
    .action((files: string[], { format, details, detailedExitcode, out, ...options }) =>
      run(async () =>
        (await import("./commands/plan.ts")).runPlan(
          files,
          {
            format,
            details: details ? "full" : "summary",
            exitCode: detailedExitcode ? "detailed" : "plain",
            choices: choicesOf(options),
            out,
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
    .addOption(
      new Option("--format <format>", "json is an event a line, as `wan22 schema apply-events` describes it")
        .choices(DATA_FORMATS)
        .default("human"),
    )
    .addOption(lockTimeoutOption())
    .option(
      "--detach-on-signal",
      "Ctrl-C and SIGTERM end wan22 alone and training goes on, instead of stopping it; always so under GITHUB_ACTIONS, and when the terminal is closed",
    )
    .option("--detach", "carry the plan out in the background, and come back with 85 when its first trainer runs")
    .addOption(new Option("--planned-as <mark>", "the plan that was agreed to").hideHelp())
    .action((files: string[], { autoApprove, format, lockTimeout, detachOnSignal, detach, plannedAs, ...options }) =>
      run(async () =>
        (await import("./commands/apply.ts")).runApply(
          files,
          {
            format,
            approval: autoApprove ? "auto" : "ask",
            choices: choicesOf(options),
            lockTimeoutMs: lockTimeout,
            onSignal: onSignal(detachOnSignal),
            runner: detach ? "detached" : "here",
            plannedAs,
          },
          terminal,
        ),
      ),
    );

  program
    .command("status")
    .description("say how pipelines stand: how far each stage is, whether its trainer lives, who is at work on it")
    .argument("[files...]", "pipeline files or names; all of the project if left out")
    .addOption(new Option("--format <format>").choices(DATA_FORMATS).default("human"))
    .action((files: string[], { format }) =>
      run(async () => (await import("./commands/status.ts")).runStatus(files, { format }, terminal)),
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
    .addOption(
      new Option("--format <format>", "json is an event a line, as `wan22 schema apply-events` describes it")
        .choices(DATA_FORMATS)
        .default("human"),
    )
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
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(new Option("--format <format>").choices(DATA_FORMATS).default("human"))
    .action((files: string[], { format }) =>
      run(async () => (await import("./commands/runs.ts")).runRuns(files, { format }, terminal)),
    );

  program
    .command("prune")
    .description("show what nothing needs any more, ask, and remove it; what a record or a resume needs always stays")
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .option("--archives", "archive folders only")
    .option("--runs", "runs only")
    .option("--caches", "caches only; these three can be combined, and all are looked for without any")
    .addOption(
      new Option("--keep <n>", "newest runs and archive folders of each pipeline that stay")
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
              ...(runs ? (["run"] as const) : []),
              ...(caches ? (["cache"] as const) : []),
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
    .addOption(new Option("--format <format>").choices(SHOW_FORMATS).default("human"))
    .option("--details", "show every parameter, checkpoint, file and argument list")
    .action((file: string, { format, details }) =>
      run(async () =>
        (await import("./commands/show.ts")).runShow(file, { format, details: details ? "full" : "summary" }, terminal),
      ),
    );

  program
    .command("doctor")
    .description(
      "look at this machine as pipelines need it: trainer, Python, GPU, models, disk; and what to do about each",
    )
    .argument("[files...]", "pipeline files; all in pipelines/ if left out")
    .addOption(new Option("--format <format>").choices(DATA_FORMATS).default("human"))
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
      run(async () => (await import("./commands/explain.ts")).runExplain(word, terminal)),
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
      run(async () => (await import("./commands/state-show.ts")).runStateList({ stateDir }, terminal)),
    );

  state
    .command("show")
    .description("one record; json is as `wan22 schema state` describes it")
    .argument("<pipeline>", "its name or file")
    .addOption(new Option("--format <format>").choices(DATA_FORMATS).default("human"))
    .addOption(stateDir())
    .action((word: string, { format, stateDir }) =>
      run(async () => (await import("./commands/state-show.ts")).runStateShow(word, { format, stateDir }, terminal)),
    );

  state
    .command("history")
    .description("every run with its outcome, time and steps")
    .argument("<pipeline>", "its name or file")
    .addOption(stateDir())
    .action((word: string, { stateDir }) =>
      run(async () => (await import("./commands/state-show.ts")).runStateHistory(word, { stateDir }, terminal)),
    );

  state
    .command("restore")
    .description("put a record back; shows what would change, asks, and keeps the one that is replaced")
    .argument("<pipeline>", "its name or file")
    .addOption(
      new Option("--from <source>", "its backup, the journals of its runs, or the best that comes of both")
        .choices(RESTORE_SOURCES)
        .default("best"),
    )
    .option("--auto-approve", "do not ask before it is replaced")
    .addOption(lockTimeoutOption())
    .addOption(stateDir())
    .action((word: string, { from, autoApprove, lockTimeout, stateDir }) =>
      run(async () =>
        (await import("./commands/state-restore.ts")).runStateRestore(
          word,
          { from, approval: autoApprove ? "auto" : "ask", lockTimeoutMs: lockTimeout, stateDir },
          terminal,
        ),
      ),
    );

  state
    .command("unlock")
    .description("remove a lock whose owner is gone for good")
    .argument("<lock>", "the pipeline's name or file, or a lock file")
    .option("--force", "do not ask, and do not stop at an owner that is alive")
    .addOption(stateDir())
    .action((word: string, { force, stateDir }) =>
      run(async () =>
        (await import("./commands/state-unlock.ts")).runUnlock(word, { force: force === true, stateDir }, terminal),
      ),
    );

  program
    .command("schema")
    .description("print a JSON Schema, for editors and other tools")
    .addArgument(program.createArgument("<name>", "which one").choices(Object.keys(SCHEMAS)))
    .addHelpText("after", `\nSchemas:\n${listSchemas()}`)
    .action((name: SchemaName) => run(async () => (await import("./commands/schema.ts")).runSchema(name, terminal)));
  pointToHelp(program, "wan22");
  return program;
}

/** Whoever mistypes an option is sent to the help that has it. */
function pointToHelp(command: Command, words: string): void {
  for (const one of command.commands) {
    one.showHelpAfterError(`(${words} ${one.name()} --help shows what there is)`);
    pointToHelp(one, `${words} ${one.name()}`);
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
