import * as z from "zod";

/** What `wan22 watch --apply` remembers: what it follows, what it has begun, and what it has said. */

const identity = z.looseObject({ pid: z.number().int().positive(), boot_id: z.string(), start_time: z.string() });

const attemptSchema = z.strictObject({
  /** Of everything that its plan was made from. */
  key: z.string(),
  /** How often it was begun for that without getting any further. */
  begun: z.number().int().nonnegative(),
  /** How far it was when it was begun last. */
  progress: z.number().nonnegative(),
  /** The pipeline's last run when it was begun: what came of the attempt is a later one. */
  run: z.string().optional(),
  /** The runner. */
  process: identity.optional(),
  /** Where that says what it does, absolute. */
  log: z.string().optional(),
  /** Why it failed before it came to a run, of which nothing else is recorded. */
  failed: z.string().optional(),
  /** It was asked to stop, since a later commit wants something else. */
  withdrawn: z.boolean().optional(),
});

/** What decides over what a commit may have done, and where records are: the commit itself could change it. */
const rulesSchema = z.strictObject({
  /** The commit that they are of. */
  commit: z.string(),
  /** By the project's folder in the repository. */
  projects: z.record(z.string(), z.string()),
  /** Digests: they may hold what is secret. */
  hooks: z.array(z.string()),
});

export const reconcileRecordSchema = z.strictObject({
  version: z.literal(1),
  remote: z.string(),
  branch: z.string(),
  /** The commit that was checked out last. */
  commit: z.string().optional(),
  /** The one that was left for it: where a look was killed, HEAD may be there still. */
  left: z.string().optional(),
  /** Whether that was under way when this was written: if it still is, some files may be the one's and some the other's. */
  moving: z.boolean().optional(),
  rules: rulesSchema.optional(),
  /** By pipeline. */
  attempts: z.record(z.string(), attemptSchema),
  /** What was said of whom, so that it is said once. */
  said: z.record(z.string(), z.string()),
  /** How often in a row the remote could not be asked. */
  unheard: z.number().int().nonnegative(),
  /** When it was looked last, Unix time in seconds. */
  looked: z.number(),
});

export type Attempt = z.infer<typeof attemptSchema>;
export type Rules = z.infer<typeof rulesSchema>;
export type ReconcileRecord = z.infer<typeof reconcileRecordSchema>;

export function newReconcileRecord({ remote, branch }: Pick<ReconcileRecord, "remote" | "branch">): ReconcileRecord {
  return { version: 1, remote, branch, attempts: {}, said: {}, unheard: 0, looked: 0 };
}

/** Why what a commit asks for may not begin by rules that were in force before it; by pipeline where a hook is new. */
export function whyHeld(inForce: Rules, now: Rules): string | undefined {
  const changed = Object.entries(now.projects).some(([project, rules]) => inForce.projects[project] !== rules);
  if (changed) return "its commit changes the rules (`policy`, `watch`, `state_dir`) by which it would be judged";
  const added = now.hooks.find((hook) => !inForce.hooks.includes(hook));
  return added === undefined ? undefined : "its commit has a hook (`notify`) that was not there before";
}
