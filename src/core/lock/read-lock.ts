import { type Diagnostic, diagnose, type Outcome } from "../diagnostic.ts";
import { fieldOf, parseJson } from "../json.ts";
import { LOCK_CODES } from "./codes.ts";
import { type Lock, lockSchema } from "./lock.ts";
import { LOCK_FORMAT, LOCK_VERSION } from "./lock-file.ts";
import { unlockTensors } from "./tensors.ts";

/** From a lock file's text to a lock, or why it is none. */

export interface LockReading {
  /** As shown to people. */
  readonly file: string;
  /** The pipeline whose lock it is to be. */
  readonly pipeline: string;
}

/** Reads a text that lies where a pipeline's lock belongs. Never throws. */
export function readLock(text: string, { file, pipeline }: LockReading): Outcome<Lock> {
  const at = { file };
  const refuse = (diagnostic: Diagnostic): Outcome<Lock> => ({ value: undefined, diagnostics: [diagnostic] });
  const damaged = (why: string) => {
    const detail = `${file} ${why}. Take it from Git again, or write it anew where data and models are: \`wan22 lock\`.`;
    return refuse(diagnose(LOCK_CODES.damaged, detail, { at }));
  };
  const json = parseJson(text);
  if (json === undefined) {
    return damaged(/^<{7} /m.test(text) ? "holds the conflicts of a merge" : "is cut short, or no JSON any more");
  }
  if (fieldOf(json, "format") !== LOCK_FORMAT) {
    const detail = `${file} is no lock file. Remove it, or give it another name; then \`wan22 lock\` writes the lock.`;
    return refuse(diagnose(LOCK_CODES.foreign, detail, { at }));
  }
  const version = fieldOf(json, "version");
  if (typeof version === "number" && version > LOCK_VERSION) {
    const detail = `${file} has version ${version}; this wan22 reads versions up to ${LOCK_VERSION}. Update wan22 on this machine. The file is left as it is.`;
    return refuse(diagnose(LOCK_CODES.newer, detail, { at }));
  }
  const owner = fieldOf(json, "pipeline");
  if (typeof owner === "string" && owner !== pipeline) {
    const detail = `${file} is the lock of \`${owner}\`, and the pipeline is named \`${pipeline}\`. Remove it, or give it its own pipeline's name; then \`wan22 lock\` writes this one's.`;
    return refuse(diagnose(LOCK_CODES.foreign, detail, { at }));
  }
  const parsed = lockSchema.safeParse(json, { jitless: true });
  if (!parsed.success) {
    const { path = [], message = "" } = parsed.error.issues[0] ?? {};
    return damaged(`is not what \`wan22 lock\` writes, at \`${path.map(String).join(".")}\` (${message})`);
  }
  const nonsense = nonsenseIn(parsed.data);
  return nonsense === undefined ? { value: parsed.data, diagnostics: [] } : damaged(nonsense);
}

/** What no shape forbids, and no look at real files ever gives. */
function nonsenseIn({ sources, models, files }: Lock): string | undefined {
  for (const [position, { kind, items }] of sources.entries()) {
    const names = new Set<string>();
    for (const [index, { name, caption, caption_problem }] of items.entries()) {
      const at = `sources.${position}.items.${index}`;
      const isRow = kind === "video_jsonl" || kind === "image_jsonl";
      if (!isRow && name.includes("/")) return `names a folder at \`${at}\`: ${name}`;
      if (!isRow && names.has(name)) return `has ${name} twice, at \`${at}\``;
      if (caption !== undefined && caption_problem !== undefined) return `has a caption and none at \`${at}\``;
      names.add(name);
    }
  }
  for (const [key, { tensors }] of Object.entries({ ...files, ...models })) {
    if (tensors !== undefined && unlockTensors(tensors) === undefined) return `has too many tensors in \`${key}\``;
  }
  return undefined;
}
