import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { storeFolder } from "../core/plan/caches/caches.ts";
import { itemsMade, itemsTaken } from "../core/plan/caches/store.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import { type Choices, choiceWords } from "../core/plan/choices.ts";
import { onGpus } from "../core/plan/on-gpus.ts";
import type { PipelinePlan, Plan } from "../core/plan/plan.ts";
import { isRefused } from "../core/plan/policy/policy.ts";
import { adviseAgainst } from "../core/resolve/advice.ts";
import { isCaching } from "../core/vocabulary.ts";
import type { ApplyInput } from "../execute/apply-input.ts";
import { applyPipeline, type StopSignals } from "../execute/apply-pipeline.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { type QueuedPipeline, type QueueOutcome, runQueue, type Turn } from "../execute/queue/run-queue.ts";
import { placeOf } from "../execute/take-over.ts";
import { installationFolder } from "../prepare/built-in.ts";
import { bind } from "../prepare/saved-plans.ts";
import { openApplyView } from "../views/apply.ts";
import { gpuNames } from "../views/text/quantity.ts";
import type { AgreedPipeline } from "./agree.ts";
import type { ApplyOptions, ApplyRequest } from "./apply-request.ts";
import { commandLine, fileFrom } from "./command-line.ts";
import { planMark } from "./detach.ts";
import { EXIT, type ExitCode, exitCodeOf, refusalsIn } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface ApplyAllOptions extends ApplyOptions {
  readonly request: ApplyRequest;
  readonly files: readonly string[];
  /** Plans one pipeline file once more. */
  readonly again: (file: string, choices: Choices, after: readonly AgreedPipeline[]) => Promise<PlannedAgain>;
  /** What diagnostics point into. */
  readonly texts: ReadonlyMap<string, string>;
  readonly signals: StopSignals;
  /** A pipeline is carried out, and says itself what becomes of its record. */
  readonly onBegun: (pipeline: Pick<AgreedPipeline, "spec">) => void;
  /** Gives a pipeline's lock back. */
  readonly giveUp: (pipeline: Pick<AgreedPipeline, "root" | "spec">) => Promise<void>;
}

interface PlannedAgain {
  readonly plan: Plan;
  /** Those without an error in them. */
  readonly pipelines: readonly AgreedPipeline[];
}

interface Queued extends QueuedPipeline {
  readonly prepared: AgreedPipeline;
}

