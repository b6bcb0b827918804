import { chmod, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { delimiter } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { type QueueList, queueListSchema } from "../../src/core/queue.ts";
import { stateSchema } from "../../src/core/state/state.ts";
import { type Applying, startApply, stepFrom } from "../rig/applying.ts";
import { isAlive, pidIn } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** Several pipelines in one `apply`: side by side on GPUs that are shared out, and a queue that can be looked at and reordered. */

interface Farm {
  readonly project: Project;
  readonly environment: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly run: (...args: readonly string[]) => ReturnType<Project["run"]>;
  readonly queues: () => Promise<QueueList["queues"]>;
  readonly apply: (names: readonly string[], ...args: readonly string[]) => Applying;
}

const fileOf = (name: string) => `pipelines/${name}.yaml`;

/** Pipelines on the same clips, each with an output of its own; `edit` by name. */
async function makeFarm(
  names: readonly string[],
  edit: (yaml: string, name: string) => string = (yaml) => yaml,
): Promise<Farm> {
  const project = await makeQuickstart();
  const yaml = await project.read("pipelines/quickstart.yaml");
  for (const name of names) {
    const own = yaml.replace("name: quickstart", `name: ${name}`).replace("output/quickstart", `output/${name}`);
    await project.write(fileOf(name), edit(own, name));
  }
  const environment = { XDG_STATE_HOME: project.path("home") };
  const run = (...args: readonly string[]) => project.run(args, { environment });
  return {
    project,
    environment,
    files: names.map(fileOf),
    run,
    queues: async () =>
      queueListSchema.parse(JSON.parse((await run("status", "--queue", "--format", "json")).stdout)).queues,
    apply: ([first = "", ...others], ...args) =>
      startApply(project, fileOf(first), { args: [...others.map(fileOf), ...args], environment }),
  };
}

/** One that is at work until it is stopped. */
const endless = (yaml: string) =>
  yaml.replace("max_train_epochs: 4", "max_train_epochs: 3000\n  save_every_n_epochs: 1000");

/** Halts a trainer, so that it is there still when a test comes to it; it goes on by what comes back. */
async function holdTrainer({ project }: Farm, name: string): Promise<() => void> {
  const state = stateSchema.parse(JSON.parse(await project.read(`.wan22/state/${name}.json`)));
  const pid = pidIn(state);
  process.kill(pid, "SIGSTOP");
  const goOn = () => void process.kill(pid, "SIGCONT");
  onTestFinished(() => {
    if (isAlive(pid)) goOn();
  });
  return goOn;
}

const of = (name: string, test: (event: ApplyEvent) => boolean) => (event: ApplyEvent) =>
  event.pipeline === name && test(event);
const started = (event: ApplyEvent) => event.type === "run-started";
const ended = (event: ApplyEvent) => event.type === "run-ended";
const order = (events: readonly ApplyEvent[], test: (event: ApplyEvent) => boolean) =>
  events.filter(test).map(({ pipeline }) => pipeline);
const statuses = (queue: QueueList["queues"][number] | undefined) =>
  (queue?.entries ?? []).map(({ name, status }) => `${name} ${status}`);

describe("apply --gpus", () => {
  it("works on as many pipelines at a time as there are cards, and each comes to what it comes to alone", async () => {
    const names = ["ant", "bee", "cat"];
    const farm = await makeFarm(names);
    const plan = await farm.run("plan", "--gpus", "0,1", ...farm.files);
    expect(plan.stdout.replace(/\s+/g, " ")).toContain("on GPU 0 or 1, whichever is free first");
    expect(plan.stdout).toContain("wan22 apply --gpus 0,1 pipelines/ant.yaml");

    const { events, ended: over } = farm.apply(names, "--gpus", "0,1");
    expect(await over).toBe(0);

    expect(order(events, started)).toEqual(names);
    const firstEnd = events.findIndex(ended);
    expect(order(events.slice(0, firstEnd), started)).toEqual(["ant", "bee"]);
    for (const name of names) {
      const gpus = events
        .filter(of(name, ({ type }) => type === "stage-started"))
        .map((event) => "gpus" in event && event.gpus);
      expect(new Set(gpus.map(String)).size, `one card for all stages of ${name}`).toBe(1);
      const state = stateSchema.parse(JSON.parse(await farm.project.read(`.wan22/state/${name}.json`)));
      expect(state.stages.train?.gpus).toEqual(gpus[0]);
    }
    const alone = await makeFarm(["ant"]);
    expect((await alone.run("apply", "--auto-approve", fileOf("ant"))).exitCode).toBe(0);
    const bytes = ({ project }: Farm) => readFile(project.path("output/ant/ant.safetensors"));
    expect((await bytes(farm)).equals(await bytes(alone))).toBe(true);
    expect((await farm.run("plan", "--detailed-exitcode", "--gpus", "0,1", ...farm.files)).exitCode).toBe(0);
    expect(await farm.queues()).toEqual([]);

    // Left by a runner that was killed, and whatever was in it is done by now.
    const entry = { name: "ant", project: farm.project.folder, file: fileOf("ant"), status: "waiting" };
    const owner = { pid: 1, boot_id: "", start_time: "", who: "ada" };
    const dead = { version: 1, owner, since: 1, folder: farm.project.folder, entries: [entry] };
    await farm.project.write(`home/wan22/queues/${hostname()}/1-1.json`, JSON.stringify(dead));
    expect(await farm.queues()).toMatchObject([{ alive: false }]);
    expect((await farm.run("apply", "--auto-approve", fileOf("ant"))).exitCode).toBe(0);
    expect(await farm.queues()).toEqual([]);
  });

  it("one that fails fails alone", async () => {
    const farm = await makeFarm(["ant", "bee", "cat"], (yaml, name) =>
      name === "ant" ? yaml.replace("backend: rehearsal", "backend: rehearsal\n  python: ../broken") : yaml,
    );
    await farm.project.write("broken", '#!/bin/sh\ncase $1 in -c) exec python3 "$@";; esac\nexit 9\n');
    await chmod(farm.project.path("broken"), 0o755);
    const { exitCode, stderr } = await farm.run("apply", "--auto-approve", "--gpus", "0,1", ...farm.files);
    expect(exitCode).toBe(6);
    expect(stderr).toMatch(/^error\[A\d+\].*\n +--> pipelines\/ant\.yaml$/m);
    for (const name of ["bee", "cat"]) {
      expect(await farm.project.list(`output/${name}`)).toContain(`${name}.safetensors`);
    }
  });

  it("a pipeline that names its card gets that one, and one that names a card left out is refused at its line", async () => {
    const farm = await makeFarm(["ant", "bee"], (yaml, name) =>
      name === "ant" ? yaml.replace("hardware: entry", "hardware: entry\ngpus: [1]") : yaml,
    );
    const { events, ended: over } = farm.apply(["bee", "ant"], "--gpus", "0,1");
    expect(await over).toBe(0);
    const cards = (name: string) => events.filter(of(name, ({ type }) => type === "stage-started"));
    // Its caches are those that bee encodes.
    expect(cards("ant")).toMatchObject([{ stage: "train", gpus: [1] }]);
    expect(cards("bee")).toMatchObject([{ gpus: [0] }, { gpus: [0] }, { gpus: [0] }]);
    const { exitCode, stdout } = await farm.run("plan", "--gpus", "0", ...farm.files);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/R27[\s\S]*pipelines\/ant\.yaml:8/);
  });

  it("all is what nvidia-smi shows; a card that it does not show is refused, and so is a word that is none", async () => {
    const farm = await makeFarm(["ant"]);
    await farm.project.write(
      "bin/nvidia-smi",
      "#!/bin/sh\necho '0, NVIDIA GeForce RTX 4090, 24564'\necho '3, NVIDIA GeForce RTX 4080, 16376'\n",
    );
    await chmod(farm.project.path("bin/nvidia-smi"), 0o755);
    const environment = { ...farm.environment, PATH: `${farm.project.path("bin")}${delimiter}${process.env.PATH}` };
    const plan = (gpus: string) => farm.project.run(["plan", "--gpus", gpus, fileOf("ant")], { environment });
    expect((await plan("all")).stdout.replace(/\s+/g, " ")).toContain("on GPU 0 or 3, whichever is free first");
    expect(await plan("0,7")).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/A44[\s\S]*names 7/) });
    expect(await plan("one")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("numbers as nvidia-smi counts"),
    });
    // Under `auto` the plan is for the smallest of them: it fits on whichever is free.
    await farm.project.write(
      fileOf("ant"),
      (await farm.project.read(fileOf("ant"))).replace("hardware: entry", "hardware: auto"),
    );
    expect((await plan("all")).stdout.replace(/\s+/g, " ")).toMatch(/RTX 4080/);
    expect((await farm.run("plan", "--gpus", "all", fileOf("ant"))).stderr).toMatch(/A44[\s\S]*shows none/);
  });

  it("a saved plan holds the cards that it was made with", async () => {
    const farm = await makeFarm(["ant", "bee"]);
    expect((await farm.run("plan", "--gpus", "2,3", "--out", "two.plan", ...farm.files)).exitCode).toBe(0);
    expect((await farm.run("apply", "--auto-approve", "--gpus", "0", "two.plan")).exitCode).toBe(1);
    const { events, ended: over } = startApply(farm.project, "two.plan", { environment: farm.environment });
    expect(await over).toBe(0);
    const cards = events.flatMap((event) => (event.type === "stage-started" ? event.gpus : []));
    expect(new Set(cards)).toEqual(new Set([2, 3]));
    expect((await farm.run("apply", "--auto-approve", "two.plan")).exitCode).toBe(0);
  });
});

