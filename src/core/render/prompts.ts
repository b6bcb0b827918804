/** Sample prompts as the trainer's `training/sampling_prompts.py` reads them: one a line, `#` for comments. */

/** A prompt of several lines is one prompt: line ends become spaces. */
function promptLine(prompt: string): string {
  return prompt.trim().replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/** The prompts file of a list written in the pipeline. */
export function promptsText(prompts: readonly string[]): string {
  return prompts.map((prompt) => `${promptLine(prompt)}\n`).join("");
}
