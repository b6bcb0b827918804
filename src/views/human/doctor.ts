import type { Finding } from "../../core/doctor/examination.ts";
import { printable } from "../../core/printable.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { createStyle, type Style } from "../text/style.ts";

/** What `wan22 doctor` found, for people: a line each, and beside what is wrong what to do about it. */

export interface FindingsViewOptions {
  readonly colour: boolean;
  readonly width: number;
}

const INDENT = 2;
const SIGNS: Readonly<Record<Finding["state"], string>> = { fine: "ok", warning: "!", error: "×" };

export function viewFindings(
  file: string,
  findings: readonly Finding[],
  { colour, width }: FindingsViewOptions,
): string {
  const style = createStyle({ colour });
  const rows = findings.map((finding) => cellsOf(finding, style));
  return [style.strong(printable(file)), ...layoutTable(rows, { columns: width, indent: INDENT }), ""].join("\n");
}

function cellsOf({ state, subject, found, mend }: Finding, style: Style): readonly Cell[] {
  const colour = { fine: style.added, warning: style.warning, error: style.error }[state];
  const text = mend === undefined ? printable(found) : `${printable(found)}. ${printable(mend)}`;
  return [{ text: SIGNS[state], colour }, { text: printable(subject) }, { text }];
}
