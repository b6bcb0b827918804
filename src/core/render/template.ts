import Handlebars from "handlebars/dist/cjs/handlebars.js";
import { type Diagnostic, diagnose, type Outcome } from "../diagnostic.ts";
import { groupDigits } from "../digits.ts";
import { RENDER_CODES } from "./codes.ts";

/**
 * Runs a user's Handlebars template over plain data, and nothing else: no files, no prototypes, no partials (so no
 * recursion), no helpers but those given and `each`, `if`, `unless`, `with`; and never more than a bounded output and work.
 */

/** Longest template and longest output, in characters. The built-in templates have about a thousand. */
const MAX_TEMPLATE_LENGTH = 65_536;
const MAX_OUTPUT_LENGTH = 16_777_216;
/**
 * Characters of template that its loops may go through, a round counting as long as its block: tags that write nothing take
 * time too, a microsecond or two each. The built-in ones go through seven million of them for ten thousand sources.
 */
const MAX_WORK = 8_388_608;
/** Handlebars takes minutes over thousands of blocks, one inside the other. The built-in templates have a dozen. */
const MAX_BLOCKS = 256;
const MAX_TAGS = 4096;

export interface TemplateText {
  readonly file: string;
  readonly text: string;
  /** What `precompileTemplate` made of the same text, evaluated: the build spares each start the compiling. */
  readonly compiled?: TemplateSpecification | undefined;
}

/** A function that a template can call with one value; it returns the text to insert, or throws with a reason. */
export type TemplateHelper = (value: unknown) => string;
export type TemplateHelpers = Readonly<Record<string, TemplateHelper>>;

/** Whatever a template names has to be there, and nothing is escaped as for HTML. */
function compileOptions(helpers: TemplateHelpers) {
  const knownHelpers = Object.fromEntries(Object.keys(helpers).map((name) => [name, true]));
  return { strict: true, noEscape: true, knownHelpersOnly: true, knownHelpers };
}

function plainText(text: string): string {
  return text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
}

/** A template as the JavaScript source of a `TemplateSpecification`. Throws what Handlebars throws on a broken one. */
export function precompileTemplate(text: string, helpers: TemplateHelpers): string {
  return String(Handlebars.precompile(plainText(text), compileOptions(helpers)));
}

/** Its message is a clause: what the template does too much of. */
class TooMuch extends Error {}

/** What one rendering has written and gone through so far in its loops. */
interface Budget {
  written: number;
  worked: number;
}

function refuseLongOutput(length: number): void {
  if (length > MAX_OUTPUT_LENGTH) throw new TooMuch(`writes more than ${groupDigits(MAX_OUTPUT_LENGTH)} characters`);
}

/** Stands in the way of nested loops: every round is counted, by what it goes through and by what it writes. */
function countEach(environment: typeof Handlebars, template: string, budget: Budget): void {
  const each = environment.helpers.each;
  if (each === undefined) return;
  const offsetOf = offsetReader(template);
  environment.registerHelper("each", function (this: unknown, context: unknown, options: Handlebars.HelperOptions) {
    const { start, end } = spanOfCall(options);
    const length = start === undefined || end === undefined ? template.length : offsetOf(end) - offsetOf(start);
    const counted: Handlebars.HelperOptions = {
      ...options,
      fn: (inner, runtime) => {
        budget.worked += length;
        if (budget.worked > MAX_WORK) {
          throw new TooMuch(`goes through more than ${groupDigits(MAX_WORK)} characters of its loops`);
        }
        const text = options.fn(inner, runtime);
        budget.written += text.length;
        refuseLongOutput(budget.written);
        return text;
      },
    };
    return each.call(this, context, counted);
  });
}

/** Turns Handlebars' places, with lines from 1 and columns from 0, into offsets. */
function offsetReader(text: string): (position: Position) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return ({ line, column }) => (starts[line - 1] ?? text.length) + column;
}

