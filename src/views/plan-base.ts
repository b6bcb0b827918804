import type { BasePipeline, Difference, PlanBase } from "../core/plan/base.ts";
import type { PipelinePlan, Plan } from "../core/plan/plan.ts";
import { valueText } from "../core/plan/wording.ts";
import { printable } from "../core/printable.ts";
import { formatEstimate } from "./plan-summary.ts";
import { count } from "./text/quantity.ts";

/** How a plan differs from that of the commit that a change started from, in words. */

/** The entry of a pipeline; undefined where nothing was compared. */
export function baseOf({ name, file }: PipelinePlan, { base }: Plan): BasePipeline | undefined {
  return base?.pipelines.find((one) => one.name === name && one.file === file && one.change !== "removed");
}

export function removedOf({ base }: Plan): readonly BasePipeline[] {
  return base?.pipelines.filter(({ change }) => change === "removed") ?? [];
}

/** `origin/main (1a2b3c4)` */
export function describeCommit({ ref, commit }: PlanBase): string {
  return `${printable(ref)} (${commit.slice(0, 7)})`;
}

/** Without estimates that have moved by less than is shown of them: `0.2 to 1.8 MiB → 0.2 to 1.8 MiB` tells nobody anything. */
export function visible(differences: readonly Difference[]): readonly Difference[] {
  return differences.filter((one) => one.subject !== "estimate" || ends(one, "from") !== ends(one, "to"));
}

/** `3 differences from origin/main` */
export function describeChange({ change, problem, differences }: BasePipeline, { ref }: PlanBase): string {
  const shown = visible(differences).length;
  switch (change) {
    case "new":
      return "new";
    case "same":
      return `as in ${printable(ref)}`;
    case "changed":
      return shown === 0 ? `as in ${printable(ref)}` : `${count(shown, "difference")} from ${printable(ref)}`;
    case "removed":
      return REMOVED;
    case "unknown":
      return `not compared with ${printable(ref)}: ${printable(problem ?? "")}`;
  }
}

export const REMOVED = "removed; its record and checkpoints stay";

/** Where no pipeline is touched, and none removed. */
export function describeNothing({ ref, commit }: PlanBase): string {
  return `No pipeline is touched by what changed since ${describeCommit({ ref, commit, pipelines: [] })}.`;
}

export const DIFFERENCE_SIGNS: Readonly<Record<Difference["how"], string>> = { added: "+", removed: "-", changed: "~" };

/** `learning_rate 2e-4 → 1e-4 (pipelines/fox.yaml:17)`; in one line. */
export function describeDifference(difference: Difference): string {
  const { subject, name, how, part, file, line } = difference;
  switch (subject) {
    case "setting":
    case "parameter":
    case "policy": {
      const place = file === undefined ? "" : ` (${file}${line === undefined ? "" : `:${line}`})`;
      const what = subject === "policy" ? `policy.${name}` : name;
      return printable(`${what} ${fromTo(difference)}${place}`);
    }
    case "amount":
      return printable(`${name} ${fromTo(difference)}`);
    case "stage":
      return printable(`stage ${name}: ${fromTo(difference, "none")}`);
    case "estimate":
      return printable(`${name.replaceAll("_", " ")} ${ends(difference, "from")} → ${ends(difference, "to")}`);
    case "item":
      return printable(`${clipName(name)}${part === undefined ? "" : `: ${part}`}`);
    case "model":
      return printable(`models.${name}${how === "changed" ? " is another file" : ""}`);
    case "file":
      return printable(`${name} is another text`);
    case "arguments":
      return printable(`arguments of ${name}: ${part ?? ""}`);
  }
}

function fromTo({ name, from, to }: Difference, absent = "not set"): string {
  const text = (value: Difference["from"]) => (value === undefined ? absent : valueText(value, name));
  return `${text(from)} → ${text(to)}`;
}

function ends({ unit = "", ...difference }: Difference, side: "from" | "to"): string {
  const value = difference[side];
  if (!Array.isArray(value)) return "unknown";
  const [low = 0, high = 0] = value.map(Number);
  return formatEstimate({ low, high, unit, basis: "" });
}

/** `0/04-life`: the first source is the only one of most. */
function clipName(name: string): string {
  const slash = name.indexOf("/");
  const source = Number(name.slice(0, slash)) + 1;
  return `clip ${name.slice(slash + 1)}${source > 1 ? ` of source ${source}` : ""}`;
}
