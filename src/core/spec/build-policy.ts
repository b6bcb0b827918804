import type { WrittenPolicy } from "./policy-shape.ts";
import type { LocatedPath, Policy } from "./spec.ts";
import { type Environment, locatePath } from "./variables.ts";
import { placeAt, type YamlNode } from "./yaml-tree.ts";

/** The rules of wan22.yaml, with every root located. */

export interface PolicyInput {
  /** wan22.yaml, the only file that may have one. */
  readonly project:
    | {
        readonly root: YamlNode;
        readonly value: { readonly policy?: WrittenPolicy | null | undefined };
      }
    | undefined;
  /** Absolute, with `/`. */
  readonly root: string;
  readonly environment: Environment;
}

/** Undefined where nothing is asked. */
export function buildPolicy({ project, root, environment }: PolicyInput): Policy | undefined {
  const written = project?.value.policy;
  if (project === undefined || written === undefined || written === null) return undefined;
  // What a root is called in the environment is no name for what a pipeline names: a policy is no part of a plan's binding.
  const locate = (key: "input_roots" | "output_roots"): readonly LocatedPath[] | undefined =>
    written[key]?.map((text, index) => {
      const place = placeAt(project.root, ["policy", key, index]);
      return locatePath({ written: text, place }, root, environment);
    });
  const { max_hours, max_gpu_hours, max_disk_gb, vram_headroom_gb, tasks, require_lock } = written;
  const [inputs, outputs] = [locate("input_roots"), locate("output_roots")];
  return {
    ...(max_hours === undefined ? {} : { max_hours }),
    ...(max_gpu_hours === undefined ? {} : { max_gpu_hours }),
    ...(max_disk_gb === undefined ? {} : { max_disk_gb }),
    ...(vram_headroom_gb === undefined ? {} : { vram_headroom_gb }),
    ...(inputs === undefined ? {} : { input_roots: inputs }),
    ...(outputs === undefined ? {} : { output_roots: outputs }),
    ...(tasks === undefined ? {} : { tasks }),
    ...(require_lock === true ? { require_lock } : {}),
  };
}