describe("the queue", () => {
  it("is looked at and reordered while it is at work, and what waits is stopped before its turn", async () => {
    const names = ["ant", "bee", "cat", "dog"];
    const farm = await makeFarm(names, (yaml, name) => (name === "ant" ? endless(yaml) : yaml));
    const applying = farm.apply(names, "--gpus", "0");
    await applying.until(of("ant", stepFrom(1)));

    const [queue] = await farm.queues();
    expect(queue).toMatchObject({ alive: true, pool: [0], folder: farm.project.folder });
    expect(statuses(queue)).toEqual(["ant running", "bee waiting", "cat waiting", "dog waiting"]);
    expect((await farm.run("status", "bee", "cat")).stdout.replace(/\s+/g, " ")).toMatch(
      /bee: .* waits in the queue of process \d+, as number 1 .*cat: .* as number 2/,
    );
    const first = await farm.run("reorder", "dog");
    expect(first).toMatchObject({ exitCode: 0 });
    expect(first.stdout).toMatch(/> +ant[\s\S]*1 +dog[\s\S]*2 +bee[\s\S]*3 +cat/);
    expect((await farm.run("reorder", fileOf("bee"), "--after", "cat")).exitCode).toBe(0);
    expect(statuses((await farm.queues())[0])).toEqual(["ant running", "dog waiting", "cat waiting", "bee waiting"]);
    expect(await farm.run("reorder", "cat", "--before", "cat")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("before or after itself"),
    });
    expect((await farm.run("reorder", "cat", "cat", "--before", "bee")).exitCode).toBe(0);
    expect(statuses((await farm.queues())[0])).toEqual(["ant running", "dog waiting", "cat waiting", "bee waiting"]);
    expect(await farm.run("reorder", "ant")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("A45") });

    expect((await farm.run("stop", "cat")).exitCode).toBe(0);
    await expect.poll(async () => statuses((await farm.queues())[0])).toContain("cat ended");
    // Nobody else's any more: it can be applied by itself meanwhile.
    expect((await farm.run("apply", "--auto-approve", fileOf("cat"))).exitCode).toBe(0);

    expect((await farm.run("stop", "ant")).exitCode).toBe(85);
    expect(await applying.ended).toBe(85);
    expect(order(applying.events, started)).toEqual(["ant", "dog", "bee"]);
    expect(await farm.queues()).toEqual([]);
  });

  it("begins what is put first at once where a card is free, which is what was asked", async () => {
    // bee waits for both cards, and keeps the free one from whoever comes after it.
    const farm = await makeFarm(["ant", "bee", "cat"], (yaml, name) => {
      const written = name === "bee" ? yaml.replace("hardware: entry", "hardware: entry\ngpus: [0, 1]") : yaml;
      return endless(written);
    });
    const applying = farm.apply(["ant", "bee", "cat"], "--gpus", "0,1");
    await applying.until(of("ant", stepFrom(1)));
    const first = await farm.run("reorder", "cat", "--first");
    expect(first.exitCode, first.stderr).toBe(0);
    await applying.until(of("cat", started));
    const last = await farm.run("reorder", "cat", "--last");
    expect(last).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("A45") });
    expect((await farm.run("stop")).exitCode).toBe(85);
    expect(await applying.ended).toBe(85);
    expect(order(applying.events, started)).toEqual(["ant", "cat"]);
  });

  it("what moved while it waited is not begun, and costs the others nothing", async () => {
    const names = ["ant", "bee", "cat"];
    const farm = await makeFarm(names, (yaml, name) => (name === "ant" ? endless(yaml) : yaml));
    const applying = farm.apply(names);
    await applying.until(of("ant", stepFrom(1)));
    await farm.project.write(
      fileOf("bee"),
      (await farm.project.read(fileOf("bee"))).replace("network_dim: 16", "network_dim: 8"),
    );
    expect((await farm.run("stop", "ant")).exitCode).toBe(85);
    await applying.ended;
    const { stderr } = await applying.process;
    expect(stderr).toMatch(/A40[\s\S]*bee waited for its turn/);
    expect(order(applying.events, started)).toEqual(["ant", "cat"]);
  });

  it("outlives its process as a list: the next apply attaches to what runs, on its card, and takes up the rest", async () => {
    const names = ["ant", "bee", "cat"];
    const farm = await makeFarm(names, (yaml, name) =>
      name === "cat" ? yaml : yaml.replace("max_train_epochs: 4", "max_train_epochs: 25\n  save_every_n_epochs: 25"),
    );
    const killed = farm.apply(names, "--gpus", "0,1");
    const holdAtOnce = async (name: string) => {
      await killed.until(of(name, stepFrom(1)));
      return holdTrainer(farm, name);
    };
    const goOn = await Promise.all([holdAtOnce("ant"), holdAtOnce("bee")]);
    killed.process.kill("SIGKILL");
    await killed.ended;
    const { stdout } = await farm.run("status", "--queue");
    expect(stdout.replace(/\s+/g, " ")).toContain(
      "Take it up with: wan22 apply --gpus 0,1 pipelines/ant.yaml pipelines/bee.yaml pipelines/cat.yaml",
    );
    // In another order, so that a card given by the order alone would be the wrong one.
    const again = farm.apply(["cat", "bee", "ant"], "--gpus", "0,1");
    const attached = (name: string) => of(name, (event) => event.type === "stage-started" && event.attached);
    await Promise.all([again.until(attached("ant")), again.until(attached("bee"))]);
    for (const wake of goOn) wake();
    expect(await again.ended).toBe(0);
    expect(again.events.find(attached("ant"))).toMatchObject({ gpus: [0] });
    expect(again.events.find(attached("bee"))).toMatchObject({ gpus: [1] });
    for (const name of names) expect(await farm.project.list(`output/${name}`)).toContain(`${name}.safetensors`);
    expect(await farm.queues()).toEqual([]);
  });

  it("of one in the background is the same", async () => {
    const names = ["ant", "bee", "cat"];
    const farm = await makeFarm(names, endless);
    const detached = await farm.run("apply", "--auto-approve", "--detach", "--gpus", "0", ...farm.files);
    expect(detached.exitCode, detached.stderr).toBe(85);
    const first = await farm.run("reorder", "cat", "--first");
    expect(first.exitCode, first.stderr).toBe(0);
    expect(statuses((await farm.queues())[0])).toEqual(["ant running", "cat waiting", "bee waiting"]);
    expect((await farm.run("stop")).exitCode).toBe(85);
    await expect.poll(() => farm.queues()).toEqual([]);
  });
});

