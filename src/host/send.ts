import { spawn } from "node:child_process";
import { errorCode } from "./read-file.ts";

/** Sends a text to a program's standard input, or to a URL. What went wrong comes back in words that hold no part of a URL. */

export interface SendOptions {
  readonly text: string;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

export interface CommandOptions extends SendOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Undefined where the program ended with 0; else why not, as a clause. One that is cut off is killed with all it started. */
export function sendToCommand(
  [program = "", ...args]: readonly string[],
  { text, signal, folder, environment }: CommandOptions,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (program === "" || [program, ...args].some((word) => word.includes("\0"))) {
      resolve("there is no such program");
      return;
    }
    // In a group of its own, so that a Ctrl-C of the run does not end it, and its end takes its children along.
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...environment },
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const end = (problem: string | undefined) => {
      signal.removeEventListener("abort", cutOff);
      resolve(problem);
    };
    const cutOff = () => {
      killGroup(child.pid);
      end("it did not end in time");
    };
    signal.addEventListener("abort", cutOff);
    child.on("error", (error) => end(errorCode(error) === "ENOENT" ? "there is no such program" : startText(error)));
    child.on("exit", (code, killer) => end(code === 0 ? undefined : endText(code, killer)));
    // A program that reads nothing has closed its end.
    child.stdin.on("error", () => undefined);
    child.stdin.end(text);
    if (signal.aborted) cutOff();
  });
}

function startText(error: unknown): string {
  return `it could not be started (${errorCode(error) ?? "unknown error"})`;
}

function endText(code: number | null, killer: string | null): string {
  return code === null ? `it was ended by ${killer ?? "a signal"}` : `it ended with ${code}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended in between.
  }
}

export interface PostResult {
  /** As a clause. Undefined where it was taken. */
  readonly problem: string | undefined;
  /** Whether another attempt may go better. */
  readonly isPassing: boolean;
}

/** Posts a JSON text once. A redirect is not followed: nobody chose where it leads. */
export async function postJson(url: string, { text, signal }: SendOptions): Promise<PostResult> {
  try {
    const { address, headers } = addressed(url);
    const response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "wan22", ...headers },
      body: text,
      redirect: "manual",
      signal,
    });
    await response.body?.cancel();
    if (response.ok) return { problem: undefined, isPassing: false };
    const { status } = response;
    return { problem: `it answered ${status}`, isPassing: status >= 500 || status === 429 || status === 408 };
  } catch (error) {
    if (signal.aborted) return { problem: "it did not answer in time", isPassing: true };
    // The error's own words may hold the URL.
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && cause.message === "bad port") {
      const why = `no request is sent to port ${new URL(url).port}, which the Fetch standard blocks`;
      return { problem: `${why}: have its server listen on another`, isPassing: false };
    }
    const code = errorCode(cause);
    return code === undefined
      ? { problem: "what it comes to is no URL that can be posted to", isPassing: false }
      : { problem: `it could not be reached (${code})`, isPassing: true };
  }
}

/** Name and password go into a header, as every client sends them: `fetch` refuses them in the URL. Throws where there is no URL. */
function addressed(url: string): { readonly address: URL; readonly headers: Readonly<Record<string, string>> } {
  const address = new URL(url);
  const { username, password } = address;
  if (username === "" && password === "") return { address, headers: {} };
  address.username = "";
  address.password = "";
  const named = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64");
  return { address, headers: { authorization: `Basic ${named}` } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that stands for itself.
    return text;
  }
}
