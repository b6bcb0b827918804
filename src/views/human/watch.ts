import type { PipelineNews, PlanNews, WatchEvent } from "../../core/plan/watch/watch-event.ts";
import { printable } from "../../core/printable.ts";
import { REMOVED, visible } from "../plan-base.ts";
import { layoutTable } from "../text/columns.ts";
import { tidy } from "../text/printable.ts";
import { count } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";
import { formatClock, withLocalTimes } from "../text/time.ts";
import { wrapText } from "../text/wrap.ts";
import { formatPlace, sortDiagnostics, viewDiagnostics } from "./diagnostics.ts";
import { viewPlanHuman } from "./plan.ts";
import { differenceRows } from "./plan-base.ts";

/** What `wan22 watch` says to people: the plan once, and then what became of it. */

export interface NewsViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Unix time in seconds. */
  readonly time: number;
  /** Texts of the files that findings point into, by the name they are shown with. */
  readonly sources: ReadonlyMap<string, string>;
  readonly details: "summary" | "full";
  /** How much of a plan that is new. */
  readonly sections: "all" | "stages";
}

/** Differences that are shown where nobody asked for all. */
const SHOWN = 20;

/** What changed, under the time at which it was seen. */
export function viewNews({ pipelines, appeared, gone }: PlanNews, options: NewsViewOptions): string {
  const style = createStyle(options);
  const { colour, width, sources } = options;
  const faults = viewDiagnostics(appeared, { colour, width, texts: sources }).trimEnd();
  const mended = sortDiagnostics(gone).flatMap(({ severity, code, summary, file }) => {
    const place = file === undefined ? "" : ` (${formatPlace({ file })})`;
    return wrapText(printable(`No more: ${severity} ${code}, ${summary}${place}`), width).map(style.added);
  });
  const blocks = [
    style.faint(formatClock(options.time)),
    ...pipelines.flatMap((pipeline) => viewPipeline(pipeline, options, style)),
    ...(mended.length === 0 ? [] : [mended.join("\n")]),
    ...(faults === "" ? [] : [faults]),
  ];
  return `\n${tidy(blocks.join("\n"))}`;
}

/** One line, or a finding, of what is done with a branch's commits. */
export function viewReconciled(
  event: Exclude<WatchEvent, { type: "plan" | "news" }>,
  { colour, width, time, sources }: NewsViewOptions,
): string {
  const style = createStyle({ colour });
  const clock = formatClock(time);
  const line = (text: string, paint: (text: string) => string) =>
    wrapText(printable(text), Math.max(MIN_COLUMNS, width - clock.length - 2))
      .map((part, index) => `${index === 0 ? style.faint(clock) : " ".repeat(clock.length)}  ${paint(part)}`)
      .join("\n");
  switch (event.type) {
    case "commit": {
      const { branch, commit, before, how, commits, subject } = event;
      const from = before === undefined ? "" : `${before.slice(0, 7)} → `;
      const what =
        how === "rewritten" ? "rewritten" : how === "first" ? "followed from here" : count(commits, "commit");
      return line(`${branch}: ${from}${commit.slice(0, 7)} (${what}), “${subject}”`, style.strong);
    }
    case "pipeline": {
      const { name, standing, text } = event;
      const isBad = standing === "failed" || standing === "refused";
      const isGood = standing === "begun" || standing === "finished";
      return line(`${name}: ${withLocalTimes(text)}`, isBad ? style.error : isGood ? style.added : (same) => same);
    }
    case "problem":
      return viewDiagnostics([event.diagnostic], { colour, width, texts: sources });
    case "solved":
      return line(`No more: ${event.code}, ${event.text}`, style.added);
  }
}

const MIN_COLUMNS = 30;

const CHANGES: Readonly<Record<PipelineNews["change"], string>> = {
  new: "new",
  changed: "changed",
  removed: REMOVED,
  broken: "can't be planned any more",
  mended: "can be planned again",
};

function viewPipeline(news: PipelineNews, options: NewsViewOptions, style: Style): readonly string[] {
  const { name, file, change, differences, plan } = news;
  const { colour, width, sources, details, sections } = options;
  const mark = change === "broken" || change === "removed" ? style.removed : style.strong;
  const same = change === "mended" && visible(differences).length === 0 && plan === undefined ? ", as it was" : "";
  const head = wrapText(printable(`${name || file}: ${CHANGES[change]}${same}`), width).map(mark);
  const rows = differenceRows(differences, { style, shown: details === "full" ? differences.length : SHOWN });
  const whole =
    plan === undefined
      ? []
      : viewPlanHuman(
          { format_version: "1.0", changes: true, pipelines: [plan], diagnostics: [] },
          { colour, width, sources, details, sections, applyCommand: "none" },
        )
          .trimEnd()
          .split("\n");
  return [...head, ...layoutTable(rows, { columns: width, indent: 2 }), ...whole];
}
