import { type Diagnostic, diagnose } from "../diagnostic.ts";
import { STATE_CODES } from "./codes.ts";
import { STATE_VERSION, type State, stateSchema } from "./state.ts";

/** Lifts a state one version up. There is one for every version before the present one, by the version it starts from. */
const MIGRATIONS: Readonly<Record<number, (older: Readonly<Record<string, unknown>>) => Record<string, unknown>>> = {};

export interface StateOrigin {
  /** As shown to people. */
  readonly file: string;
  readonly pipeline: string;
}

/** A state file as read. */
export type StateReading =
  | { readonly kind: "state"; readonly state: State }
  /** Cut short, or no state at all: another can be put in its place. A sentence that names the file. */
  | { readonly kind: "damaged"; readonly why: string }
  /** A sound one that is not this pipeline's, or not this version's: to be left alone. */
  | { readonly kind: "refused"; readonly diagnostic: Diagnostic };

/** Reads the text of a state file of any version so far. Refuses a newer version (P2) and another pipeline's (P3); never throws. */
export function readState(text: string, { file, pipeline }: StateOrigin): StateReading {
  const json = parseJson(text);
  if (json === undefined) return damaged(`${file} is not whole JSON; it was cut short or written by something else.`);
  if (!isRecord(json)) return damaged(`${file} holds no JSON object, so it is no state file.`);
  const { version } = json;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) {
    return damaged(
      `${file} has no \`version\` that is a whole number from 1, so it is no state file, or a damaged one.`,
    );
  }
  if (version > STATE_VERSION) {
    const detail = `${file} has version ${version}; this wan22 reads versions up to ${STATE_VERSION}. Update wan22 on this machine; the file was left as it is.`;
    return { kind: "refused", diagnostic: diagnose(STATE_CODES.newer, detail, { at: { file } }) };
  }
  let lifted = json;
  for (let from = version; from < STATE_VERSION; from += 1) lifted = MIGRATIONS[from]?.(lifted) ?? lifted;
  const parsed = stateSchema.safeParse(lifted);
  if (!parsed.success) return damaged(`${file} is damaged: ${firstFault(lifted)} is not what a state holds there.`);
  const state = parsed.data;
  if (state.pipeline === pipeline) return { kind: "state", state };
  const detail = `${file} is the state of the pipeline ${state.pipeline}, not of ${pipeline}. Give it its own name again, or move it away; it was left as it is.`;
  return { kind: "refused", diagnostic: diagnose(STATE_CODES.foreign, detail, { at: { file } }) };
}

function damaged(why: string): StateReading {
  return { kind: "damaged", why };
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Where zod found the first fault, as a dotted path; the file as a whole if it has no path. */
function firstFault(json: unknown): string {
  const issue = stateSchema.safeParse(json).error?.issues[0];
  const path = issue?.path.map(String).join(".") ?? "";
  return path === "" ? "its top level" : `\`${path}\``;
}
