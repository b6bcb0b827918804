import { printable } from "../../core/printable.ts";
import type { Verification, VerifyFinding } from "../../core/provenance/verification.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { tidy } from "../text/printable.ts";
import { createStyle } from "../text/style.ts";

export interface VerificationViewOptions {
  readonly width: number;
  readonly colour: boolean;
}

const WORDS: Readonly<Record<VerifyFinding["verdict"], string>> = {
  proved: "proved",
  refuted: "refuted",
  unknown: "unproved",
};

/** What is proved of each file, a line a finding; what holds of all of them in the same words is said once, at the end. */
export function viewVerification({ files, proved }: Verification, { width, colour }: VerificationViewOptions): string {
  const style = createStyle({ colour });
  const paint = { proved: style.added, refuted: style.error, unknown: style.warning };
  const columns = width > 0 ? width : 80;
  const block = (title: string, findings: readonly VerifyFinding[]) => {
    const rows = findings.map(({ verdict, text }): readonly Cell[] => [
      { text: WORDS[verdict].padEnd(WORDS.unknown.length), colour: paint[verdict] },
      { text: printable(text) },
    ]);
    return [title, ...layoutTable(rows, { columns, indent: 2 }), ""];
  };
  const [first, ...others] = files;
  const isCommon = (finding: VerifyFinding) =>
    others.length > 0 && others.every(({ findings }) => findings.some((one) => isSame(one, finding)));
  const common = (first?.findings ?? []).filter(isCommon);
  const own = files.flatMap(({ file, findings }) =>
    block(
      printable(file),
      findings.filter((finding) => !common.some((one) => isSame(one, finding))),
    ),
  );
  const shared = common.length === 0 ? [] : block(`All ${files.length} files`, common);
  return tidy([...own, ...shared, proved ? "All of it is proved." : "Not all of it is proved."].join("\n"));
}

function isSame(one: VerifyFinding, other: VerifyFinding): boolean {
  return one.verdict === other.verdict && one.text === other.text;
}
