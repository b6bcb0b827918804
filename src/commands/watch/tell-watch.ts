import type { Diagnostic } from "../../core/diagnostic.ts";
import { assemblePlan } from "../../core/plan/assemble-plan.ts";
import type { WatchEvent } from "../../core/plan/watch/watch-event.ts";
import { nowSeconds } from "../../host/clock.ts";
import { viewPlanHuman } from "../../views/human/plan.ts";
import { viewNews, viewReconciled } from "../../views/human/watch.ts";
import { viewWatchEventJson } from "../../views/json.ts";
import { findDiagnosticKind } from "../diagnostic-kinds.ts";
import type { Terminal } from "../terminal.ts";

/** What a watch says, in the form that was asked for. */

export interface TellOptions {
  readonly format: "human" | "json";
  readonly details: "summary" | "full";
  /** Who carries a plan out; people are told how to where it is they. */
  readonly carriedOut: "by-hand" | "by-itself";
}

/** What happened, without when. */
export type Happening = WatchEvent extends infer Event
  ? Event extends WatchEvent
    ? Omit<Event, "v" | "t">
    : never
  : never;

/** `sources`: the texts of files that findings point into, by the name they are shown with. */
export function tellWatch(
  happening: Happening,
  { format, details, carriedOut }: TellOptions,
  terminal: Pick<Terminal, "out" | "colour" | "width">,
  sources: ReadonlyMap<string, string> = new Map(),
): void {
  const event = { v: 1, t: nowSeconds(), ...happening } as WatchEvent;
  if (format === "json") {
    terminal.out(viewWatchEventJson(event));
    return;
  }
  const { colour, width } = terminal;
  // Who follows a branch writes a log, and each of its pipelines was reviewed before.
  const sections = carriedOut === "by-itself" && details === "summary" ? "stages" : "all";
  const options = { colour, width, details, sources, sections, time: event.t } as const;
  switch (event.type) {
    case "plan":
      terminal.out(
        viewPlanHuman(event.plan, {
          ...options,
          ...(carriedOut === "by-itself" ? { applyCommand: "none" as const } : {}),
        }),
      );
      break;
    case "news":
      terminal.out(viewNews(event, options));
      break;
    default:
      terminal.out(viewReconciled(event, options));
  }
}

/** Says what stays as it is once, and that it is over where it was in the way. */
export interface Standings {
  readonly problem: (diagnostic: Diagnostic) => void;
  readonly pipeline: (about: Extract<Happening, { type: "pipeline" }>) => void;
  /** What was said of a pipeline last still holds. */
  readonly keep: (pipeline: string) => void;
  /** What was said of whom; to be called when all was said. */
  readonly close: () => Readonly<Record<string, string>>;
}

export function openStandings(
  before: Readonly<Record<string, string>>,
  tell: (happening: Happening) => void,
): Standings {
  const now: Record<string, string> = {};
  const say = (about: string, text: string, happening: Happening) => {
    now[about] = text;
    if (before[about] !== text) tell(happening);
  };
  return {
    problem: (diagnostic) => {
      for (const data of assemblePlan([], [diagnostic]).diagnostics) {
        say(`problem ${data.code}`, data.detail, { type: "problem", diagnostic: data });
      }
    },
    pipeline: (about) => say(`pipeline ${about.name}`, about.text, about),
    keep: (pipeline) => {
      const said = before[`pipeline ${pipeline}`];
      if (said !== undefined) now[`pipeline ${pipeline}`] = said;
    },
    close: () => {
      for (const about of Object.keys(before)) {
        const [, code] = /^problem (.+)$/.exec(about) ?? [];
        const kind = code === undefined || now[about] !== undefined ? undefined : findDiagnosticKind(code);
        if (kind !== undefined) tell({ type: "solved", code: kind.code, text: kind.summary });
      }
      return now;
    },
  };
}
