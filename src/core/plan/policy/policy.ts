import { type Diagnostic, type DiagnosticKind, diagnose, type RelatedPlace } from "../../diagnostic.ts";
import type { Facts, PolicyFacts } from "../../facts.ts";
import type { Resolved } from "../../resolve/resolved.ts";
import { lockFileOf } from "../../spec/lock-file.ts";
import type { Policy, Spec } from "../../spec/spec.ts";
import { rounded } from "../estimates/estimate-input.ts";
import type { Estimate, PipelinePlan, PolicyVerdict } from "../plan.ts";
import { countText, namesText } from "../wording.ts";
import { POLICY_CODES } from "./policy-codes.ts";
import { type PolicedPath, policedInputs, policedOutputs } from "./policy-paths.ts";
import { judgeRoots, PROJECT_ROOT } from "./policy-roots.ts";

/** Whether a pipeline keeps what wan22.yaml asks of all (`policy`): a verdict on each rule, and a finding for each not kept. */

export interface PolicyInput {
  readonly resolved: Resolved;
  readonly facts: Pick<Facts, "sources" | "trainer">;
  readonly observed: PolicyFacts;
  /** A valid plan. Without one only what needs none is judged: roots, tasks, the lock file. */
  readonly plan?: Pick<PipelinePlan, "estimates" | "backend"> | undefined;
}

export interface JudgedPolicy {
  /** In the order of the rules. */
  readonly verdicts: readonly PolicyVerdict[];
  readonly diagnostics: readonly Diagnostic[];
}

type RuleName = keyof Policy;

/** What a rule comes to. `why` completes what is said of one that isn't kept. */
interface Judgement {
  readonly verdict: PolicyVerdict["verdict"];
  readonly limit: PolicyVerdict["limit"];
  readonly found?: PolicyVerdict["found"];
  /** Full sentences; empty where it is kept. */
  readonly why: string;
  /** Keys of the pipeline that have to do with it, the best first. */
  readonly keys?: readonly string[];
  readonly related?: readonly RelatedPlace[];
}

/** Undefined where the rule isn't asked for, or can't be asked without a plan. */
type Rule = (input: PolicyInput, policy: Policy) => Judgement | undefined;

const RULES: readonly (readonly [RuleName, Rule])[] = [
  ["max_hours", maxHours],
  ["max_gpu_hours", maxGpuHours],
  ["max_disk_gb", maxDisk],
  ["vram_headroom_gb", vramHeadroom],
  ["input_roots", (input, { input_roots: roots }) => within("input_roots", roots, policedInputs, input)],
  ["output_roots", (input, { output_roots: roots }) => within("output_roots", roots, policedOutputs, input)],
  ["tasks", allowedTask],
  ["require_lock", lockFile],
];

export function judgePolicy(input: PolicyInput): JudgedPolicy {
  const { spec } = input.resolved;
  const { policy } = spec;
  if (policy === undefined) return { verdicts: [], diagnostics: [] };
  const judged = RULES.flatMap(([rule, judge]) => {
    const judgement = judge(input, policy);
    return judgement === undefined ? [] : [{ rule, ...judgement }];
  });
  return {
    verdicts: judged.map(({ rule, verdict, limit, found }) => ({
      rule,
      verdict,
      limit,
      ...(found === undefined ? {} : { found }),
    })),
    diagnostics: judged.flatMap(({ rule, ...judgement }) => findingOf(rule, judgement, spec)),
  };
}

/** Whether apply refuses a pipeline: what can't be shown to be kept is not kept. */
export function isRefused({ policy = [] }: Pick<PipelinePlan, "policy">): boolean {
  return policy.some(({ verdict }) => verdict !== "kept");
}

function findingOf(rule: RuleName, { verdict, why, keys = [], related }: Judgement, spec: Spec): readonly Diagnostic[] {
  if (verdict === "kept") return [];
  const kind: DiagnosticKind = verdict === "broken" ? POLICY_CODES[rule] : POLICY_CODES.unknown;
  const own = [...keys, "name"].flatMap((key) => spec.places.get(key) ?? []).find(({ file }) => file === spec.file);
  const message = `${spec.name} is held against it`;
  const path = `policy.${rule}`;
  return [
    diagnose(kind, `${why} \`wan22 apply\` refuses ${spec.name} as it stands.`, {
      at: spec.places.get(path),
      path,
      related: related ?? [{ ...(own ?? { file: spec.file }), message }],
    }),
  ];
}

