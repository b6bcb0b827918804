import { open } from "node:fs/promises";
import { type Diagnostic, type DiagnosticKind, diagnose } from "../../core/diagnostic.ts";
import type { TrainerEvent } from "../../core/event.ts";
import { capitalized } from "../../core/plan/wording.ts";
import { type Advice, NO_ADVICE } from "../../core/resolve/advice.ts";
import type { StageId } from "../../core/vocabulary.ts";
import type { ProcessEnd } from "../../host/process.ts";
import { errorCode } from "../../host/read-file.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { MAKE_ROOM_THERE } from "../system-error.ts";

/** Says why a stage failed, as far as its last words tell, and how to mend it. */

export interface Failure {
  readonly stage: StageId;
  readonly end: ProcessEnd | undefined;
  /** The trainer's own last event, where it came to write one. */
  readonly event: Extract<TrainerEvent, { type: "failed" }> | undefined;
  readonly logFile: string;
  /** As shown to people. */
  readonly shownLog: string;
  /** Whether the kernel killed a process for want of memory meanwhile. */
  readonly memoryKills: "seen" | "none";
  /** What is kept, and what applying again does with it: a clause, where there is something to tell. */
  readonly whatFollows: string | undefined;
  /** Where it writes, what room there is, and how much it still wanted: a clause. */
  readonly room: () => Promise<string>;
  /** By which it keeps less there: lines of YAML; none where that is no help. */
  readonly keepLess: readonly string[];
  /** What helps against it in this pipeline. */
  readonly remediesFor: (problem: RemediedProblem) => Promise<Advice>;
}

/** Problems for which the manual has remedies that fit into a pipeline file. */
export type RemediedProblem = "out-of-memory" | "host-memory" | "unstable";

/** How a shell, and a version manager's shim, say that there is no such program. */
const COMMAND_NOT_FOUND = 127;

const TAIL_BYTES = 64 * 1024;
const LINES_SHOWN = 12;

interface Sign {
  readonly kind: DiagnosticKind;
  readonly pattern: RegExp;
}

/** In the order in which they are looked for: a full disk shows in many disguises, so the plainest signs come first. */
const SIGNS: readonly Sign[] = [
  {
    kind: EXECUTE_CODES.outOfGpuMemory,
    pattern:
      /torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED/,
  },
  {
    kind: EXECUTE_CODES.noGpu,
    pattern:
      /Torch not compiled with CUDA enabled|Found no NVIDIA driver|NVIDIA driver on your system is too old|CUDA driver version is insufficient|[Nn]o CUDA-capable device|No CUDA GPUs are available|no kernel image is available|CUDA unknown error|CUDA error: invalid device ordinal|(?:libcuda|libcudart|libnvrtc)[\w.-]*: cannot open shared object file/,
  },
  {
    kind: EXECUTE_CODES.diskFull,
    pattern: /No space left on device|Disk quota exceeded|OSError: \[Errno (?:28|122)\]|PytorchStreamWriter failed/,
  },
  {
    kind: EXECUTE_CODES.outOfHostMemory,
    pattern:
      /DefaultCPUAllocator: (?:not enough memory|can't allocate)|^MemoryError|Cannot allocate memory|is killed by signal: Killed/m,
  },
  { kind: EXECUTE_CODES.wrongWeights, pattern: /Error\(s\) in loading state_dict|size mismatch for / },
  { kind: EXECUTE_CODES.trainerMissing, pattern: /ModuleNotFoundError: No module named|^ImportError: /m },
  {
    kind: EXECUTE_CODES.nothingToTrainOn,
    pattern: /No training items|No such file or directory: '[^']*_wan(?:_te)?\.safetensors'/,
  },
  { kind: EXECUTE_CODES.notWritable, pattern: /PermissionError: |Read-only file system/ },
];

/** The reasons that the rehearsal and the bridge give. What else they say is looked for in the log. */
const REASONS: Readonly<Record<string, DiagnosticKind>> = {
  "gpu-memory": EXECUTE_CODES.outOfGpuMemory,
  "host-memory": EXECUTE_CODES.outOfHostMemory,
  "module-missing": EXECUTE_CODES.trainerMissing,
  "nan-loss": EXECUTE_CODES.ruinedWeights,
  "unknown-trainer": EXECUTE_CODES.unknownTrainer,
  "disk-full": EXECUTE_CODES.diskFull,
  "not-writable": EXECUTE_CODES.notWritable,
  "python-too-old": EXECUTE_CODES.oldPython,
  "missing-cache": EXECUTE_CODES.nothingToTrainOn,
  "no-items": EXECUTE_CODES.nothingToTrainOn,
};

