import { chooseTouched, type Touched } from "../prepare/choose-touched.ts";
import { pipelineFiles, yamlFilesOf } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

/** The pipelines that a command is about, and the change that they were chosen by, where one was named. */
export interface Chosen {
  readonly files: readonly string[];
  readonly touched?: Touched | undefined;
  /** Whether nobody named any: then those that are gone belong to what is told. */
  readonly named: "all" | "some";
}

/** Those named, or all in `pipelines/`; with `changedSince`, those of them that a change touches. Undefined where that can't be told, which was said. */
export async function chooseFiles(
  files: readonly string[],
  { changedSince }: { readonly changedSince?: string | undefined },
  terminal: Terminal,
): Promise<Chosen | undefined> {
  const named = files.length === 0 ? "all" : "some";
  if (changedSince === undefined) {
    const chosen = await pipelineFiles(files, terminal);
    return chosen === undefined ? undefined : { files: chosen, named };
  }
  // A change may have removed the last one.
  const given = files.length === 0 ? await yamlFilesOf(terminal.folder) : files;
  const { folder, environment } = terminal;
  const touched = await chooseTouched(given, { ref: changedSince, folder, environment });
  if ("severity" in touched) {
    showDiagnostics([touched], terminal);
    return undefined;
  }
  return { files: touched.files, touched, named };
}
