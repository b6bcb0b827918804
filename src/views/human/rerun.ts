import { printable } from "../../core/printable.ts";
import type { ComparedOutput, Difference } from "../../core/provenance/comparison.ts";
import { beyondCommit, type Provenance } from "../../core/provenance/record.ts";
import { count } from "../text/quantity.ts";

/** What is not the same any more as when a run was made. */
export function viewDifferences(record: Provenance, differences: readonly Difference[]): string {
  const { run, source } = record;
  const commit = source?.commit.slice(0, 12) ?? "no commit";
  const beyond = beyondCommit(record);
  const dirty = beyond.length === 0 ? [] : [`Its files were not all as the commit has them: ${beyond.join(", ")}.`];
  const weighs = (wanted: Difference["weighs"]) => differences.filter((one) => one.weighs === wanted);
  const list = (title: string, found: readonly Difference[]) =>
    found.length === 0 ? [] : [title, ...found.map(({ text }) => `  ${text}`)];
  const lines = [
    `Run ${run}, made again from commit ${commit}.`,
    ...dirty,
    ...list("Not the same any more, and something else comes of it:", weighs("result")),
    ...list("Not the same any more, though the plan's fingerprints are:", weighs("machine")),
    ...(differences.length === 0 ? ["Everything that it was made from is the same."] : []),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

const BECOMES: Readonly<Record<ComparedOutput["becomes"], string>> = {
  same: "the same bytes",
  "same-tensors": "the same tensors, under another header",
  other: "other bytes",
  missing: "not made again",
};

/** What came of it, beside what the run had made. */
export function viewOutputs({ run }: Pick<Provenance, "run">, outputs: readonly ComparedOutput[]): string {
  const same = outputs.filter(({ becomes }) => becomes === "same").length;
  const tensors = outputs.filter(({ becomes }) => becomes === "same-tensors").length;
  const files = count(outputs.length, "checkpoint");
  const all = outputs.length === 1 ? "The one checkpoint" : `All ${files}`;
  const end =
    same === outputs.length
      ? `${all} of run ${run}: the same bytes.`
      : same + tensors === outputs.length
        ? `${all} of run ${run}: the same tensors.`
        : `${same + tensors} of ${files} are the same.`;
  return `${[...outputs.map(({ file, becomes }) => `${file}: ${BECOMES[becomes]}`), end].map(printable).join("\n")}\n`;
}
