import type { DiagnosticKind } from "../diagnostic.ts";

/** What can be wrong with a template, or with a value that no template can pass on. */
export const RENDER_CODES = {
  templateMissing: {
    code: "X1",
    severity: "error",
    summary: "A template is missing",
    why: "Each stage's arguments and the dataset TOML come from a template of a fixed name.",
    mend: "Restore the file, or remove the templates folder that replaces the built-in ones.",
    example: "templates/   # of a damaged installation, without train.args.hbs",
  },
  templateBroken: {
    code: "X2",
    severity: "error",
    summary: "A template cannot be rendered",
    why: "The template is not valid Handlebars, or asks for something that is not there.",
    mend: "Correct the place named; the built-in templates show everything that a template can use.",
    example: "{{#each learning}} without {{/each}}",
  },
  templateEndless: {
    code: "X3",
    severity: "error",
    summary: "A template is larger, or writes more, than a trainer can use",
    why: "A template of thousands of blocks, or one that repeats itself over and over, would take minutes or fill the memory.",
    mend: "Keep to the loops of the built-in templates: each value is needed once.",
    example: "{{#each datasets}}{{#each ../datasets}}…{{/each}}{{/each}}",
  },
  tomlUnreadable: {
    code: "X4",
    severity: "error",
    summary: "The rendered dataset TOML cannot be read",
    why: "The trainer reads it with a TOML 0.5 parser that misreads the rarer forms, so only the plain ones are let through: a key and its value on one line, [general] and [[datasets]].",
    mend: "Write each value with the helper `toml`, as the built-in template does.",
    example: "source_fps = 30.   # in dataset.toml.hbs",
  },
  tomlDiffers: {
    code: "X5",
    severity: "error",
    summary: "The rendered dataset TOML does not say what was meant",
    why: "The plan's items and steps follow from the values meant; the trainer would do something else.",
    mend: "Correct the template, or change the value in the pipeline file instead of the template.",
    example: "num_repeats = 2   # in dataset.toml.hbs, while the pipeline says 1",
  },
  argumentsUnreadable: {
    code: "X6",
    severity: "error",
    summary: "A rendered argument is not one JSON string a line",
    why: "One string a line is what keeps a value from becoming two arguments.",
    mend: "Write each argument on a line of its own with the helper `arg`.",
    example: "--learning_rate {{value}}   # in train.args.hbs",
  },
  argumentsDiffer: {
    code: "X7",
    severity: "error",
    summary: "The rendered arguments do not say what was meant",
    why: "The plan shows and fingerprints the values meant; the trainer would run with others.",
    mend: "Correct the template, or change the value in the pipeline file instead of the template.",
    example: '{{arg "--seed"}} and {{arg "7"}} on lines of their own, while the pipeline says 42',
  },
  unpassable: {
    code: "X8",
    severity: "error",
    summary: "A value cannot be passed to the trainer",
    why: "Some characters cannot stand in an argument or in a TOML string as the trainer reads them.",
    mend: "Change the value named.",
    example: 'train:\n  network_args: ["-x", "y"]',
  },
} as const satisfies Record<string, DiagnosticKind>;
