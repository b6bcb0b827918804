import type { Choices } from "../../core/plan/choices.ts";
import { findNews, type Seen, seeing } from "../../core/plan/watch/news.ts";
import { watchFiles } from "../../host/watch-files.ts";
import { type Prepared, prepare } from "../../prepare/prepare.ts";
import { watchedPlaces } from "../../prepare/watched-places.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { type GpuRequest, withGpuPool } from "../gpu-pool.ts";
import { projectOf, yamlFilesOf } from "../pipeline-files.ts";
import { showScan } from "../plan.ts";
import { showDiagnostics } from "../show-diagnostics.ts";
import { listenForEnd } from "../signals.ts";
import type { Terminal } from "../terminal.ts";
import { type TellOptions, tellWatch } from "./tell-watch.ts";

export interface WatchOptions extends TellOptions {
  readonly choices: Choices;
  readonly gpus: GpuRequest | undefined;
  /** Looks itself, that often. */
  readonly pollMs: number | undefined;
}

/** Plans that are passed over one after the other; where changes go on and on, something is told all the same. */
const MOST_PASSED_OVER = 2;

/** `wan22 watch`: plans again as files change, and shows what changed. Ends when it is asked to, which is no failure. */
export async function runWatch(files: readonly string[], options: WatchOptions, terminal: Terminal): Promise<ExitCode> {
  const { folder, environment } = terminal;
  const choices = await withGpuPool(options, terminal);
  if (choices === undefined) return EXIT.error;
  const watch = watchFiles({
    pollMs: options.pollMs,
    onProblem: (problem) => showDiagnostics([problem], terminal, options),
  });
  const end = listenForEnd(watch.close);
  let seen: Seen | undefined;
  let passedOver = 0;
  try {
    while (!end.signal.aborted) {
      const chosen = files.length > 0 ? files : await yamlFilesOf(folder);
      const project = files.length > 0 ? undefined : projectOf(folder);
      // Before the plan is made: what changes meanwhile is seen.
      await watch.follow(await watchedPlaces({ files: chosen, project, folder, environment }));
      const prepared = await prepare(chosen, {
        folder,
        environment,
        history: "read",
        lock: "plan",
        ...choices,
        onScan: showScan(terminal),
      });
      terminal.transient("");
      // Of what changes while it is read the half may be seen: a file that Git takes away to write it anew is not gone.
      if (seen !== undefined && !watch.isQuiet() && !end.signal.aborted && passedOver < MOST_PASSED_OVER) {
        passedOver += 1;
        await watch.changed();
        continue;
      }
      passedOver = 0;
      tell(prepared, seen, options, terminal);
      if (seen === undefined) {
        const what = chosen.length > 0 ? "Watching" : `There is no pipeline in ${project} yet; watching`;
        terminal.err(`${what}. Ctrl-C ends that.`);
      }
      seen = seeing(prepared.plan, seen);
      // Folders may have come or gone meanwhile: nobody saw what else did.
      if ((await watch.follow(await watchedPlaces({ files: chosen, project, folder, environment }))) === "anew")
        continue;
      await watch.changed();
    }
  } finally {
    end.close();
    await watch.close();
  }
  return EXIT.fine;
}

function tell({ plan, texts }: Prepared, seen: Seen | undefined, options: WatchOptions, terminal: Terminal): void {
  const news = seen === undefined ? undefined : findNews(seen, plan);
  if (seen === undefined) tellWatch({ type: "plan", plan }, options, terminal, texts);
  else if (news !== undefined) tellWatch({ type: "news", ...news }, options, terminal, texts);
}
