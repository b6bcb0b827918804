import { DefaultRenderer, Listr, ListrLogger, type ListrTask, type ListrTaskWrapper, ProcessOutput } from "listr2";

/** Lines that are drawn over in a terminal. The only module that knows listr2; it is loaded where there is a terminal to draw on. */

/** listr2 asks whether stdout is a terminal; here the caller has decided, and it may be stderr. */
class TerminalRenderer extends DefaultRenderer {
  static override readonly nonTTY = true;
}

/** A line while it is drawn: its title and what is said under it can be set. */
export type Line = ListrTaskWrapper<unknown, typeof TerminalRenderer, typeof TerminalRenderer>;
export type DrawnTask = ListrTask<unknown, typeof TerminalRenderer, typeof TerminalRenderer>;

export interface DrawnListOptions {
  readonly stream: NodeJS.WriteStream;
  /** `together`: all lines at once; else one after the other. */
  readonly order: "together" | "one-by-one";
}

/** What comes back draws the lines when it is called, until all have ended. */
export function createDrawnList(
  tasks: readonly DrawnTask[],
  { stream, order }: DrawnListOptions,
): () => Promise<unknown> {
  const other = stream === process.stderr ? process.stdout : process.stderr;
  const list = new Listr<unknown, typeof TerminalRenderer, typeof TerminalRenderer>([...tasks], {
    concurrent: order === "together",
    // A stopped stage ends the pipeline by what `apply` does, not by what is drawn; signals belong to `apply` as well.
    exitOnError: false,
    registerSignalListeners: false,
    renderer: TerminalRenderer,
    rendererOptions: {
      logger: new ListrLogger({ useIcons: true, processOutput: new ProcessOutput(stream, other) }),
    },
  });
  return () => list.run();
}
