import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { Choices } from "../core/plan/choices.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { observeGpus } from "../host/gpu.ts";
import { type ShowDiagnosticsOptions, showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

/** What `--gpus` says: device ids of nvidia-smi, or all that this machine has. */
export type GpuRequest = "all" | readonly number[];

export interface GpuQuestion {
  readonly choices: Choices;
  readonly gpus: GpuRequest | undefined;
}

/** The choices with the devices to share out; undefined where that can't be done, which is said. */
export async function withGpuPool(
  { choices, gpus }: GpuQuestion,
  terminal: Terminal,
  options?: ShowDiagnosticsOptions,
): Promise<Choices | undefined> {
  if (gpus === undefined) return choices;
  const gpuPool = await readGpuPool(gpus);
  if (!("code" in gpuPool)) return { ...choices, gpuPool };
  showDiagnostics([gpuPool], terminal, options);
  return undefined;
}

/** Or why they can't be shared out. A machine that shows none has nothing to compare them with. */
async function readGpuPool(request: GpuRequest): Promise<readonly number[] | Diagnostic> {
  const found = (await observeGpus()).map(({ index }) => index);
  const kind = EXECUTE_CODES.noSuchGpu;
  if (request === "all") {
    if (found.length > 0) return found;
    return diagnose(kind, `\`--gpus all\` asks for every card, and nvidia-smi shows none here. ${kind.mend}`);
  }
  const missing = found.length === 0 ? [] : request.filter((gpu) => !found.includes(gpu));
  if (missing.length === 0) return request;
  return diagnose(
    kind,
    `\`--gpus\` names ${missing.join(", ")}, and nvidia-smi shows ${found.join(", ")}. ${kind.mend}`,
  );
}
