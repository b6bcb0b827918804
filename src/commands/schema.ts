import * as z from "zod";
import { applyEventSchema } from "../core/apply-event.ts";
import { eventSchema } from "../core/event.ts";
import { lockSchema } from "../core/lock/lock.ts";
import { notificationSchema } from "../core/notification.ts";
import { pipelineListSchema } from "../core/pipeline-list.ts";
import { planSchema } from "../core/plan/plan.ts";
import { savedPlanSchema } from "../core/plan/saved/saved-plan.ts";
import { watchEventSchema } from "../core/plan/watch/watch-event.ts";
import { provenanceSchema } from "../core/provenance/record.ts";
import { verificationSchema } from "../core/provenance/verification.ts";
import { queueListSchema } from "../core/queue.ts";
import { pipelineJsonSchema, projectJsonSchema } from "../core/spec/json-schema.ts";
import { runListSchema } from "../core/state/run-list.ts";
import { stateSchema } from "../core/state/state.ts";
import { statusSchema } from "../core/status.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

/** Every JSON Schema, by the name of its file in `schemas/`. */
export const SCHEMAS = {
  pipeline: pipelineJsonSchema,
  project: projectJsonSchema,
  plan: () => z.toJSONSchema(planSchema),
  list: () => z.toJSONSchema(pipelineListSchema),
  "saved-plan": () => z.toJSONSchema(savedPlanSchema),
  state: () => z.toJSONSchema(stateSchema),
  lock: () => z.toJSONSchema(lockSchema),
  "apply-events": () => z.toJSONSchema(applyEventSchema),
  "watch-events": () => z.toJSONSchema(watchEventSchema),
  runs: () => z.toJSONSchema(runListSchema),
  notification: () => z.toJSONSchema(notificationSchema),
  events: () => z.toJSONSchema(eventSchema),
  status: () => z.toJSONSchema(statusSchema),
  queue: () => z.toJSONSchema(queueListSchema),
  provenance: () => z.toJSONSchema(provenanceSchema),
  verification: () => z.toJSONSchema(verificationSchema),
} as const satisfies Record<string, () => unknown>;

export type SchemaName = keyof typeof SCHEMAS;

/** A schema as it stands in its file. */
export function schemaText(name: SchemaName): string {
  return `${JSON.stringify(SCHEMAS[name](), undefined, 2)}\n`;
}

/** `wan22 schema NAME`: prints a JSON Schema. */
export function runSchema(name: SchemaName, terminal: Terminal): ExitCode {
  terminal.out(schemaText(name));
  return EXIT.fine;
}
