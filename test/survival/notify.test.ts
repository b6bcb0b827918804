// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { describe, expect, it } from "vitest";
import { startApply, stepFrom } from "../rig/applying.ts";
import { type Fault, faultEnvironment } from "../rig/faults.ts";
import { startServer, withHooks } from "../rig/hook-server.ts";
import { longQuickstart, trainerOf } from "../rig/long-quickstart.ts";
import { makeQuickstart } from "../rig/project.ts";

/** Who is told of runs that nobody watched to their end: once, whoever puts them in order. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];

describe("whoever sees the end of a run tells of it", () => {
  const hooks = withHooks("  - url: ${HOOK_URL}\n    on: [started, stopped, failed, finished]");

  /** A run whose runner and trainer were killed, with a server that is told of it. */
  async function killedWhileTraining() {
    const server = await startServer();
    const project = await longQuickstart();
    await project.write(FILE, hooks(await project.read(FILE)));
    const environment = { HOOK_URL: server.url };
    const first = startApply(project, FILE, { environment });
    await first.until(stepFrom(2));
    const trainer = await trainerOf(project);
    first.process.kill("SIGKILL");
    await first.ended;
    process.kill(-trainer, "SIGKILL");
    return { server, project, environment };
  }

  it("also a second runner that took up the first one's trainer, once for each event", async () => {
    const server = await startServer();
    const project = await longQuickstart();
    await project.write(FILE, hooks(await project.read(FILE)));
    const environment = { HOOK_URL: server.url };
    const first = startApply(project, FILE, { environment });
    await first.until(stepFrom(2));
    first.process.kill("SIGKILL");
    await first.ended;
    const second = startApply(project, FILE, { environment });
    await second.until(stepFrom(3));
    second.process.kill("SIGTERM");
    expect(await second.ended).toBe(85);
    expect(server.got.map(({ event, outcome }) => [event, outcome])).toEqual([
      ["started", undefined],
      ["stopped", "stopped"],
    ]);
    expect(new Set(server.got.map(({ run }) => run)).size).toBe(1);
  });

  it("and whatever command puts in order what nobody watched, once", async () => {
    const { server, project, environment } = await killedWhileTraining();
    await project.run(["prune", FILE, "--auto-approve"], { environment });
    await project.run(["attach", FILE], { environment });
    expect(server.got.map(({ event }) => event)).toEqual(["started", "failed"]);
  });

  /** Just after the end is written down, and before anybody is told of it. */
  const WRITTEN: Fault = { site: "rename result.json", occurrence: 1, how: "kill after" };

  it("also after a runner that was killed between the end and the telling, once", async () => {
    const server = await startServer();
    const project = await makeQuickstart(hooks);
    const environment = { HOOK_URL: server.url };
    const killed = startApply(project, FILE, {
      environment: { ...environment, ...faultEnvironment(project.path("calls"), WRITTEN) },
    });
    expect(await killed.ended).toBeUndefined();
    expect(server.got.map(({ event }) => event)).toEqual(["started"]);
    // Nothing is left to do but that.
    for (let times = 0; times < 2; times += 1) expect((await project.run(APPLY, { environment })).exitCode).toBe(0);
    expect(server.got.map(({ event }) => event)).toEqual(["started", "finished"]);
    expect(server.got[1]).toMatchObject({ run: server.got[0]?.run, outcome: "finished", stage: "train", step: 96 });
    expect((await project.list(".wan22/runs")).filter((name) => name.includes("untold"))).toEqual([]);
  });

  it("also after one that was killed while it put in order what nobody watched, once", async () => {
    const { server, project, environment } = await killedWhileTraining();
    const faulty = { ...environment, ...faultEnvironment(project.path("calls"), WRITTEN) };
    expect((await project.run(["prune", FILE, "--auto-approve"], { environment: faulty })).exitCode).toBeUndefined();
    expect(server.got.map(({ event }) => event)).toEqual(["started"]);
    for (let times = 0; times < 2; times += 1) await project.run(["attach", FILE], { environment });
    await project.run(["prune", FILE, "--auto-approve"], { environment });
    expect(server.got.map(({ event }) => event)).toEqual(["started", "failed"]);
  });

  it("and of a trainer that was killed while nobody watched, the next apply", async () => {
    const { server, project, environment } = await killedWhileTraining();
    expect(await startApply(project, FILE, { environment }).ended).toBe(0);
    expect(server.got.map(({ event }) => event).sort()).toEqual(["failed", "finished", "started", "started"]);
    expect(server.got.find(({ event }) => event === "failed")).toMatchObject({
      stage: "train",
      message: "Its process is gone and left no word about its end.",
    });
  });
});
