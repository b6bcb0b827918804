import * as z from "zod";
import { applyOutcomeSchema } from "./apply-event.ts";
import { STAGE_IDS } from "./vocabulary.ts";

/** Who is told of a run, of what, and in which words (`notify:` in the two files). */

export const NOTIFICATION_EVENTS = ["started", "stopped", "failed", "finished"] as const;
export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number];

/** Whoever started a run knows that it started; days later it is the end that matters. */
export const DEFAULT_NOTIFICATION_EVENTS: readonly NotificationEvent[] = ["stopped", "failed", "finished"];

export interface NotifyHook {
  readonly target:
    | { readonly kind: "command"; readonly command: readonly string[] }
    /** As written: variables in it are secrets, and replaced only when it is used. */
    | { readonly kind: "url"; readonly url: string };
  readonly on: readonly NotificationEvent[];
}

/** A hook without what may be secret in it: the program without its arguments, the URL without its path. */
export function describeHook({ target }: NotifyHook): string {
  if (target.kind === "command") return `command ${target.command[0] ?? ""}`;
  const variable = /^\$\{(\w+)/.exec(target.url)?.[1];
  if (variable !== undefined) return `url \${${variable}}`;
  const [, scheme = "https", host = ""] = /^(https?):\/\/(?:[^/?#]*@)?([^/?#@]*)/.exec(target.url) ?? [];
  // What is no plain host may hold a password, or a variable.
  return `url ${scheme}://${/^[\w.-]+(?::\d+)?$/.test(host) ? `${host}/` : ""}…`;
}

const count = z.number().int().nonnegative();

export const notificationSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this format"),
    event: z.enum(NOTIFICATION_EVENTS).describe("What happened"),
    time: z.string().describe("When, ISO 8601"),
    pipeline: z.string().describe("The pipeline's name"),
    file: z.string().describe("Its file, relative to the project root where inside it"),
    run: z.string().optional().describe("RUN_ID; absent where the run was refused before it began"),
    outcome: applyOutcomeSchema.optional().describe("How the run ended; absent of one that started"),
    stage: z.enum(STAGE_IDS).optional().describe("The stage that was worked on last"),
    step: count.optional().describe("Steps of that stage done, or cache files of a caching stage"),
    total: count.optional().describe("Of how many"),
    checkpoints: z.array(z.string()).describe("Checkpoints of this pipeline that exist now"),
    message: z.string().optional().describe("Why it did not finish"),
    host: z.string().describe("The machine's name"),
    commit: z.string().optional().describe("The project's Git commit, where it is known"),
  })
  .describe("What a hook of `notify:` gets: a command on its standard input, a URL as the body of a POST");

export type Notification = z.infer<typeof notificationSchema>;
