import { isPythonFloat, isTable, readPythonToml } from "./python-data.ts";

/** `log_tracker_config`: a TOML file with a table for each tracker, whose keys become arguments of it (`init_trackers`). */

interface Setting {
  readonly fits: (value: unknown) => boolean;
  readonly words: string;
}

/** Python counts truth values among its numbers. */
const isNumber = (value: unknown) => typeof value === "number" || typeof value === "boolean" || isPythonFloat(value);
const NUMBER: Setting = { fits: isNumber, words: "a number" };

/** What PyTorch's `SummaryWriter` takes beside the folder, which accelerate gives it. Each was tried. */
const TENSORBOARD: Readonly<Record<string, Setting>> = {
  comment: { fits: () => true, words: "a text" },
  filename_suffix: {
    fits: (value) => typeof value === "string" && !value.includes("/"),
    words: "a text without a slash",
  },
  flush_secs: NUMBER,
  max_queue: NUMBER,
  purge_step: { fits: (value) => typeof value === "number", words: "a whole number" },
};

/** The trackers that a value of `log_with` starts; without one the trainer logs to TensorBoard. */
function trackersOf(logWith: string | undefined): readonly string[] {
  return logWith === "all" ? ["tensorboard", "wandb"] : [logWith ?? "tensorboard"];
}

/** What the trainer would fail at, as a clause; undefined where it would not. */
export function trackerSettingsFault(text: string, logWith: string | undefined): string | undefined {
  const { value, problem } = readPythonToml(text);
  if (problem !== undefined) return problem;
  if (!isTable(value)) return undefined;
  for (const tracker of trackersOf(logWith)) {
    const settings = value[tracker];
    if (settings === undefined) continue;
    if (!isTable(settings) || isPythonFloat(settings)) return `its \`${tracker}\` has to be a table, \`[${tracker}]\``;
    // What wandb takes changes with its version.
    const fault = tracker === "tensorboard" ? tensorboardFault(settings) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function tensorboardFault(settings: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(settings)) {
    const setting = Object.hasOwn(TENSORBOARD, name) ? TENSORBOARD[name] : undefined;
    if (setting === undefined) {
      return `its \`[tensorboard]\` holds \`${name}\`, and TensorBoard takes ${Object.keys(TENSORBOARD).join(", ")}`;
    }
    if (!setting.fits(value)) return `its \`${name}\` has to be ${setting.words}`;
  }
  return undefined;
}
