import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { isOpen, nextOpening } from "../../core/opening-hours.ts";
import { findNews, seeing } from "../../core/plan/watch/news.ts";
import { type Circumstances, decide, type Hours } from "../../core/plan/watch/reconcile.ts";
import {
  type Attempt,
  newReconcileRecord,
  type ReconcileRecord,
  whyHeld,
} from "../../core/plan/watch/reconcile-record.ts";
import { present } from "../../core/present.ts";
import type { WatchRules } from "../../core/spec/spec.ts";
import { nowSeconds, wallClock } from "../../host/clock.ts";
import { type FollowedBranch, headOf } from "../../host/git/followed-branch.ts";
import { isProcessAlive } from "../../host/process.ts";
import { readReconcileRecord, readSeen, writeReconcileRecord, writeSeen } from "../../host/records/reconcile-store.ts";
import { WATCH_CODES } from "../../host/watch-codes.ts";
import { type Prepared, prepare } from "../../prepare/prepare.ts";
import { readPipelines } from "../../prepare/read.ts";
import { observeCandidate, rulesOf } from "../../prepare/reconcile-facts.ts";
import { EXIT, type ExitCode, planExitCode } from "../exit-code.ts";
import { yamlFilesOf } from "../pipeline-files.ts";
import type { Terminal } from "../terminal.ts";
import { carryOutVerdicts } from "./carry-out-verdicts.ts";
import { committedFiles } from "./committed-files.ts";
import { followTip, type Round, type RoundOptions, type Telling } from "./follow-tip.ts";
import type { ReconcileOptions } from "./reconcile-options.ts";
import { openStandings, type Standings, tellWatch } from "./tell-watch.ts";

/**
 * One look at the branch: fetched, checked out, planned, and begun what is to be begun. What it has to remember is on disk before
 * and after each thing that it does, so it may be killed at any moment; and it waits for nothing that it begins.
 */
export async function runRound(
  files: readonly string[],
  followed: FollowedBranch,
  options: RoundOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { remote, branch, gitDir } = followed;
  const found = await readReconcileRecord(gitDir);
  const isSame = found?.remote === remote && found.branch === branch;
  // Where the last branch was left may be where its rules were not accepted.
  const kept = { attempts: found?.attempts ?? {}, ...present({ rules: found?.rules }) };
  const before = isSame ? found : { ...newReconcileRecord({ remote, branch }), ...kept };
  const standings = openStandings(before.said, (happening) => tellWatch(happening, options, terminal));
  const asked = options.retry ? { ...before, attempts: await forgetEnded(before) } : before;
  const ruled = await withRules(asked, files, followed, { options, terminal });
  const moved = await followTip(ruled, files, followed, { options, terminal, standings });
  if (options.cancel.aborted) return EXIT.stopped;
  const done = await planAndBegin(moved, files, followed, { options, terminal, standings });
  await writeReconcileRecord(gitDir, { ...done.record, said: standings.close(), looked: nowSeconds() });
  return done.exitCode;
}

/** What has ended counts as another request's, so that it is begun anew; a runner that lives is still known. */
async function forgetEnded({ attempts }: ReconcileRecord): Promise<ReconcileRecord["attempts"]> {
  const judged = Object.entries(attempts).map(async ([name, attempt]): Promise<[string, Attempt]> => {
    const lives = attempt.process !== undefined && (await isProcessAlive(attempt.process));
    return [name, lives ? attempt : { ...attempt, key: "" }];
  });
  return Object.fromEntries(await Promise.all(judged));
}

/** The rules that are in force: those of the checkout as its owner left it when the watch was begun here, or lets count now. */
async function withRules(
  record: ReconcileRecord,
  files: readonly string[],
  followed: FollowedBranch,
  { options, terminal }: Round,
): Promise<ReconcileRecord> {
  const head = await headOf(followed);
  if (record.rules !== undefined || options.rules === "accept" || head === undefined) return record;
  const rules = await rulesAt(files, followed, head, terminal);
  // Without a pipeline that can be read nobody has seen any.
  return Object.keys(rules.projects).length === 0 ? record : { ...record, rules };
}

async function rulesAt(
  files: readonly string[],
  { top }: FollowedBranch,
  commit: string,
  { folder, environment }: Terminal,
) {
  const named = files.length > 0 ? files : await yamlFilesOf(folder);
  const read = await readPipelines(named, { folder, environment });
  const known = read.flatMap(({ root, spec }) => (spec === undefined ? [] : [{ root, spec }]));
  return rulesOf(known, top, commit);
}

