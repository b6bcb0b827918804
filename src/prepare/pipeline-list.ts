import { relative, resolve } from "node:path";
import type { ListedPipeline } from "../core/pipeline-list.ts";
import { readAddress } from "../core/spec/cell.ts";
import { isFault } from "../core/spec/sound-part.ts";
import type { HardwareRequest } from "../core/spec/spec.ts";
import type { ReadPipeline } from "./read.ts";
import { folderInRepository } from "./review.ts";

/** A pipeline as its files alone have it. `folder`: the user's, absolute. */
export function listPipeline({ root, file, name, spec, diagnostics }: ReadPipeline, folder: string): ListedPipeline {
  const address = (root === "" ? file : relative(folder, resolve(root, file))).replaceAll("\\", "/");
  return {
    name: spec?.name ?? name,
    address,
    file: readAddress(address).file,
    project: folderInRepository(root === "" ? folder : root),
    // A variable that is not set here is no fault of the file: what it names may be taken from the lock.
    valid: spec !== undefined && !diagnostics.some(isFault),
    task: spec?.task ?? "",
    noise: spec?.noise ?? "",
    hardware: spec === undefined ? "" : hardwareText(spec.hardware),
    gpus: [...(spec?.gpus ?? [])],
  };
}

function hardwareText(hardware: HardwareRequest): string {
  switch (hardware.kind) {
    case "auto":
      return "auto";
    case "name":
      return hardware.name;
    case "described":
      return hardware.gpu ?? (hardware.vramGiB === undefined ? "auto" : `${hardware.vramGiB} GiB`);
  }
}
