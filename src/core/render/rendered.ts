import type { StageId } from "../vocabulary.ts";
import type { TemplateText } from "./template.ts";

/** A stage as the trainer will get it. Paths as in design §5, "Paths". */
export interface RenderedStage {
  readonly id: StageId;
  /** Script name and its arguments, one value each: `["wan_train_network.py", "--task", "t2v-A14B", …]`. No Python, no `--context`. */
  readonly argv: readonly string[];
  /** What the trainer reads, by base name in the work folder: `dataset.toml`, `prompts.txt`. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Rendered {
  readonly stages: readonly RenderedStage[];
}

/** Template name (`dataset.toml.hbs`) to its text and where it came from. */
export type Templates = Readonly<Record<string, TemplateText>>;
