import type { TrainerEvent } from "../event.ts";

/** Reads Musubi's own words (trainer facts §6) as events: until the bridge exists, its log is all that it says. */

export interface MusubiLogOptions {
  /** `output_name`, by which a checkpoint's name is understood. */
  readonly outputName: string;
  readonly totalEpochs: number;
  readonly stepsPerEpoch: number;
  /** Size of a checkpoint in bytes, if it is whole by its header. */
  readonly wholeBytesOf: (file: string) => number | undefined;
  readonly now: () => number;
}

export interface MusubiLog {
  /** Takes one line, ended by a newline or a carriage return. The same lines give the same events while the files stay. */
  readonly accept: (line: string) => readonly TrainerEvent[];
  /** What is known now that the process has ended. */
  readonly end: () => readonly TrainerEvent[];
}

/** tqdm: `steps:  12%|…| 24/200 [01:02<07:35,  2.59s/it, avr_loss=0.0912]`. */
const STEP =
  /^steps:.*?\|\s*(?<step>\d+)\/\d+ \[[^,\]]*(?:,\s*(?<rate>[\d.]+)(?<unit>s\/it|it\/s))?.*?avr_loss=(?<loss>[^,\]\s]+)[^\]]*\]/;
const EPOCH = /^epoch (?<epoch>\d+)\/\d+\s*$/;
const SAVING = /^saving checkpoint: (?<file>.+)$/;
const REMOVING = /removing old (?:checkpoint|state): (?<file>.+)$/;
const SAVING_STATE = /Saving current state to (?<dir>.+)$/;
const STATE_SAVED = /Random states saved in /;
/** The last that it says: everything is on disk. */
const ALL_SAVED = /model saved\.\s*$/;
const OUT_OF_MEMORY = /torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory/;