async function planAndBegin(
  { blocked, ...record }: ReconcileRecord & { readonly blocked: boolean },
  files: readonly string[],
  followed: FollowedBranch,
  { options, terminal, standings }: Telling,
): Promise<{ readonly record: ReconcileRecord; readonly exitCode: ExitCode }> {
  const { folder, environment } = terminal;
  const head = await headOf(followed);
  if (head === undefined) return { record, exitCode: EXIT.error };
  const { chosen, problems } = await committedFiles(files, followed, { commit: head, blocked }, terminal);
  for (const problem of problems) standings.problem(problem);
  const prepared = await prepare(chosen, { folder, environment, history: "read", lock: "apply", ...options.choices });
  await tellNews(prepared, followed, { options, terminal });
  const rules = await rulesAt(chosen, followed, head, terminal);
  const isAccepted = options.rules === "accept" || record.rules === undefined;
  const inForce = isAccepted && Object.keys(rules.projects).length > 0 ? rules : (record.rules ?? rules);
  const held = whyHeld(inForce, rules);
  if (held !== undefined) standings.problem(rulesChanged(held, inForce.commit, head, options));
  if (
    prepared.known.some(({ spec }) => spec.policy?.input_roots === undefined || spec.policy.output_roots === undefined)
  ) {
    standings.problem(diagnose(WATCH_CODES.noPolicy, `${WATCH_CODES.noPolicy.why} ${WATCH_CODES.noPolicy.mend}`));
  }
  const candidates = await Promise.all(
    prepared.pipelines.map((pipeline) => {
      const known = prepared.known.find(({ spec }) => spec === pipeline.spec);
      const attempt = record.attempts[pipeline.spec.name];
      const hours = hoursNow(options.allow ?? pipeline.spec.watch, standings);
      return observeCandidate(pipeline, known, { attempt, hours });
    }),
  );
  const beginnings = blocked || held !== undefined ? ("held" as const) : ("free" as const);
  // A commit takes a pipeline away, renames it or spoils its file, and what was begun of it goes on.
  const names = new Set(prepared.pipelines.map(({ spec }) => spec.name));
  const others = await countAlive(Object.entries(record.attempts).filter(([name]) => !names.has(name)));
  const slots = (options.choices.gpuPool?.length ?? 1) - others;
  const circumstances: Circumstances = { beginnings, slots };
  const verdicts = decide(candidates, circumstances);
  const after = await carryOutVerdicts({
    record: Object.keys(inForce.projects).length === 0 ? record : { ...record, rules: inForce },
    pipelines: prepared.pipelines,
    candidates,
    verdicts,
    followed,
    options,
    terminal,
    standings,
  });
  const isBlocked = blocked || held !== undefined || problems.length > 0 || record.unheard > 0;
  const planned = planExitCode(prepared.plan);
  const hasFailed =
    verdicts.some((verdict) => verdict.kind === "leave" && verdict.why === "failed") ||
    prepared.pipelines.some(({ spec }) => after.attempts[spec.name]?.failed !== undefined);
  return { record: after, exitCode: isBlocked ? EXIT.error : hasFailed ? EXIT.stageFailed : planned };
}

async function countAlive(attempts: readonly (readonly [string, Attempt])[]): Promise<number> {
  const alive = await Promise.all(
    attempts.map(([, { process: runner }]) => runner !== undefined && isProcessAlive(runner)),
  );
  return alive.filter((lives) => lives).length;
}

async function tellNews(
  { plan, texts }: Prepared,
  { gitDir }: FollowedBranch,
  { options, terminal }: Round,
): Promise<void> {
  const seen = await readSeen(gitDir);
  const news = seen === undefined ? undefined : findNews(seen, plan);
  if (seen === undefined) tellWatch({ type: "plan", plan }, options, terminal, texts);
  else if (news !== undefined) tellWatch({ type: "news", ...news }, options, terminal, texts);
  if (seen === undefined || news !== undefined) await writeSeen(gitDir, seeing(plan, seen));
}

function rulesChanged(held: string, from: string, to: string, { git }: ReconcileOptions): Diagnostic {
  const kind = WATCH_CODES.rulesChanged;
  const look = `\`git diff ${from.slice(0, 7)} ${to.slice(0, 7)}\``;
  const mend = `Look at it with ${look}, and let it count with \`wan22 watch --apply --git ${git} --accept-rules\`.`;
  return diagnose(kind, `Nothing of ${to.slice(0, 7)} is begun: ${held}. ${kind.why} ${mend}`);
}

function hoursNow(rules: WatchRules | undefined, standings: Standings): Hours {
  if (rules === undefined || rules.allow.length === 0) return { kind: "open" };
  const clock = wallClock(rules.timezone);
  if (clock === undefined) {
    const kind = WATCH_CODES.noTimeZone;
    standings.problem(diagnose(kind, `This system knows no time zone \`${rules.timezone}\`. ${kind.why} ${kind.mend}`));
    return { kind: "closed", until: "when its time zone is known" };
  }
  if (isOpen(rules.allow, clock)) return { kind: "open" };
  return { kind: "closed", until: nextOpening(rules.allow, clock) ?? "at no time" };
}