const PROBLEM_OF = new Map<DiagnosticKind, RemediedProblem>([
  [EXECUTE_CODES.outOfGpuMemory, "out-of-memory"],
  [EXECUTE_CODES.outOfHostMemory, "host-memory"],
  [EXECUTE_CODES.ruinedWeights, "unstable"],
]);

/** Makes the diagnostic of a failed stage. */
export async function explainFailure(failure: Failure): Promise<Diagnostic> {
  const log = await readEnd(failure.logFile);
  const { event, end, stage } = failure;
  const kind = (event === undefined ? undefined : REASONS[event.reason]) ?? kindOf(log, failure);
  const said = event?.message ?? lastErrorLine(log);
  const how = said === undefined ? `${stage} ended with ${endText(end)}.` : `${stage} failed: ${sentence(said)}`;
  const problem = PROBLEM_OF.get(kind);
  const { lines: remedies, usedUp } = problem === undefined ? NO_ADVICE : await failure.remediesFor(problem);
  const follows = failure.whatFollows === undefined ? "" : ` ${sentence(capitalized(failure.whatFollows))}`;
  const room = kind === EXECUTE_CODES.diskFull ? ` ${sentence(capitalized(await failure.room()))}` : "";
  const isFull = kind === EXECUTE_CODES.diskFull;
  const less = isFull && failure.keepLess.length > 0 ? patchText("In this pipeline", failure.keepLess) : "";
  const mend = isFull && less === "" ? `${MAKE_ROOM_THERE} Then apply again.` : kind.mend;
  const below = `${patchText("In this pipeline, one after the other", remedies)}${less}${logText(log, failure.shownLog)}`;
  return diagnose(kind, `${how}${room} ${usedUp ?? mend}${follows}`, { below });
}

function kindOf(log: string, { end, memoryKills }: Failure): DiagnosticKind {
  const sign = SIGNS.find(({ pattern }) => pattern.test(log));
  if (sign !== undefined) return sign.kind;
  if (wasKilled(end) && memoryKills === "seen") return EXECUTE_CODES.outOfHostMemory;
  if (end?.exitCode === COMMAND_NOT_FOUND) return EXECUTE_CODES.noPython;
  return end === undefined ? EXECUTE_CODES.lost : EXECUTE_CODES.stageFailed;
}

/** The last line of a Python error, which names it. */
function lastErrorLine(log: string): string | undefined {
  return lines(log).findLast((line) =>
    /^(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)|AssertionError)\b.*/.test(line),
  );
}

function wasKilled(end: ProcessEnd | undefined): boolean {
  return end?.signal === "SIGKILL" || end?.exitCode === 137;
}

function endText(end: ProcessEnd | undefined): string {
  if (end === undefined) return "no word";
  // Nobody here sends it without saying so.
  if (wasKilled(end)) return "signal SIGKILL: somebody, or the system, killed it";
  return end.signal === null ? `exit code ${end.exitCode ?? "unknown"}` : `signal ${end.signal}`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}

function patchText(heading: string, patch: readonly string[]): string {
  return patch.length === 0 ? "" : `\n\n${heading}:\n${patch.map((line) => `  ${line}`).join("\n")}`;
}

function logText(log: string, shownLog: string): string {
  const last = lines(log).slice(-LINES_SHOWN);
  const shown = last.length === 0 ? "" : `\n\nIts last lines:\n${last.map((line) => `  ${line}`).join("\n")}`;
  return `${shown}\n\nThe whole log: ${shownLog}`;
}

/** Lines as a terminal would leave them: of a progress bar, its last state. */
function lines(log: string): readonly string[] {
  return log
    .split("\n")
    .map((line) => line.split("\r").findLast((part) => part.trim() !== "") ?? "")
    .filter((line) => line.trim() !== "");
}

async function readEnd(file: string): Promise<string> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      const start = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return "";
  }
}