/** Where the plan was made for a card that nobody knows, its times are of none. */
function isCardUnknown({ resolved: { hardware, tierSource }, plan }: PolicyInput): boolean {
  return plan?.backend !== "rehearsal" && hardware?.card === undefined && tierSource.layer === "derived";
}

const NAME_CARD = "Write the card that will train, such as `hardware: RTX 4090`, or plan on the machine that has it.";

function maxHours(input: PolicyInput, { max_hours: limit }: Policy): Judgement | undefined {
  return hoursWithin(input, { rule: "max_hours", limit, of: ({ time }) => time, what: "training takes" });
}

function maxGpuHours(input: PolicyInput, { max_gpu_hours: limit }: Policy): Judgement | undefined {
  // Where each stage has one GPU, and one runs at a time, they are the same.
  const of: HoursRule["of"] = ({ time, gpu_time }) =>
    input.plan?.backend === "rehearsal" ? NO_TIME : (gpu_time ?? time);
  return hoursWithin(input, { rule: "max_gpu_hours", limit, of, what: "training takes, of all its GPUs together," });
}

/** The rehearsal has no use for a GPU. */
const NO_TIME: Estimate = { low: 0, high: 0, unit: "h", basis: "the rehearsal uses no GPU" };

interface HoursRule {
  readonly rule: "max_hours" | "max_gpu_hours";
  readonly limit: number | undefined;
  readonly of: (estimates: PipelinePlan["estimates"]) => Estimate | undefined;
  readonly what: string;
}

function hoursWithin(input: PolicyInput, { rule, limit, of, what }: HoursRule): Judgement | undefined {
  const { plan } = input;
  if (limit === undefined || plan === undefined) return undefined;
  const keys = ["train.max_train_epochs", "train.max_train_steps", "train"];
  const time = of(plan.estimates);
  if (time === undefined) return unknown(limit, `\`${rule}\` is ${limit}, and there is no estimate of the time.`, keys);
  const hours = time.unit === "h" ? time.high : time.high / 3600;
  if (hours > 0 && isCardUnknown(input)) {
    return unknown(limit, `\`${rule}\` is ${limit}, and nobody knows what card will train. ${NAME_CARD}`, keys);
  }
  const why = `\`${rule}\` is ${limit}, and ${what} up to ${rounded(hours)} hours (${time.basis}). ${POLICY_CODES[rule].mend}`;
  return measured({ isKept: hours <= limit, limit, found: rounded(hours), why, keys });
}

const IN_GIB: Readonly<Record<string, number>> = { MiB: 1 / 1024, GiB: 1 };

function maxDisk({ plan }: PolicyInput, { max_disk_gb: limit }: Policy): Judgement | undefined {
  if (limit === undefined || plan === undefined) return undefined;
  const keys = ["output"];
  const { disk } = plan.estimates;
  const factor = IN_GIB[disk?.unit ?? ""];
  if (disk === undefined || factor === undefined) {
    return unknown(limit, `\`max_disk_gb\` is ${limit}, and there is no estimate of the disk.`, keys);
  }
  const gib = disk.high * factor;
  const why = `\`max_disk_gb\` is ${limit}, and the plan comes to ${rounded(gib)} GiB at most (${disk.basis}). ${POLICY_CODES.max_disk_gb.mend}`;
  return measured({ isKept: gib <= limit, limit, found: rounded(gib), why, keys });
}

function vramHeadroom({ plan }: PolicyInput, { vram_headroom_gb: limit }: Policy): Judgement | undefined {
  if (limit === undefined || plan === undefined) return undefined;
  const keys = ["hardware", "dataset.resolution", "dataset"];
  const { vram } = plan.estimates;
  // What uses no GPU leaves all of it free.
  if (vram?.high === 0) return { verdict: "kept", limit, why: "" };
  if (vram?.available === undefined) {
    const what = vram === undefined ? "there is no estimate of the GPU's memory" : "nobody knows how much the card has";
    const mend =
      "Write the card that will train, such as `hardware: RTX 4090` or `hardware: {gpu: NAME, vram_gb: 24}`.";
    return unknown(limit, `\`vram_headroom_gb\` is ${limit}, and ${what}. ${mend}`, keys);
  }
  const free = rounded(vram.available - vram.high);
  const why = `\`vram_headroom_gb\` is ${limit}, and of the card's ${vram.available} GiB up to ${vram.high} are used, which leaves ${free} (${vram.basis}). ${POLICY_CODES.vram_headroom_gb.mend}`;
  return measured({ isKept: free >= limit, limit, found: free, why, keys });
}

