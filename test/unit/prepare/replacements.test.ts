import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readTemplatesAndPresets } from "../../../src/prepare/replacements.ts";

const place = { file: "wan22.yaml", range: { line: 2, column: 12, end_line: 2, end_column: 15 } };

/** Reads a project whose `templates: own` holds these files; a name that ends in a slash is a folder. */
async function read(files: Readonly<Record<string, string | Uint8Array>>, unset: readonly string[] = []) {
  const root = await mkdtemp(join(tmpdir(), "wan22-own-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const folder = name.endsWith("/") ? name : dirname(name);
    await mkdir(join(root, folder), { recursive: true });
    if (!name.endsWith("/")) await writeFile(join(root, name), content);
  }
  return readTemplatesAndPresets({ written: "own", path: "own", place, unset }, root);
}

describe("a project's own templates and presets", () => {
  it("a file of the same name takes the place of the built-in one, the others stay", async () => {
    const { templates, presets, diagnostics, texts } = await read({
      "own/train.args.hbs": "mine",
      "own/README.md": "",
    });
    expect(diagnostics).toEqual([]);
    expect(presets).toBeDefined();
    expect(templates["train.args.hbs"]).toEqual({ file: "own/train.args.hbs", text: "mine" });
    expect(templates["cache-text.args.hbs"]?.file).toBe("templates/cache-text.args.hbs");
    expect(texts.get("own/train.args.hbs")).toBe("mine");
  });

  it.each([
    ["a folder that is not there", {}, "own cannot be used: there is no such folder."],
    ["a file instead of a folder", { own: "" }, "own cannot be used: it is not a folder."],
    [
      "a folder under a template's name",
      { "own/dataset.toml.hbs/": "" },
      "own/dataset.toml.hbs cannot be used: it is a folder, not a file.",
    ],
    [
      "a file instead of the folder of presets",
      { "own/presets": "" },
      "own/presets cannot be used: it is not a folder.",
    ],
    [
      "a template that is not UTF-8",
      { "own/train.args.hbs": new Uint8Array([0xff, 0xfe]) },
      "own/train.args.hbs cannot be used: it is not UTF-8 text.",
    ],
    [
      "a preset of gigabytes",
      { "own/presets/tiers.yaml": new Uint8Array(4 * 1024 * 1024 + 1) },
      "own/presets/tiers.yaml cannot be used: it is larger than 4 MiB.",
    ],
  ])("%s is an error where `templates` stands", async (_, files, detail) => {
    const { presets, diagnostics } = await read(files);
    expect(presets).toBeUndefined();
    expect(diagnostics).toMatchObject([{ code: "P33", severity: "error", ...place, path: "templates" }]);
    expect(diagnostics[0]?.detail).toContain(detail);
  });

  it.each([
    ["own/presets/tier.yaml", "own/presets/tier.yaml is not used. Did you mean tiers.yaml?"],
    ["own/trian.args.hbs", "own/trian.args.hbs is not used. Did you mean train.args.hbs?"],
    ["own/tiers.yaml", "own/tiers.yaml is not used. The names here are dataset.toml.hbs, "],
  ])("a file that replaces nothing, %s, is a warning", async (name, detail) => {
    const { presets, diagnostics } = await read({ [name]: "" });
    expect(presets).toBeDefined();
    expect(diagnostics).toMatchObject([{ code: "P34", severity: "warning" }]);
    expect(diagnostics[0]?.detail).toContain(detail);
  });

  it("a byte-order mark does not count, and an unset variable is not a folder", async () => {
    expect((await read({ "own/train.args.hbs": "\ufeffmine" })).templates["train.args.hbs"]?.text).toBe("mine");
    expect((await read({}, ["HERE"])).diagnostics).toEqual([]);
  });
});
