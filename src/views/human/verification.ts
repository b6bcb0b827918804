import { printable } from "../../core/printable.ts";
import type { Verification, VerifyFinding } from "../../core/provenance/verification.ts";
import { tidy } from "../text/printable.ts";
import { wrapSpans } from "../text/spans.ts";
import { createStyle } from "../text/style.ts";

export interface VerificationViewOptions {
  readonly width: number;
  readonly colour: boolean;
}

const WORDS: Readonly<Record<VerifyFinding["verdict"], string>> = {
  proved: "proved  ",
  refuted: "refuted ",
  unknown: "unproved",
};

/** What is proved of each file, a line a finding. */
export function viewVerification({ files, proved }: Verification, { width, colour }: VerificationViewOptions): string {
  const style = createStyle({ colour });
  const paint = { proved: style.added, refuted: style.error, unknown: style.warning };
  const columns = width > 0 ? width : 80;
  const blocks = files.map(({ file, findings }) => {
    const lines = findings.flatMap(({ verdict, text }) =>
      wrapSpans([{ text: `  ${WORDS[verdict]}  `, colour: paint[verdict] }, { text: printable(text) }], {
        columns,
        hanging: 12,
      }),
    );
    return [printable(file), ...lines, ""];
  });
  return tidy([...blocks.flat(), proved ? "All of it is proved." : "Not all of it is proved."].join("\n"));
}
