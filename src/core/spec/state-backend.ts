import type { STATE_BACKENDS } from "../vocabulary.ts";
import type { StateBackend } from "./spec.ts";

/** Where records are kept beside the state folder (docs/decisions/0016). */

/** `state` as files write it. */
interface Written {
  readonly backend?: (typeof STATE_BACKENDS)[number] | undefined;
  readonly branch?: string | undefined;
  readonly remote?: string | undefined;
}

/** Key by key, the first that says it: the pipeline's, then the project's. */
export function stateBackendOf(written: readonly (Written | null | undefined)[]): StateBackend {
  const said = <Key extends keyof Written>(key: Key) => written.find((one) => one?.[key] !== undefined)?.[key];
  if (said("backend") !== "git") return { kind: "local" };
  return { kind: "git", branch: said("branch") ?? "wan22-state", remote: said("remote") ?? "origin" };
}