/** Carries out every pipeline that has something to do; one that fails costs the others nothing. */
export async function applyAll(
  pipelines: readonly AgreedPipeline[],
  options: ApplyAllOptions,
  terminal: Terminal,
): Promise<readonly ExitCode[]> {
  const { request, texts, signals } = options;
  const carriedOut = pipelines.filter(({ plan }) => plan.stages.some(isCarriedOut));
  const made = new Set(carriedOut.flatMap((prepared) => storedItems(prepared, itemsMade)));
  const queued = carriedOut.map((prepared) => queuedOf(prepared, made, terminal));
  const pool = poolOf(queued, options);
  sayQueue(queued, pool, terminal);
  const view = await openApplyView({
    format: options.format,
    stream: process.stdout,
    terminal: terminal.interactive && terminal.redraws ? "interactive" : "plain",
    lanes: lanesOf(queued, pool),
    colour: terminal.colour,
  });
  const codes: ExitCode[] = [];
  let detached = false;
  const found: Diagnostic[] = [];
  /** Those that have made their caches. */
  const cached: AgreedPipeline[] = [];
  const begin = async ({ prepared }: Queued, turn: Turn): Promise<QueueOutcome> => {
    try {
      // What another was to put into the store for it may not be there after all.
      const isSure = turn.begins === "at-once" && itemsTaken(prepared.plan).length === 0;
      const present = isSure ? prepared : await planAgain(prepared, { ...options, cached, made }, terminal);
      if (!("plan" in present)) {
        found.push(...present.diagnostics);
        codes.push(present.exitCode);
        return "not-begun";
      }
      options.onBegun(present);
      const { root, spec, resolved, items, plan, state, alive, facts, presets } = present;
      const result = await applyPipeline({
        plan: onGpus(plan, turn.gpus),
        planDigest: request.saved?.savedOf({ root, spec })?.plan.digest,
        state,
        adopts: present.readFrom !== undefined,
        stateBranch: stateBranchOf(present),
        alive,
        root,
        stateDir: resolve(root, resolved.spec.stateDir),
        host: hostname(),
        start: {
          resolved,
          items,
          sources: facts.sources,
          trainer: facts.trainer,
          pythonDir: join(installationFolder(), "python"),
          gpus: facts.gpus,
          lockTimeoutMs: turn.lockTimeoutMs,
          madeFrom: bind(present),
          tool: options.tool,
        },
        environment: terminal.environment,
        notify: resolved.spec.notify,
        remediesFor: async (problem) => adviseAgainst(problem, resolved, presets),
        report: (event) => {
          view.report(event);
          if (event.type !== "stage-started" || isCaching(event.stage)) return;
          cached.push(prepared);
          turn.onCached();
        },
        signals,
      });
      if (result.outcome === "finished") cached.push(prepared);
      // Of several, what failed is nobody's without its file.
      const file = queued.length > 1 ? spec.file : undefined;
      found.push(...result.diagnostics.map((diagnostic) => ({ ...diagnostic, file: diagnostic.file ?? file })));
      codes.push(exitCodeOf(result));
      detached ||= result.outcome === "detached";
      return result.outcome;
    } finally {
      await options.giveUp(prepared);
    }
  };
  try {
    await runQueue({
      pipelines: queued,
      pool,
      folder: terminal.folder,
      environment: terminal.environment,
      lockTimeoutMs: options.lockTimeoutMs,
      signals,
      onNote: terminal.note,
      begin,
      onDropped: async ({ place, prepared }) => {
        terminal.err(`${place.pipeline}: stopped before its turn.`);
        codes.push(EXIT.stopped);
        await options.giveUp(prepared);
      },
    });
  } finally {
    await view.close();
  }
  showDiagnostics(found, terminal, { format: options.format, texts });
  if (codes.includes(EXIT.stopped)) sayResume(pipelines, detached ? "detached" : "stopped", options, terminal);
  return codes;
}

/** As it was seen when the pipeline was planned last. */
function stateBranchOf({ spec, branch }: AgreedPipeline): ApplyInput["stateBranch"] {
  return spec.stateBackend.kind === "local" ? undefined : () => Promise.resolve(branch);
}

/** Items by their paths in the store, absolute: two projects may have one store. */
function storedItems(
  { root, spec, plan }: AgreedPipeline,
  itemsOf: (plan: PipelinePlan) => readonly string[],
): readonly string[] {
  const store = resolve(root, storeFolder(spec));
  return itemsOf(plan).map((item) => join(store, item));
}

function queuedOf(prepared: AgreedPipeline, made: ReadonlySet<string>, { folder, environment }: Terminal): Queued {
  const { root, spec, state, alive, facts } = prepared;
  const isRehearsal = spec.trainer.backend === "rehearsal";
  const recorded = alive.flatMap((stage) => state?.stages[stage]?.gpus ?? []);
  const found = isRehearsal || environment.CUDA_VISIBLE_DEVICES !== undefined ? [] : facts.gpus.slice(0, 1);
  return {
    prepared,
    place: placeOf(prepared),
    file: fileFrom(folder, { root, spec }),
    wants: spec.gpus,
    usesGpu: !isRehearsal,
    items: {
      made: new Set(storedItems(prepared, itemsMade)),
      awaited: new Set(storedItems(prepared, itemsTaken).filter((item) => made.has(item))),
    },
    livesOn: alive.length === 0 ? undefined : recorded.length > 0 ? recorded : found.map(({ index }) => index),
  };
}

