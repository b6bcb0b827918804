import { formatBytes } from "../../core/bytes.ts";
import type { PipelinePlan, StagePlan } from "../../core/plan/plan.ts";

/** Lines for the pipeline file by which a training keeps less on the disk that it writes to; none where it keeps the least. */
export function keepLess(
  { id, argv }: StagePlan,
  { checkpoints }: Pick<PipelinePlan, "checkpoints">,
): readonly string[] {
  const argumentOf = (name: string) => {
    const at = argv.indexOf(`--${name}`);
    return at < 0 ? undefined : Number(argv[at + 1]);
  };
  if (argumentOf("save_every_n_epochs") === undefined) return [];
  const bytesOf = (wanted: string) => {
    const one = checkpoints.find(({ stage, kind }) => stage === id && kind === wanted);
    return one === undefined ? "" : `, ${formatBytes(one.bytes)} each`;
  };
  const kept = argumentOf("save_last_n_epochs") ?? Number.POSITIVE_INFINITY;
  const keptStates = argumentOf("save_last_n_epochs_state") ?? kept;
  const checkpointLines =
    kept <= 1
      ? []
      : [`  # Of the checkpoints to come only the last is kept${bytesOf("checkpoint")}.`, "  save_last_n_epochs: 1"];
  const stateLines =
    keptStates <= 1 || !argv.includes("--save_state")
      ? []
      : [`  # And of the training states${bytesOf("state")}.`, "  save_last_n_epochs_state: 1"];
  const lines = [...checkpointLines, ...stateLines];
  return lines.length === 0 ? [] : ["train:", ...lines];
}