export function readMusubiLog(options: MusubiLogOptions): MusubiLog {
  const { outputName, totalEpochs, stepsPerEpoch, wholeBytesOf, now } = options;
  let epoch = 0;
  let step = 0;
  let loss: number | null = null;
  /** A step whose loss is not certain yet. */
  let drawn: Extract<TrainerEvent, { type: "step" }> | undefined;
  let savingCheckpoint: string | undefined;
  let savingState: string | undefined;
  let outOfMemory = false;
  let allSaved = false;
  const base = () => ({ v: 1 as const, t: now() });

  /**
   * The trainer prints before it saves, and what comes next may be a worker's word, or that the disk is full: a checkpoint is
   * saved when something else is said and it is whole.
   */
  const savedCheckpoint = (): readonly TrainerEvent[] => {
    const file = savingCheckpoint;
    const bytes = file === undefined ? undefined : wholeBytesOf(file);
    if (file === undefined || bytes === undefined) return [];
    savingCheckpoint = undefined;
    const name = file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1);
    const place = placeOf(name, { outputName, totalEpochs, stepsPerEpoch, epoch });
    return [{ ...base(), type: "checkpoint", file, ...place, bytes }];
  };

  const accept = (line: string): readonly TrainerEvent[] => {
    if (line.trim() === "") return [];
    return [...savedCheckpoint(), ...readLine(line)];
  };

  const drawnStep = (): readonly TrainerEvent[] => {
    const steps = drawn === undefined ? [] : [drawn];
    drawn = undefined;
    return steps;
  };

  const readLine = (line: string): readonly TrainerEvent[] => {
    const progress = STEP.exec(line);
    return progress === null ? [...drawnStep(), ...readWords(line)] : readProgress(line, progress);
  };

  const readProgress = (line: string, progress: RegExpExecArray): readonly TrainerEvent[] => {
    const steps = readStep(progress.groups ?? {});
    const rest = line.slice(progress[0].length);
    // What is logged while the bar stands there comes behind it in the same line.
    return rest.trim() === "" ? steps : [...steps, ...readLine(rest)];
  };

  const readWords = (line: string): readonly TrainerEvent[] => {
    const begun = EPOCH.exec(line)?.groups;
    if (begun !== undefined) return beginEpoch(Number(begun.epoch));
    const removed = REMOVING.exec(line)?.groups;
    if (removed?.file !== undefined) return [{ ...base(), type: "removed", file: removed.file }];
    savingCheckpoint = SAVING.exec(line)?.groups?.file ?? savingCheckpoint;
    savingState = SAVING_STATE.exec(line)?.groups?.dir ?? savingState;
    if (STATE_SAVED.test(line)) return savedState();
    allSaved ||= ALL_SAVED.test(line);
    if (!OUT_OF_MEMORY.test(line) || outOfMemory) return [];
    outOfMemory = true;
    return [{ ...base(), type: "oom" }];
  };

  const readStep = (groups: Readonly<Record<string, string | undefined>>): readonly TrainerEvent[] => {
    const number = Number(groups.step);
    const value = Number(groups.loss);
    const before = loss;
    loss = Number.isFinite(value) ? value : null;
    // The bar is drawn again and again for one step, and once more when it is closed.
    if (number <= step) {
      if (drawn?.step === number) drawn = { ...drawn, loss };
      return drawnStep();
    }
    const steps = drawnStep();
    step = number;
    const rate = Number(groups.rate);
    // The bar is reset at the first step: its rate says nothing yet.
    const timed = step > 1 && Number.isFinite(rate) && rate > 0;
    const seconds = timed ? (groups.unit === "s/it" ? rate : 1 / rate) : undefined;
    drawn = { ...base(), type: "step", step, epoch, loss, ...(seconds === undefined ? {} : { seconds }) };
    // The trainer counts the step before it has its loss: with the loss of the step before it may be drawn too early.
    return loss === before ? steps : [...steps, ...drawnStep()];
  };

  const endEpoch = (): readonly TrainerEvent[] => (epoch === 0 ? [] : [{ ...base(), type: "epoch", epoch, loss }]);

  const beginEpoch = (next: number): readonly TrainerEvent[] => {
    if (next <= epoch) return [];
    const ended = endEpoch();
    epoch = next;
    return ended;
  };

  const savedState = (): readonly TrainerEvent[] => {
    if (savingState === undefined) return [];
    const dir = savingState;
    savingState = undefined;
    const atStep = /-step(\d{8,})-state$/.exec(dir)?.[1];
    const done = atStep === undefined ? epoch : Math.floor(Number(atStep) / Math.max(1, stepsPerEpoch));
    const steps = atStep === undefined ? epoch * stepsPerEpoch : Number(atStep);
    return [{ ...base(), type: "state", dir, done_epochs: done, done_steps: steps }];
  };

  return {
    accept,
    end: () => {
      // A checkpoint that was announced last is one that its trainer died of.
      const last = drawnStep();
      return allSaved ? [...last, ...endEpoch(), { ...base(), type: "finished" }] : last;
    },
  };
}

/**
 * What an event tells, whatever its time. A log is read from its start again by whoever takes it up, and files that were
 * there the first time may be gone: events that were taken up before are told by this, not by their number.
 */
export function eventSubject(event: TrainerEvent): string {
  switch (event.type) {
    case "step":
      return `step ${event.step}`;
    case "epoch":
      return `epoch ${event.epoch}`;
    case "checkpoint":
      return `checkpoint ${event.file} ${event.step}`;
    case "state":
      return `state ${event.dir} ${event.done_steps}`;
    case "item":
    case "removed":
    case "sample":
      return `${event.type} ${event.file}`;
    default:
      return event.type;
  }
}

interface PlaceOptions {
  readonly outputName: string;
  readonly totalEpochs: number;
  readonly stepsPerEpoch: number;
  /** The epoch in progress. */
  readonly epoch: number;
}

/** Epoch and step of a checkpoint, by its name; the last one has neither in it. */
function placeOf(
  name: string,
  { outputName, totalEpochs, stepsPerEpoch, epoch }: PlaceOptions,
): { epoch: number; step: number } {
  const suffix = name.startsWith(outputName) ? name.slice(outputName.length) : "";
  const [, atStep] = /^-step(\d{8,})\.safetensors$/.exec(suffix) ?? [];
  if (atStep !== undefined) return { epoch, step: Number(atStep) };
  const [, atEpoch] = /^-(\d{6,})\.safetensors$/.exec(suffix) ?? [];
  const done = atEpoch === undefined ? totalEpochs : Number(atEpoch);
  return { epoch: done, step: done * stepsPerEpoch };
}
