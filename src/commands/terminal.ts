import { printableLines } from "../views/text/printable.ts";
import { wrapSpans } from "../views/text/spans.ts";
import { withLocalTimes } from "../views/text/time.ts";

/** What a command may use of the process it runs in; `cli.ts` makes the real one. */
export interface Terminal {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Columns of the terminal, or 80. */
  readonly width: number;
  readonly colour: boolean;
  /** Whether somebody looks at standard output and can answer on standard input. */
  readonly interactive: boolean;
  /** Whether lines can be drawn over; a dumb terminal, such as Emacs' shell, only appends. */
  readonly redraws: boolean;
  /** Results: what was asked for. */
  readonly out: (text: string) => void;
  /** Everything said beside the result. */
  readonly err: (text: string) => void;
  /** Sentences that come from below, such as whom a lock is waited for. */
  readonly note: (text: string) => void;
  /** A line of progress on standard error that the next one replaces; nothing where nobody looks. */
  readonly transient: (text: string) => void;
}

export function openTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process;
  const interactive = stdout.isTTY === true && stdin.isTTY === true && !isSet(env.CI);
  const redraws = !isSet(env.CI) && env.TERM !== "dumb";
  return {
    folder: process.cwd(),
    environment: env,
    width: stdout.columns ?? 80,
    colour: !isSet(env.NO_COLOR) && (isSet(env.FORCE_COLOR) || (stdout.isTTY === true && env.TERM !== "dumb")),
    interactive,
    redraws,
    out: (text) => void stdout.write(text.endsWith("\n") ? text : `${text}\n`),
    err: (text) => void stderr.write(text.endsWith("\n") ? text : `${text}\n`),
    note: (text) => {
      const columns = stderr.isTTY && stderr.columns > 0 ? stderr.columns : undefined;
      const spans = [{ text: printableLines(withLocalTimes(text)) }];
      stderr.write(`${wrapSpans(spans, { columns, hanging: 0 }).join("\n")}\n`);
    },
    transient: (text) => {
      if (redraws && stderr.isTTY === true) stderr.write(`\r\u001b[2K${text}`);
    },
  };
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable !== "" && variable !== "0" && variable !== "false";
}

/** A question before something that can't be taken back, and what is said where the answer is no. */
export interface Consent {
  /** Without the words that only `yes` counts. */
  readonly question: string;
  /** Such as `Nothing was done`. */
  readonly undone: string;
  /** Where nobody is there to answer: what would be asked, and how to go ahead. A clause and a sentence. */
  readonly unasked: string;
  /** What only a `yes` does, such as `removes a lock`. */
  readonly does: string;
}

/** True only for a `yes` by somebody at a terminal; else it is said that nothing was done, and why. */
export async function askConsent(
  { question, undone, unasked, does }: Consent,
  { interactive, err }: Pick<Terminal, "interactive" | "err">,
): Promise<boolean> {
  if (!interactive) {
    err(`${undone}: there is nobody to ask${unasked}`);
    return false;
  }
  if (await askYes(`${question} Only \`yes\` is taken as consent: `)) return true;
  err(`${undone}: only \`yes\`, written out, ${does}.`);
  return false;
}

async function askYes(question: string): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await lines.question(question)).trim().toLowerCase() === "yes";
  } catch {
    // Ctrl-C or Ctrl-D at the question: no.
    return false;
  } finally {
    lines.close();
  }
}