it("a queue whose runner was killed can be dismissed: reorder says that it is gone, and stop takes out what waits", async () => {
  const farm = await makeFarm(["ant", "dog"], endless);
  onTestFinished(async () => void (await farm.run("stop", "--now")));
  const applying = farm.apply(["ant", "dog"]);
  await applying.until(of("ant", stepFrom(1)));
  applying.process.kill("SIGKILL");
  await applying.ended;
  const pid = applying.process.pid;

  const reorder = await farm.run("reorder", "dog", "--first");
  expect(reorder.exitCode).toBe(1);
  const said = reorder.stderr.replace(/\s+/g, " ");
  expect(said).toContain(`error[A122]`);
  expect(said).toContain(`dog waits in the queue of process ${pid}, which is gone`);
  expect(said).toContain("`wan22 apply pipelines/ant.yaml pipelines/dog.yaml`");

  const stop = await farm.run("stop", "dog");
  expect(stop.exitCode).toBe(0);
  expect(stop.stderr).toContain(`dog is taken out of the queue of process ${pid}, which is gone.`);
  expect(stop.stderr).not.toContain("Nothing runs");
  expect(statuses((await farm.queues())[0])).toEqual(["ant running"]);
  await farm.run("stop", "ant");
  expect(await farm.queues()).toEqual([]);
});
