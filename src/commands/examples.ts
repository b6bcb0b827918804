/** Examples under a command's `--help`: a command line, and what it is for. */

type Example = readonly [line: string, purpose: string];

/** By the words of the command. `fox` is a pipeline in pipelines/fox.yaml. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  list: [["wan22 list --changed-since origin/main --json", "for the jobs of a workflow"]],
  plan: [
    ["wan22 plan pipelines/fox.yaml", "one pipeline"],
    ["wan22 plan 'pipelines/fox.yaml#fox-dim-16'", "a cell of its matrix"],
    ["wan22 plan --changed-since origin/main", "what a branch changes"],
    ["wan22 plan --changed-since main --markdown plan.md", "the same as a comment"],
    ["wan22 plan --out fox.plan", "to review, then to apply"],
  ],
  apply: [
    ["wan22 apply pipelines/fox.yaml", "one pipeline; asks first"],
    ["wan22 apply --detach --gpus 0,1", "all, in the background"],
    ["wan22 apply fox.plan", "what was reviewed, or nothing"],
    ["wan22 apply --replace train pipelines/fox.yaml", "anew; what exists is archived"],
    ["wan22 apply --from-epoch 8 pipelines/fox.yaml", "on from what epoch 8 left"],
  ],
  watch: [
    ["wan22 watch pipelines/fox.yaml", "while you edit it"],
    ["wan22 watch --apply --git origin/main --gpus all", "what is merged"],
    ["wan22 watch --apply --git origin/main --once", "once, as from cron"],
    ["wan22 watch --apply --git origin/main --allow 22:00-08:00", "at night"],
  ],
  reorder: [
    ["wan22 reorder owl", "before all that wait"],
    ["wan22 reorder owl --after fox", "behind that one"],
  ],
  logs: [
    ["wan22 logs -f", "of what is at work, over all of its stages"],
    ["wan22 logs fox train -n 50", "the end of one stage's"],
  ],
  prune: [
    ["wan22 prune --keep 1", "all, but the newest of each pipeline"],
    ["wan22 prune --archives fox", "archive folders of one pipeline"],
  ],
  verify: [
    ["wan22 verify output/fox/fox.safetensors", "a checkpoint, wherever it lies"],
    ["wan22 verify 20260101T090000Z-fox-3f1c", "all that a run has made"],
  ],
  "state restore": [
    ["wan22 state restore fox", "from its backup, or its runs"],
    ["wan22 state restore fox --from branch", "from the state branch"],
  ],
};

/** The part of a help text; empty where a command has no examples. */
export function examplesText(words: string): string {
  const examples = EXAMPLES[words] ?? [];
  if (examples.length === 0) return "";
  const longest = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, purpose]) => `  ${line.padEnd(longest)}  ${purpose}`);
  return `\nExamples:\n${lines.join("\n")}`;
}
