import { describe, expect, test } from "vitest";
import { renderTemplate } from "../../../src/core/render/template.ts";
import { renderCase, TEMPLATES, templatesWith } from "./sample.ts";

const DATASET = "dataset.toml.hbs";
const TRAIN = "train.args.hbs";

function built(name: string): string {
  const template = TEMPLATES[name];
  if (template === undefined) throw new Error(`There is no template ${name}.`);
  return template.text;
}

/** What is said about a project's own template in place of a built-in one. */
function replaced(name: string, text: string) {
  const { value, diagnostics } = renderCase({ pipeline: ["noise: low"] }, templatesWith(name, text));
  expect(value === undefined).toBe(diagnostics.length > 0);
  return diagnostics;
}

describe("a template of the user's", () => {
  test("may look different", () => {
    const spaced = built(DATASET).replaceAll("{{@key}} = {{toml this}}", "  {{@key}}={{toml this}}   # {{@key}}");
    expect(replaced(DATASET, spaced)).toEqual([]);
    expect(replaced(DATASET, built(DATASET).replaceAll("\n", "\r\n"))).toEqual([]);
    expect(replaced(TRAIN, `${built(TRAIN).split("{{!-- How it learns. --}}").reverse().join("\n")}`)).toEqual([]);
  });

  test("that is missing is named", () => {
    const { [TRAIN]: _, ...rest } = TEMPLATES;
    const { diagnostics } = renderCase({ pipeline: ["noise: low"] }, rest);
    expect(diagnostics).toMatchObject([{ code: "X1", detail: expect.stringContaining(TRAIN) }]);
  });
});

describe("a dataset template that says something else", () => {
  const changed = (line: string) => `${built(DATASET).split("{{#each datasets}}")[0]}${line}`;

  test.each([
    [
      "drops a key",
      built(DATASET).replace("{{@key}} = {{toml this}}", "{{#unless @first}}{{@key}} = {{toml this}}{{/unless}}"),
      "X5",
      "`general.resolution` is missing; it was meant to be [1280, 720]",
    ],
    [
      "adds a key",
      built(DATASET).replace("[general]", "[general]\nnum_repeats2 = 3"),
      "X5",
      "`general.num_repeats2` was not meant to be there",
    ],
    [
      "changes a value",
      built(DATASET).replace(
        "{{@key}} = {{toml this}}\n{{/each}}\n{{#each datasets}}",
        "{{@key}} = 3\n{{/each}}\n{{#each datasets}}",
      ),
      "X5",
      "`general.resolution` is 3 (an integer), and [1280, 720] (a list of integers) was meant",
    ],
    ["drops the sources", changed(""), "X5", "`datasets[0]` is missing"],
    [
      "adds a source",
      `${built(DATASET)}[[datasets]]\nvideo_directory = "x"\n`,
      "X5",
      "There are 2 datasets, and 1 were meant",
    ],
    ["is no TOML", built(DATASET).replace("[general]", "[general"), "X4", "Line"],
    [
      "has a form that Python's reader may misread",
      built(DATASET).replace("{{@key}} = {{toml this}}", "general.{{@key}} = {{toml this}}"),
      "X4",
      "written in a form",
    ],
    ["gives a key twice", built(DATASET).replace("[general]", "[general]\nbatch_size = 1"), "X4", "Line"],
  ])("%s", (_, text, code, words) => {
    const [finding] = replaced(DATASET, text);
    expect(finding).toMatchObject({ code, file: `my-templates/${DATASET}` });
    expect(finding?.detail).toContain(words);
  });
});

describe("an arguments template that says something else", () => {
  test.each([
    [
      "drops arguments",
      "{{#each model}}{{#each words}}{{arg this}}\n{{/each}}{{/each}}",
      "X7",
      "`--dataset_config` is missing",
    ],
    ["adds one", `${built(TRAIN)}{{arg "--compile"}}\n`, "X7", "`--compile` was not meant to be given"],
    ["gives one twice", `${built(TRAIN)}{{arg "--seed"}}\n{{arg "7"}}\n`, "X7", "`--seed` is given twice"],
    [
      "gives an unknown one",
      `${built(TRAIN)}{{arg "--lerning_rate"}}\n`,
      "X7",
      "`--lerning_rate` is no argument of the script",
    ],
    [
      "writes bare words",
      built(TRAIN).replace("{{arg this}}", "{{this}}"),
      "X6",
      "Line 1 of what it renders is `--task`",
    ],
    ["joins two", built(TRAIN).replace("{{arg this}}\n", "{{arg this}} "), "X6", "Line 1"],
    ["writes a number", `${built(TRAIN)}5\n`, "X6", "is `5`"],
  ])("%s", (_, text, code, words) => {
    const [finding] = replaced(TRAIN, text);
    expect(finding).toMatchObject({ code, file: `my-templates/${TRAIN}` });
    expect(finding?.detail).toContain(words);
  });
});