function allowedTask({ resolved: { spec } }: PolicyInput, { tasks }: Policy): Judgement | undefined {
  if (tasks === undefined) return undefined;
  const why = `\`tasks\` has ${tasks.join(", ")}, and ${spec.name} trains ${spec.task}. ${POLICY_CODES.tasks.mend}`;
  return measured({ isKept: tasks.includes(spec.task), limit: [...tasks], found: spec.task, why, keys: ["task"] });
}

function lockFile({ resolved: { spec }, observed }: PolicyInput, { require_lock }: Policy): Judgement | undefined {
  if (require_lock === undefined) return undefined;
  const why = `There is no ${lockFileOf(spec)}, and \`require_lock\` asks for one. ${POLICY_CODES.require_lock.mend.replace("FILE", spec.file)}`;
  return measured({ isKept: observed.hasLockFile, limit: true, found: observed.hasLockFile, why });
}

/** Names of what strays that are said; the rest is counted. */
const MAX_NAMED = 5;

function within(
  rule: "input_roots" | "output_roots",
  roots: Policy["input_roots"],
  pathsOf: (resolved: Resolved, named: PolicyFacts & Pick<PolicyInput, "facts">) => readonly PolicedPath[],
  { resolved, facts, observed }: PolicyInput,
): Judgement | undefined {
  if (roots === undefined) return undefined;
  const { expanded } = resolved.spec;
  const paths = pathsOf(resolved, { ...observed, facts });
  const { outside, unseen } = judgeRoots({ paths, roots, realPaths: observed.realPaths, expanded });
  const limit = roots.map(({ written }) => written);
  const strayed = outside.length > 0 ? outside : unseen;
  if (strayed.length === 0) return { verdict: "kept", limit, found: [], why: "" };
  const texts = strayed.map(({ text }) => text);
  const places = strayed.flatMap(({ place, text }) => (place === undefined ? [] : [{ ...place, message: text }]));
  const related = [...new Map(places.map((place) => [`${place.file}:${place.range?.line}`, place])).values()];
  const found =
    texts.length > MAX_NAMED ? [...texts.slice(0, MAX_NAMED), `and ${texts.length - MAX_NAMED} more`] : texts;
  const verb = rule === "input_roots" ? "read" : "written";
  const base = { limit, related: related.slice(0, MAX_NAMED) };
  if (outside.length === 0) {
    const why = `${namesText(texts, MAX_NAMED)}: where that lies can't be seen, for want of permission or since links lead in a circle, so nobody knows whether it is within \`${rule}\` (${limit.join(", ")}). Make it readable here, or name something else.`;
    return { ...base, verdict: "unknown", why };
  }
  const unset = [...new Set(roots.flatMap((root) => root.unset))];
  const missing = unset.length === 0 ? "" : ` (${unset.join(" and ")} ${unset.length === 1 ? "is" : "are"} not set)`;
  const why = `\`${rule}\` has ${limit.join(", ")}${missing}, and ${countText(texts.length, "path")} that ${texts.length === 1 ? "is" : "are"} ${verb} ${texts.length === 1 ? "lies" : "lie"} outside: ${namesText(texts, MAX_NAMED)}. ${POLICY_CODES[rule].mend}`;
  return { ...base, found, verdict: "broken", why };
}

function measured({ isKept, why, ...judgement }: Omit<Judgement, "verdict"> & { readonly isKept: boolean }): Judgement {
  return { ...judgement, verdict: isKept ? "kept" : "broken", why: isKept ? "" : why };
}

function unknown(limit: number, why: string, keys: readonly string[]): Judgement {
  return { verdict: "unknown", limit, why, keys };
}

/** Every path that has to be looked at to judge the roots. */
export function pathsToFollow(
  resolved: Resolved,
  named: Parameters<typeof policedInputs>[1],
): readonly Pick<PolicedPath, "path" | "links">[] {
  const { policy } = resolved.spec;
  if (policy?.input_roots === undefined && policy?.output_roots === undefined) return [];
  const roots = [...(policy.input_roots ?? []), ...(policy.output_roots ?? [])];
  return [
    { path: PROJECT_ROOT, links: "none" },
    ...roots.map(({ path }) => ({ path, links: "none" as const })),
    ...(policy.input_roots === undefined ? [] : policedInputs(resolved, named)),
    ...(policy.output_roots === undefined ? [] : policedOutputs(resolved)),
  ];
}