/** Of a saved plan it is what that was made with. */
function poolOf(queued: readonly Queued[], { choices, request }: ApplyAllOptions): readonly number[] | undefined {
  const [first] = queued;
  const saved = first === undefined ? undefined : request.saved?.savedOf(first.prepared);
  return saved === undefined ? choices.gpuPool : saved.choices.gpuPool;
}

/** Those that run already are followed at once, also where their card is none of the pool's. */
function lanesOf(queued: readonly Queued[], pool: readonly number[] | undefined): number {
  if (pool === undefined) return 1;
  const living = queued.filter(({ livesOn }) => livesOn !== undefined);
  return Math.min(queued.length, living.length + pool.length);
}

interface NotBegun {
  readonly diagnostics: readonly Diagnostic[];
  readonly exitCode: ExitCode;
}

/** What others did meanwhile is not what was agreed to; only what a trainer did that runs already is its own affair. */
async function planAgain(
  prepared: AgreedPipeline,
  {
    again,
    request,
    cached,
    made,
  }: ApplyAllOptions & { readonly cached: readonly AgreedPipeline[]; readonly made: ReadonlySet<string> },
  { folder }: Terminal,
): Promise<AgreedPipeline | NotBegun> {
  if (prepared.alive.length > 0) return prepared;
  const { plan, pipelines } = await again(fileFrom(folder, prepared), request.choices, cached);
  const [present] = pipelines;
  // The rules may have changed meanwhile, or where a link leads.
  if (present !== undefined && isRefused(present.plan)) {
    return { diagnostics: refusalsIn(plan), exitCode: EXIT.policy };
  }
  if (present !== undefined && isAgreed(present, prepared, made)) return present;
  const kind = EXECUTE_CODES.planMoved;
  const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
  const detail = `${prepared.spec.name} waited for its turn, and its plan is another one by now than that which was agreed to. It was not begun. ${kind.mend}`;
  return {
    diagnostics: [...errors, diagnose(kind, detail, { at: { file: prepared.spec.file } })],
    exitCode: EXIT.stale,
  };
}

/**
 * Less to encode than was agreed to is fine, since somebody else has done it, and so is what another pipeline of this apply was to
 * encode and did not: each fails alone. `made`: all that was agreed to be encoded.
 */
function isAgreed(present: AgreedPipeline, agreed: AgreedPipeline, made: ReadonlySet<string>): boolean {
  const isSame = planMark([present.plan]) === planMark([agreed.plan]);
  return isSame && storedItems(present, itemsMade).every((item) => made.has(item));
}

function sayQueue(queued: readonly Queued[], pool: readonly number[] | undefined, terminal: Terminal): void {
  const [first] = queued;
  if (first === undefined || queued.length < 2) return;
  const how = pool === undefined ? "one after the other" : `side by side on ${gpuNames(pool)}`;
  const look = commandLine(["status", "--queue"], terminal);
  const order = commandLine(["reorder", queued.at(-1)?.place.pipeline ?? ""], terminal);
  terminal.err(`${queued.length} pipelines, ${how}. Look at the queue with: ${look}\nPut one first with: ${order}`);
}

function sayResume(
  pipelines: readonly AgreedPipeline[],
  how: "stopped" | "detached",
  { request, files, choices }: ApplyAllOptions,
  terminal: Terminal,
): void {
  const isSaved = request.saved !== undefined;
  const names = isSaved ? files : pipelines.map((pipeline) => fileFrom(terminal.folder, pipeline));
  // What was to start over, or go back, has; stages that were to wait still do.
  const { only, gpuPool } = choices;
  const command = commandLine(["apply", ...choiceWords(isSaved ? {} : { only, gpuPool }), ...names], terminal);
  terminal.err(
    how === "detached" ? `Detached: training goes on. Follow it with: ${command}` : `Stopped. Resume with: ${command}`,
  );
}
