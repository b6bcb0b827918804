import { printable } from "../../core/printable.ts";

/** A trainer's log on a terminal: what it says is made visible, never obeyed; of a progress bar its last state stays. */

export interface LogScreen {
  readonly take: (bytes: Uint8Array) => void;
  /** A last line without an end is written too. */
  readonly close: () => void;
}

export interface LogScreenOptions {
  readonly write: (text: string) => void;
  /** Columns of the terminal. */
  readonly width: number;
  /** Whether lines can be drawn over: then a progress bar moves. */
  readonly redraws: boolean;
}

const CLEAR_LINE = "\r\u001b[2K";

export function createLogScreen({ write, width, redraws }: LogScreenOptions): LogScreen {
  const decoder = new TextDecoder("utf-8");
  let pending = "";
  let isDrawn = false;
  const clear = () => {
    if (isDrawn) write(CLEAR_LINE);
    isDrawn = false;
  };
  const lastState = (line: string) => printable(line.split("\r").findLast((part) => part.trim() !== "") ?? "");
  return {
    take: (bytes) => {
      pending += decoder.decode(bytes, { stream: true });
      const lines = pending.split("\n");
      pending = lines.pop() ?? "";
      // What a progress bar has written over is not needed any more.
      if (pending.includes("\r")) pending = `\r${pending.split("\r").slice(-2).join("\r")}`;
      if (lines.length > 0) clear();
      for (const line of lines) write(`${lastState(line)}\n`);
      if (!redraws || !pending.includes("\r")) return;
      clear();
      write(lastState(pending).slice(0, width - 1));
      isDrawn = true;
    },
    close: () => {
      clear();
      if (pending.trim() !== "") write(`${lastState(pending)}\n`);
    },
  };
}
