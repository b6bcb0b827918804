import type { Facts } from "../facts.ts";
import type { Hardware } from "../resolve/hardware.ts";
import type { Spec } from "../spec/spec.ts";

/** What `wan22 doctor` looks at, and what it says of it. */

/** What the trainer's Python answered. */
export interface PythonEnvironment {
  readonly python: string;
  /** Package to version, of those asked for. */
  readonly packages: Readonly<Record<string, string>>;
  readonly torch: {
    readonly version?: string | undefined;
    /** The CUDA that PyTorch was built for; absent from a CPU build. */
    readonly cuda?: string | undefined;
    readonly devices?: readonly TorchDevice[] | undefined;
    readonly problem?: string | undefined;
  };
}

export interface TorchDevice {
  readonly name: string;
  readonly capability: readonly [number, number];
  readonly bytes: number;
}

/** A package that the trainer's `pyproject.toml` asks for. */
export interface Requirement {
  readonly name: string;
  /** The one version that it pins, where it does. */
  readonly pinned?: string;
}

/** A folder that will be written to. */
export interface FolderSpace {
  readonly what: string;
  readonly path: string;
  readonly freeBytes: number | undefined;
}

export interface Examination {
  readonly spec: Spec;
  readonly facts: Facts;
  readonly hardware: Hardware;
  /** Host memory that the manual asks for in the tier, in GiB. */
  readonly tierRamGiB: number;
  /** Undefined where there is no Python to ask, or it did not answer. */
  readonly environment: PythonEnvironment | undefined;
  /** Empty for the rehearsal, which needs the standard library alone. */
  readonly requirements: readonly Requirement[];
  readonly folders: readonly FolderSpace[];
  readonly ffprobe: "found" | "missing";
}

/** What can be looked at where there is no pipeline that asks for anything. */
export interface BareMachine extends Pick<Examination, "environment" | "folders" | "ffprobe"> {
  readonly facts: Pick<Facts, "gpus" | "ramGiB" | "trainer">;
}

export interface Finding {
  /** What was looked at: `PyTorch`, `models.dit`. */
  readonly subject: string;
  readonly state: "fine" | "warning" | "error";
  /** What was found, a clause. */
  readonly found: string;
  /** What to do about it, a sentence; where there is something to do. */
  readonly mend?: string;
}
