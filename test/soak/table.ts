/** What was done, and what came of it: a line a trial while it goes on, and a table at the end. */

export interface Row {
  readonly name: string;
  /** Disturbances by their kind. */
  readonly counts: Readonly<Record<string, number>>;
  /** How often it was looked for trainers, and how many there were at most. */
  readonly looks: number;
  readonly most: number;
  readonly seconds: number;
  readonly ends: ReadonlyMap<string, number>;
  readonly findings: readonly string[];
}

export interface Table {
  readonly add: (row: Row) => void;
  /** True where nothing was found. */
  readonly print: () => boolean;
}

export function openTable(title: string): Table {
  const rows: Row[] = [];
  console.log(title);
  return {
    add: (row) => {
      rows.push(row);
      const { name, counts, seconds, findings } = row;
      console.log(`${name}: ${countsText(counts)} in ${seconds.toFixed(0)} s, ${findings.length} findings`);
      for (const finding of findings) console.log(`  ${finding}`);
    },
    print: () => {
      const names = [...new Set(rows.map(({ name }) => name))];
      console.log(`\n${title}`);
      for (const name of names) console.log(summaryOf(rows.filter((row) => row.name === name)));
      const findings = rows.flatMap((row) => row.findings);
      console.log(findings.length === 0 ? "Nothing was found." : `${findings.length} findings:`);
      for (const finding of findings) console.log(`  ${finding}`);
      return findings.length === 0;
    },
  };
}

function summaryOf(rows: readonly Row[]): string {
  const [{ name } = { name: "" }] = rows;
  const total = (of: (row: Row) => number) => rows.reduce((all, row) => all + of(row), 0);
  const most = Math.max(...rows.map((row) => row.most));
  return [
    `${name}: ${rows.length} trials, ${countsText(addUp(rows.map(({ counts }) => Object.entries(counts))))}, ${(total(({ seconds }) => seconds) / 60).toFixed(1)} min`,
    `  ends: ${countsText(addUp(rows.map(({ ends }) => [...ends])))}`,
    `  ${total(({ looks }) => looks)} looks at trainers, at most ${most} at once; ${total(({ findings }) => findings.length)} findings`,
  ].join("\n");
}

function addUp(lists: readonly (readonly (readonly [string, number])[])[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [name, count] of lists.flat()) sums[name] = (sums[name] ?? 0) + count;
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} × ${name}`)
    .join(", ");
}
