import { type Diagnostic, diagnose, type Outcome } from "../diagnostic.ts";
import { STATE_CODES } from "./codes.ts";
import { STATE_VERSION, type State, stateSchema } from "./state.ts";

/** Lifts a state one version up. There is one for every version before the present one, by the version it starts from. */
const MIGRATIONS: Readonly<Record<number, (older: Readonly<Record<string, unknown>>) => Record<string, unknown>>> = {};

export interface StateOrigin {
  /** As shown to people. */
  readonly file: string;
  /** The pipeline it should belong to; not compared if absent. */
  readonly pipeline?: string | undefined;
}

function refused(diagnostic: Diagnostic): Outcome<State> {
  return { value: undefined, diagnostics: [diagnostic] };
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

/**
 * Reads a state of any version so far, parsed from JSON already. Refuses a newer version (P2), another pipeline's (P3) and
 * anything else that is no state (P1); never throws.
 */
export function migrateState(json: unknown, { file, pipeline }: StateOrigin): Outcome<State> {
  const at = { file };
  if (!isRecord(json)) {
    return refused(diagnose(STATE_CODES.unreadable, `${file} holds no JSON object, so it is no state file.`, { at }));
  }
  const { version } = json;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) {
    return refused(
      diagnose(
        STATE_CODES.unreadable,
        `${file} has no \`version\` that is a whole number from 1, so it is no state file, or a damaged one.`,
        { at },
      ),
    );
  }
  if (version > STATE_VERSION) {
    return refused(
      diagnose(
        STATE_CODES.newer,
        `${file} has version ${version}; this wan22 reads versions up to ${STATE_VERSION}. Update wan22 on this machine; the file was left as it is.`,
        { at },
      ),
    );
  }
  let lifted = json;
  for (let from = version; from < STATE_VERSION; from += 1) lifted = MIGRATIONS[from]?.(lifted) ?? lifted;
  const parsed = stateSchema.safeParse(lifted);
  if (!parsed.success) {
    return refused(
      diagnose(
        STATE_CODES.unreadable,
        `${file} is damaged: ${firstFault(lifted)} is not what a state holds there. Put its backup in its place, or move it away so that it is rebuilt from the runs.`,
        { at },
      ),
    );
  }
  if (pipeline !== undefined && parsed.data.pipeline !== pipeline) {
    return refused(
      diagnose(
        STATE_CODES.foreign,
        `${file} is the state of the pipeline ${parsed.data.pipeline}, not of ${pipeline}. Give it its own name again, or move it away.`,
        { at },
      ),
    );
  }
  return { value: parsed.data, diagnostics: [] };
}

/** Reads the text of a state file: JSON, then as `migrateState`. */
export function readState(text: string, origin: StateOrigin): Outcome<State> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refused(
      diagnose(
        STATE_CODES.unreadable,
        `${origin.file} is not whole JSON; it was cut short or written by something else. Put its backup in its place, or move it away so that it is rebuilt from the runs.`,
        { at: { file: origin.file } },
      ),
    );
  }
  return migrateState(json, origin);
}
