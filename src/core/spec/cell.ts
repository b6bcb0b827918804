/** How a cell of a matrix is named: `pipelines/fox.yaml#fox-dim-16` is where it stands, `fox-dim-16` the pipeline. */

/** What a pipeline has that is one of several in its file. */
export interface CellOf {
  /** The file's own `name`, which all its cells begin with. */
  readonly pipeline: string;
}

export interface PipelineAddress {
  readonly file: string;
  /** The name of one cell; undefined for a file with all that it holds. */
  readonly cell?: string;
}

/** Splits what a user, a plan or a record calls a pipeline's file. */
export function readAddress(address: string): PipelineAddress {
  const [, file, cell] = /^(.+\.ya?ml)#([a-z0-9][a-z0-9-]*)$/.exec(address) ?? [];
  return file === undefined || cell === undefined ? { file: address } : { file, cell };
}

export function writeAddress(file: string, cell: string): string {
  return `${file}#${cell}`;
}

/** Names that are long to read many times over in a folder of checkpoints. A name once given is kept: records go by it. */
const SHORT_KEYS: Readonly<Record<string, string>> = {
  learning_rate: "lr",
  network_dim: "dim",
  network_alpha: "alpha",
  network_dropout: "dropout",
  max_train_epochs: "epochs",
  optimizer_type: "optimizer",
  discrete_flow_shift: "shift",
};

/** `-lr-1e-4`: a key with its value in a cell's name; undefined where the value has no letter or digit to go by. */
export function partOfName(path: readonly (string | number)[], written: string): string | undefined {
  const key = String(path.at(-1));
  const own = SHORT_KEYS[key] ?? key;
  const value = slug(written.replace(/^-(?=[0-9.])/, "minus-"));
  return value === "" ? undefined : `-${slug(own)}-${value}`;
}

function slug(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
}
