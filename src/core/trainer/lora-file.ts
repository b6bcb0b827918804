import type { LoraModule } from "./lora.ts";

/** What the trainer makes of a LoRA file that it starts from or merges first (`networks/lora.py`). */

/** A file's header: tensors by name. */
export type LoraTensors = Readonly<Record<string, { readonly shape: readonly number[] }>>;

/** `blocks.0.ffn.0` is `lora_unet_blocks_0_ffn_0` in a file. */
function loraName({ name }: LoraModule): string {
  return `lora_unet_${name.replaceAll(".", "_")}`;
}

/** Everything that the header says of one layer. */
interface LayerTensors {
  readonly module: LoraModule;
  readonly name: string;
  readonly down: readonly number[] | undefined;
  readonly up: readonly number[] | undefined;
  readonly hasAlpha: boolean;
}

/** The layers of a model of which the file holds a matrix. Empty where its names are another program's. */
function layersOf(tensors: LoraTensors, modules: readonly LoraModule[]): readonly LayerTensors[] {
  return modules.flatMap((module) => {
    const name = loraName(module);
    const shapeOf = (part: string) => tensors[`${name}.${part}`]?.shape;
    const [down, up] = [shapeOf("lora_down.weight"), shapeOf("lora_up.weight")];
    if (down === undefined && up === undefined) return [];
    return [{ module, name, down, up, hasAlpha: Object.hasOwn(tensors, `${name}.alpha`) }];
  });
}

/** Whether any layer of the model is in the file. What is not is passed over by the trainer without a word. */
export function holdsLayersOf(tensors: LoraTensors, modules: readonly LoraModule[]): boolean {
  return layersOf(tensors, modules).length > 0;
}

/** The ranks of the layers that the file and the model share, each once, ascending. */
export function ranksOf(tensors: LoraTensors, modules: readonly LoraModule[]): readonly number[] {
  const ranks = layersOf(tensors, modules).flatMap(({ down }) => down?.[0] ?? []);
  return [...new Set(ranks)].sort((a, b) => a - b);
}

function widthFault({ module, name, down, up }: LayerTensors): string | undefined {
  const { inFeatures, outFeatures } = module;
  const wrong = (part: string, shape: readonly number[], wanted: string) =>
    `${name}.${part}.weight is [${shape.join(", ")}], and the model's layer needs [${wanted}]`;
  if (down !== undefined && (down.length !== 2 || down[1] !== inFeatures)) {
    return wrong("lora_down", down, `rank, ${inFeatures}`);
  }
  if (up !== undefined && (up.length !== 2 || up[0] !== outFeatures))
    return wrong("lora_up", up, `${outFeatures}, rank`);
  return undefined;
}

/** Why the matrices cannot be loaded into those of the network, their rank aside, as a clause; undefined where they can. */
export function loadingFault(tensors: LoraTensors, modules: readonly LoraModule[]): string | undefined {
  return firstOf(layersOf(tensors, modules), widthFault);
}

/** Why the file cannot be merged into the model (`create_network_from_weights`, `merge_to`), as a clause. */
export function mergingFault(tensors: LoraTensors, modules: readonly LoraModule[]): string | undefined {
  return firstOf(layersOf(tensors, modules), (layer) => {
    const { name, down, up, hasAlpha } = layer;
    // A layer without the matrix that its rank is read from is passed over.
    if (down === undefined) return undefined;
    if (!hasAlpha) return `it holds no ${name}.alpha, without which the trainer cannot merge the layer`;
    if (up === undefined) return `it holds no ${name}.lora_up.weight`;
    if (up.length === 2 && up[1] !== down[0])
      return `the two matrices of ${name} have the ranks ${up[1]} and ${down[0]}`;
    return widthFault(layer);
  });
}

function firstOf(
  layers: readonly LayerTensors[],
  fault: (layer: LayerTensors) => string | undefined,
): string | undefined {
  for (const layer of layers) {
    const found = fault(layer);
    if (found !== undefined) return found;
  }
  return undefined;
}
