import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TrainerFacts } from "../../core/facts.ts";
import { readInstalledArguments } from "../../core/trainer/installed-arguments.ts";

/** What an installed Musubi Tuner is like, read from its source: which arguments it takes, and whether the bridge fits it. */

/** Far above any module of it; whatever is larger is none. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Lines and functions of upstream's that the bridge stands for or calls; `python/bridge/` looks for them again before it starts. */
const STOOD_FOR: readonly { readonly module: string; readonly text: RegExp }[] = [
  { module: "wan_train_network", text: /^ +trainer = WanNetworkTrainer\(\)$/gm },
  { module: "training.trainer_base", text: /^ +epoch_to_start = 0$/gm },
  { module: "training.trainer_base", text: /^ +global_step = 0$/gm },
  { module: "training.trainer_base", text: /^ +loss_recorder = train_utils\.LossRecorder\(\)$/gm },
  { module: "training.trainer_base", text: /^ +loss_recorder\.add\(epoch=epoch, step=step, loss=current_loss\)$/gm },
  { module: "training.trainer_base", text: /^ +def _run_training_loop\($/gm },
  { module: "training.trainer_base", text: /^ +def on_post_optimizer_step\($/gm },
];

/** Reads a checkout's parsers and looks for the bridge's lines. Nothing is thrown: what can't be read is not known. */
export function readMusubiSource(checkout: string): Pick<TrainerFacts, "arguments" | "bridge"> {
  const read = moduleReader(join(checkout, "src", "musubi_tuner"));
  const missing = STOOD_FOR.filter(({ module, text }) => read(module)?.match(text)?.length !== 1);
  return { arguments: readInstalledArguments(read), bridge: missing.length === 0 ? "fits" : "does-not-fit" };
}

function moduleReader(folder: string): (module: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (module) => {
    if (!known.has(module)) known.set(module, readModule(join(folder, `${module.replaceAll(".", "/")}.py`)));
    return known.get(module);
  };
}

function readModule(file: string): string | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.length > MAX_BYTES ? undefined : text.replaceAll("\r\n", "\n");
  } catch {
    return undefined;
  }
}