/** Why a template is refused before Handlebars sees it, as a clause; undefined where it is not. */
function whyTooLarge(text: string): string | undefined {
  if (text.length > MAX_TEMPLATE_LENGTH) {
    return `has ${text.length} characters, and a template may have ${MAX_TEMPLATE_LENGTH}`;
  }
  const tags = text.match(/\{\{/g)?.length ?? 0;
  const blocks = text.match(/\{\{~?\s*[#^]/g)?.length ?? 0;
  if (blocks > MAX_BLOCKS) return `has ${blocks} blocks, and a template may have ${MAX_BLOCKS}`;
  return tags > MAX_TAGS ? `has ${tags} tags, and a template may have ${MAX_TAGS}` : undefined;
}

/** A copy without prototypes, so that a name that is not in the data is nowhere. Handlebars puts it into messages as a text. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = Object.create(null);
  Object.defineProperty(copy, Symbol.toPrimitive, { value: () => "the data of this place" });
  for (const [key, inner] of Object.entries(value)) copy[key] = bare(inner);
  return copy;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the tag, or the block, stands that called a helper, which Handlebars tells the helper alone. */
function spanOfCall(options: unknown): { readonly start?: Position | undefined; readonly end?: Position | undefined } {
  const loc = typeof options === "object" && options !== null && "loc" in options ? options.loc : undefined;
  if (typeof loc !== "object" || loc === null) return {};
  return {
    start: "start" in loc ? asPosition(loc.start) : undefined,
    end: "end" in loc ? asPosition(loc.end) : undefined,
  };
}

function asPosition(value: unknown): Position | undefined {
  if (typeof value !== "object" || value === null || !("line" in value) || !("column" in value)) return undefined;
  const { line, column } = value;
  return typeof line === "number" && typeof column === "number" ? { line, column } : undefined;
}

/** An error with the line it belongs to, as Handlebars' own have it. */
function failAt(options: unknown, message: string): Error {
  return Object.assign(new Error(message), { lineNumber: spanOfCall(options).start?.line });
}

function makeEnvironment(helpers: TemplateHelpers, template: string, budget: Budget): typeof Handlebars {
  const environment = Handlebars.create();
  environment.unregisterHelper("log");
  environment.unregisterHelper("lookup");
  // Inline partials could call themselves.
  environment.unregisterDecorator("inline");
  countEach(environment, template, budget);
  for (const [name, helper] of Object.entries(helpers)) {
    environment.registerHelper(name, (...given: unknown[]) => {
      const options = given.at(-1);
      if (given.length !== 2) throw failAt(options, `the helper \`${name}\` takes exactly one value`);
      try {
        return helper(given[0]);
      } catch (error) {
        throw failAt(options, error instanceof Error ? error.message : String(error));
      }
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

/** Handlebars' own messages, and what they mean to the writer of a template. */
const MEANINGS: readonly (readonly [RegExp, (name: string) => string])[] = [
  [
    /^The partial .* could not be found/,
    () => "a template stands for itself and can take in no other, so `{{> …}}` is not possible",
  ],
  [/^Missing decorator: /, () => "a template can define nothing, so `{{* …}}` is not possible"],
  [/^Cannot read properties of undefined \(reading 'call'\)/, () => "something is called that is no helper"],
  [/^"(.*)" not defined in /, (name) => `there is no \`${name}\` at this place`],
  [/used the unknown helper undefined$/, () => "what is called is no helper"],
  [/used the unknown helper (.*)$/, (name) => `there is no helper \`${name}\``],
  [/^Cannot read properties of undefined \(reading 'fn'\)/, () => "a block stands where a value belongs"],
  [/^Cannot read properties of \w+ \(reading '(.*)'\)/, (name) => `what \`${name}\` is taken from is not there`],
  [/ is not a function$/, () => "something is called that is no helper"],
];

function explain(error: Error): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  const [first = "", ...rest] = error.message.split("\n");
  if (/^(?:Parse|Lexical) error on line \d+/.test(first)) return rest.at(-1) || "it is not valid Handlebars";
  const message = first.replace(/ - \d+:\d+$/, "");
  for (const [form, meaning] of MEANINGS) {
    const match = form.exec(message);
    if (match !== null) return meaning(match[1] ?? "");
  }
  return message;
}

function failure(error: unknown, template: TemplateText): Diagnostic {
  if (!(error instanceof Error)) throw error;
  if (error instanceof TooMuch) {
    return diagnose(
      RENDER_CODES.templateEndless,
      `${template.file} ${error.message}. It probably has a loop inside another one; each value is needed once.`,
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

type Run = (data: unknown) => string;

function compile({ compiled: known }: TemplateText, text: string, helpers: TemplateHelpers): Run {
  const budget: Budget = { written: 0, worked: 0 };
  const environment = makeEnvironment(helpers, text, budget);
  const run = known === undefined ? environment.compile(text, compileOptions(helpers)) : environment.template(known);
  return (data) => {
    Object.assign(budget, { written: 0, worked: 0 } satisfies Budget);
    const output = run(bare(data), { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false });
    refuseLongOutput(output.length);
    return output;
  };
}

/** Compiling takes longer than rendering, and every pipeline of a run uses the same templates with the same helpers. */
const COMPILED = new WeakMap<TemplateText, WeakMap<TemplateHelpers, Run>>();

function compiled(template: TemplateText, text: string, helpers: TemplateHelpers): Run {
  const ofTemplate = COMPILED.get(template) ?? new WeakMap<TemplateHelpers, Run>();
  COMPILED.set(template, ofTemplate);
  const run = ofTemplate.get(helpers) ?? compile(template, text, helpers);
  ofTemplate.set(helpers, run);
  return run;
}

/**
 * Renders a template over plain data; both it and the helpers are not to change afterwards. Line ends come out as `\n`.
 * Whatever goes wrong is a diagnostic with its place.
 */
export function renderTemplate(
  template: TemplateText,
  data: Readonly<Record<string, unknown>>,
  helpers: TemplateHelpers,
): Outcome<string> {
  const text = plainText(template.text);
  const large = whyTooLarge(text);
  if (large !== undefined) {
    const detail = `${template.file} ${large}. Write it with loops over what there is, as the built-in one is.`;
    return {
      value: undefined,
      diagnostics: [diagnose(RENDER_CODES.templateEndless, detail, { at: { file: template.file } })],
    };
  }
  try {
    return { value: compiled(template, text, helpers)(data), diagnostics: [] };
  } catch (error) {
    return { value: undefined, diagnostics: [failure(error, template)] };
  }
}
