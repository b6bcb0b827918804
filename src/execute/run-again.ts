import { spawn } from "node:child_process";

/** Runs a command to its end, in the terminal of this one but in a session of its own: Ctrl-C is this one's affair. */

export interface CommandToRun {
  readonly command: string;
  readonly args: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Asks it to end. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly cancel: AbortSignal;
}

/** Its exit code; or why it has none, in a sentence without a full stop. */
export function runToEnd({
  command,
  args,
  cwd,
  environment,
  timeoutMs,
  stop,
  cancel,
}: CommandToRun): Promise<number | string> {
  return new Promise((done) => {
    const child = spawn(command, [...args], {
      cwd,
      env: environment,
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    const kill = () => void child.kill("SIGKILL");
    const ask = () => void child.kill("SIGTERM");
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      kill();
    }, timeoutMs);
    const finish = (result: number | string) => {
      clearTimeout(timer);
      stop.removeEventListener("abort", ask);
      cancel.removeEventListener("abort", kill);
      done(result);
    };
    stop.addEventListener("abort", ask, { once: true });
    cancel.addEventListener("abort", kill, { once: true });
    child.once("error", (error) => finish(error.message));
    child.once("exit", (code, signal) =>
      finish(code ?? (isLate ? "it took too long, and was ended" : `it was ended by ${signal}`)),
    );
  });
}
