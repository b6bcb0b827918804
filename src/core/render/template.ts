import Handlebars from "handlebars/dist/cjs/handlebars.js";
import { type Diagnostic, diagnose, type Outcome } from "../diagnostic.ts";
import { RENDER_CODES } from "./codes.ts";

/**
 * Runs a user's Handlebars template over plain data, and nothing else: no files, no prototypes, no partials (so no
 * recursion), no helpers but those given and `each`, `if`, `unless`, `with`; and never more than a bounded output.
 */

/** Longest template and longest output, in characters. The built-in templates have about a thousand. */
const MAX_TEMPLATE_LENGTH = 262_144;
const MAX_OUTPUT_LENGTH = 4_194_304;

export interface TemplateText {
  readonly file: string;
  readonly text: string;
}

/** A function that a template can call with one value; it returns the text to insert, or throws with a reason. */
export type TemplateHelper = (value: unknown) => string;

class OutputTooLong extends Error {}

/** Stands in the way of nested loops: every repeated piece of output is counted, wherever it ends up. */
function countEach(environment: typeof Handlebars): void {
  const each = environment.helpers.each;
  if (each === undefined) return;
  let written = 0;
  environment.registerHelper("each", function (this: unknown, context: unknown, options: Handlebars.HelperOptions) {
    const counted: Handlebars.HelperOptions = {
      ...options,
      fn: (inner, runtime) => {
        const text = options.fn(inner, runtime);
        // An empty repetition takes time too.
        written += text.length + 1;
        if (written > MAX_OUTPUT_LENGTH) throw new OutputTooLong();
        return text;
      },
    };
    return each.call(this, context, counted);
  });
}

function makeEnvironment(helpers: Readonly<Record<string, TemplateHelper>>): typeof Handlebars {
  const environment = Handlebars.create();
  environment.unregisterHelper("log");
  environment.unregisterHelper("lookup");
  // Inline partials could call themselves.
  environment.unregisterDecorator("inline");
  countEach(environment);
  for (const [name, helper] of Object.entries(helpers)) {
    environment.registerHelper(name, (...given: unknown[]) => {
      if (given.length !== 2) throw new Error(`the helper \`${name}\` takes exactly one value`);
      return helper(given[0]);
    });
  }
  return environment;
}

/** What an error of Handlebars says about its place, where it says anything. */
function placeOf(error: Error, template: TemplateText): { line?: number; column?: number } {
  const line = "lineNumber" in error && typeof error.lineNumber === "number" ? error.lineNumber : undefined;
  const column = "column" in error && typeof error.column === "number" ? error.column : undefined;
  const named = line ?? Number(/ on line (\d+)/.exec(error.message)?.[1] ?? Number.NaN);
  // An unclosed block is reported behind the last line.
  const last = template.text.split("\n").length;
  return Number.isNaN(named)
    ? {}
    : { line: Math.min(Math.max(named, 1), last), ...(column === undefined ? {} : { column: column + 1 }) };
}

function explain(error: Error): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  const [first = "", ...rest] = error.message.split("\n");
  const parsed = /^(?:Parse|Lexical) error on line \d+/.test(first);
  const expectation = rest.at(-1) ?? "";
  const text = parsed ? expectation || "it is not valid Handlebars" : first.replace(/ - \d+:\d+$/, "");
  return text.replaceAll("[object Object]", "the data of this place");
}

function failure(error: unknown, template: TemplateText): Diagnostic {
  if (!(error instanceof Error)) throw error;
  if (error instanceof OutputTooLong) {
    return diagnose(
      RENDER_CODES.templateEndless,
      `${template.file} writes more than ${MAX_OUTPUT_LENGTH} characters. It probably has a loop inside another one; each value is needed once.`,
      { at: { file: template.file } },
    );
  }
  const { line, column = 1 } = placeOf(error, template);
  const at = line === undefined ? "" : `:${line}`;
  return diagnose(
    RENDER_CODES.templateBroken,
    `${template.file}${at} could not be rendered: ${explain(error)}. Correct the template, or remove it so that the built-in one is used.`,
    {
      at: {
        file: template.file,
        ...(line === undefined ? {} : { range: { line, column, end_line: line, end_column: column + 1 } }),
      },
    },
  );
}

/** Renders a template over plain data. Line ends come out as `\n`. Whatever goes wrong is a diagnostic with its place. */
export function renderTemplate(
  template: TemplateText,
  data: Readonly<Record<string, unknown>>,
  helpers: Readonly<Record<string, TemplateHelper>>,
): Outcome<string> {
  const text = template.text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
  if (text.length > MAX_TEMPLATE_LENGTH) {
    const detail = `${template.file} has ${text.length} characters, and a template may have ${MAX_TEMPLATE_LENGTH}. Replace it by a shorter one.`;
    return {
      value: undefined,
      diagnostics: [diagnose(RENDER_CODES.templateEndless, detail, { at: { file: template.file } })],
    };
  }
  try {
    const known = Object.fromEntries(Object.keys(helpers).map((name) => [name, true]));
    const run = makeEnvironment(helpers).compile(text, {
      strict: true,
      noEscape: true,
      knownHelpers: known,
      knownHelpersOnly: true,
    });
    const output = run(data, { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false });
    return { value: output, diagnostics: [] };
  } catch (error) {
    return { value: undefined, diagnostics: [failure(error, template)] };
  }
}
