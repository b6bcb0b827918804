import { relative, resolve } from "node:path";
import { hasErrors } from "../core/diagnostic.ts";
import type { ListedPipeline } from "../core/pipeline-list.ts";
import { readAddress } from "../core/spec/cell.ts";
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
    valid: spec !== undefined && !hasErrors(diagnostics),
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