describe("a template that is broken", () => {
  test.each([
    ["{{#each learning}}", 1],
    ["a\n{{/each}}", 2],
    ["{{{", 1],
    ["{{nothing_of_this_name}}", 1],
    ["{{toml nothing}}", 1],
    ["x\n{{unknown 5}}", 2],
  ])("%j says so with its line", (text, line) => {
    const [finding] = replaced(DATASET, text);
    expect(finding).toMatchObject({ code: "X2", file: `my-templates/${DATASET}`, range: { line } });
    expect(finding?.detail).toMatch(/\.$/);
  });
});

describe("a template reaches nothing but its data", () => {
  const run = (text: string, data: Readonly<Record<string, unknown>> = { list: [1, 2], map: { key: "value" } }) =>
    renderTemplate({ file: "x.hbs", text }, data, { show: (value) => JSON.stringify(value) ?? "undefined" });

  test.each([
    "{{constructor}}",
    "{{map.constructor}}",
    "{{map.__proto__}}",
    "{{show map.constructor.prototype}}",
    "{{list.constructor.constructor}}",
    '{{lookup map "constructor"}}',
    '{{log "x"}}',
    '{{#with (lookup this "constructor")}}{{this}}{{/with}}',
    "{{> file}}",
    "{{> (show list)}}",
    '{{#*inline "again"}}{{> again}}{{/inline}}{{> again}}',
    "{{@root.constructor.name}}",
    "{{#each list}}{{../constructor.name}}{{/each}}",
    "{{helperMissing}}",
    "{{#blockHelperMissing list}}{{/blockHelperMissing}}x{{constructor.name}}",
  ])("%s", (text) => {
    const { value, diagnostics } = run(text);
    expect({ value, codes: diagnostics.map(({ code }) => code) }).toEqual({ value: undefined, codes: ["X2"] });
  });

  test.each([
    "{{list.map}}",
    "{{list.constructor}}",
    "{{list.__proto__}}",
    "{{#with map.constructor}}{{name}}{{/with}}",
  ])("%s is empty", (text) => {
    expect(run(text).value).toBe("");
  });

  test("and ends, however its loops are nested", () => {
    const list = Array.from({ length: 100 }, (_, index) => index);
    const nested = `${"{{#each @root.list}}".repeat(6)}x${"{{/each}}".repeat(6)}`;
    const empty = "{{#each @root.list}}".repeat(6) + "{{/each}}".repeat(6);
    expect(run(nested, { list }).diagnostics).toMatchObject([{ code: "X3" }]);
    expect(run(empty, { list }).diagnostics).toMatchObject([{ code: "X3" }]);
  });

  test("and costs no more for tags that write nothing", () => {
    const list = Array.from({ length: 60 }, (_, index) => index);
    const nested = (body: string) => `${"{{#each @root.list}}".repeat(4)}${body}${"{{/each}}".repeat(4)}`;
    let calls = 0;
    const { diagnostics } = renderTemplate(
      { file: "x.hbs", text: nested("{{#if (show 1)}}{{/if}}".repeat(240)) },
      { list },
      {
        show: () => {
          calls += 1;
          return "";
        },
      },
    );
    expect(diagnostics).toMatchObject([{ code: "X3", detail: expect.stringContaining("goes through more than") }]);
    expect(calls).toBeLessThan(400_000);
  });

  test("and goes through as many sources as anybody has", () => {
    const datasets = Array.from({ length: 10_000 }, (_, index) =>
      Object.fromEntries(Array.from({ length: 12 }, (_, key) => [`key_${key}`, index])),
    );
    const text = built(DATASET).replaceAll("toml this", "show this");
    expect(run(text, { general: {}, datasets }).diagnostics).toEqual([]);
  });

  test.each([
    ["{{> file}}", "a template stands for itself and can take in no other"],
    ['{{#*inline "again"}}{{/inline}}', "a template can define nothing"],
    ["{{blockHelperMissing}}", "something is called that is no helper"],
    ["{{helperMissing list}}", "something is called that is no helper"],
    ['{{log "x"}}', "something is called that is no helper"],
  ])("%s is told why", (text, why) => {
    expect(run(text).diagnostics[0]?.detail).toContain(`could not be rendered: ${why}`);
  });

  test("and is refused where Handlebars would take minutes over it", () => {
    const deep = "{{#if list}}".repeat(1000) + "{{/if}}".repeat(1000);
    const wide = "{{#if list}}{{/if}}".repeat(1000);
    const many = "{{list}}".repeat(5000);
    for (const text of [deep, wide, many, "x".repeat(300_000)]) {
      expect(run(text).diagnostics).toMatchObject([{ code: "X3" }]);
    }
  });
});

test("a value that no argument can carry is named with its place", () => {
  const pipeline = ["noise: low", "train:\n  metadata_title: '--'"];
  const { diagnostics } = renderCase({ pipeline });
  expect(diagnostics).toMatchObject([{ code: "X8", file: "pipelines/fox.yaml", path: "metadata_title" }]);
  expect(diagnostics[0]?.detail).toContain("two dashes");
});
