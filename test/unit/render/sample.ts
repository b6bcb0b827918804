import { readFileSync } from "node:fs";
import { render, TEMPLATE_NAMES } from "../../../src/core/render/render.ts";
import type { RenderedStage, Templates } from "../../../src/core/render/rendered.ts";
import { type Case, resolveCase } from "../check/judge.ts";

const FOLDER = new URL("../../../templates/", import.meta.url);

/** The built-in templates as they are committed. */
export const TEMPLATES: Templates = Object.fromEntries(
  Object.values(TEMPLATE_NAMES).map((name) => [
    name,
    { file: `templates/${name}`, text: readFileSync(new URL(name, FOLDER), "utf8") },
  ]),
);

/** The built-in templates with one of them replaced by a project's own. */
export function templatesWith(name: string, text: string): Templates {
  return { ...TEMPLATES, [name]: { file: `my-templates/${name}`, text } };
}

export function renderCase(given: Case, templates: Templates = TEMPLATES) {
  return render({ resolved: resolveCase(given).resolved, templates });
}

/** The stages of a pipeline that can be rendered. */
export function renderSound(given: Case): readonly RenderedStage[] {
  const { value, diagnostics } = renderCase(given);
  if (value === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return value.stages;
}

export function stageOf(stages: readonly RenderedStage[], id: RenderedStage["id"]): RenderedStage {
  const stage = stages.find((each) => each.id === id);
  if (stage === undefined) throw new Error(`There is no stage ${id}.`);
  return stage;
}
