import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStatCache } from "../../../src/host/stat-cache.ts";
import { findExecutable } from "../../../src/host/trainer/executable.ts";
import { observeTrainer } from "../../../src/host/trainer/trainer.ts";
import { folderWith, located, writeInto } from "./samples.ts";

const SCRIPT = "src/musubi_tuner/wan_train_network.py";
const CHECKOUT = { [SCRIPT]: "", "pyproject.toml": '[project]\nname = "musubi-tuner"\nversion = "0.3.4"\n' };
const VENV = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n";

/** A virtual environment as far as anyone can see who doesn't start it. */
async function addEnvironment(
  folder: string,
  name: string,
  files: readonly string[] = [],
  config = VENV,
): Promise<string> {
  await writeInto(folder, `${name}/pyvenv.cfg`, config);
  for (const file of files) await writeInto(folder, `${name}/lib/python3.11/site-packages/${file}`, "");
  return writeInto(folder, `${name}/bin/python`, "#!/bin/sh\nexit 1\n", 0o755);
}

describe("observeTrainer for Musubi", () => {
  it("reads version and commit of the checkout, and finds its own environment's Python", async () => {
    const root = await folderWith();
    for (const [name, text] of Object.entries(CHECKOUT)) await writeInto(root, `musubi/${name}`, text);
    await writeInto(root, "musubi/.git/HEAD", "30c658c0000000000000000000000000000000ab\n");
    await addEnvironment(root, "musubi/venv");
    const python = await addEnvironment(root, "musubi/.venv");
    expect(await observeTrainer({ root, backend: "musubi", path: located("musubi") })).toMatchObject({
      version: "0.3.4",
      commit: "30c658c0000000000000000000000000000000ab",
      python,
      pythonVersion: "3.11.7",
      missingModules: [],
    });
  });

  it("sees whether the lines that the bridge stands for are in its source, each exactly once", async () => {
    const script = "def main():\n    trainer = WanNetworkTrainer()\n";
    const loop = `class NetworkTrainer:
    def on_post_optimizer_step(
    def _run_training_loop(
        epoch_to_start = 0
        global_step = 0
        loss_recorder = train_utils.LossRecorder()
                loss_recorder.add(epoch=epoch, step=step, loss=current_loss)
`;
    const fits = async (text: string) => {
      const files = { [SCRIPT]: script, "src/musubi_tuner/training/trainer_base.py": text };
      return (await observeTrainer({ root: await folderWith(files), backend: "musubi", path: located(".") })).bridge;
    };
    expect(await fits(loop)).toBe("fits");
    expect(await fits(loop.replaceAll("\n", "\r\n"))).toBe("fits");
    expect(await fits(`${loop}        global_step = 0\n`)).toBe("does-not-fit");
    expect(await fits(loop.replace("epoch_to_start = 0", "epoch_to_start = args.initial_epoch"))).toBe("does-not-fit");
    expect(await fits("")).toBe("does-not-fit");
  });

  it("prefers the Python that the pipeline names", async () => {
    const root = await folderWith(CHECKOUT);
    await addEnvironment(root, ".venv");
    const python = await addEnvironment(root, "other");
    const request = { root, backend: "musubi", path: located(root) } as const;
    expect(await observeTrainer({ ...request, python: located("other/bin/python") })).toMatchObject({ python });
    expect(await observeTrainer({ ...request, python: { command: "sh" } })).toMatchObject({
      python: await findExecutable("sh"),
    });
  });

  it.each([
    ["no path", {}, "`trainer.path` doesn't say where Musubi Tuner is"],
    [
      "an unset variable",
      { path: located("$MUSUBI", ["MUSUBI"]) },
      "`trainer.path` is $MUSUBI, and `MUSUBI` is not set",
    ],
    [
      "another folder",
      { path: located("empty") },
      `\`trainer.path\` (empty) is no Musubi Tuner checkout: ${SCRIPT} is missing there`,
    ],
    ["no folder", { path: located("none") }, "`trainer.path` is none, and there is no such folder"],
    ["a file", { path: located("empty/readme") }, "`trainer.path` is empty/readme, which is a file"],
    [
      "no such Python",
      { path: located("musubi"), python: located("venv/bin/python") },
      "`trainer.python` (venv/bin/python) is no program that can be run",
    ],
    [
      "a Python that can't be run",
      { path: located("musubi"), python: located(`musubi/${SCRIPT}`) },
      `\`trainer.python\` (musubi/${SCRIPT}) is no program that can be run`,
    ],
    [
      "no such command",
      { path: located("musubi"), python: { command: "python0.9" } },
      "`trainer.python` (python0.9) is no command on this machine",
    ],
  ])("says what is wrong: %s", async (_, request, problem) => {
    const root = await folderWith({ "empty/readme": "", [`musubi/${SCRIPT}`]: "" });
    expect(await observeTrainer({ root, backend: "musubi", ...request })).toMatchObject({ problem });
  });

  it.each([
    ["without pyproject.toml", undefined],
    ["with one that is no TOML", "[project\nversion ="],
    ["with one without a version", "[project]\nname = 'x'\n"],
    ["with a version that is a number", "[project]\nversion = 3\n"],
  ])("takes a checkout %s, its version unknown", async (_, text) => {
    const root = await folderWith({ [SCRIPT]: "", ...(text === undefined ? {} : { "pyproject.toml": text }) });
    const facts = await observeTrainer({ root, backend: "musubi", path: located(".") });
    expect(facts).not.toHaveProperty("version");
    expect(facts).not.toHaveProperty("problem");
  });
});

describe("optimizer modules", () => {
  async function missing(files: readonly string[], config?: string): Promise<readonly string[]> {
    const root = await folderWith(CHECKOUT);
    await addEnvironment(root, ".venv", files, config);
    const modules = ["bitsandbytes", "prodigyopt"];
    return (await observeTrainer({ root, backend: "musubi", path: located("."), modules })).missingModules;
  }

  it("are missing where the environment's folders don't hold them", async () => {
    expect(await missing(["torch/__init__.py"])).toEqual(["bitsandbytes", "prodigyopt"]);
  });

  it("are found as packages, as files, and as compiled files", async () => {
    expect(await missing(["bitsandbytes/__init__.py", "prodigyopt.py"])).toEqual([]);
    expect(
      await missing(["bitsandbytes.cpython-311-x86_64-linux-gnu.so", "prodigyopt-1.0.dist-info/METADATA"]),
    ).toEqual(["prodigyopt"]);
  });

  it("are found where the trainer brings them itself, and where an editable install leads", async () => {
    const root = await folderWith(CHECKOUT);
    await writeInto(root, "src/prodigyopt.py", "");
    await writeInto(root, "elsewhere/bitsandbytes/__init__.py", "");
    await addEnvironment(root, ".venv", ["torch.py"]);
    const sitePackages = ".venv/lib/python3.11/site-packages";
    const request = {
      root,
      backend: "musubi",
      path: located("."),
      modules: ["bitsandbytes", "prodigyopt"],
    } as const;
    expect((await observeTrainer(request)).missingModules).toEqual(["bitsandbytes"]);
    await writeInto(root, `${sitePackages}/bnb.pth`, `import site\n${join(root, "elsewhere")}\n`);
    expect((await observeTrainer(request)).missingModules).toEqual([]);
    await writeInto(root, `${sitePackages}/bnb.pth`, "");
    await writeInto(
      root,
      `${sitePackages}/__editable___bitsandbytes_0_45_finder.py`,
      "MAPPING = {'bitsandbytes': '/x'}",
    );
    expect((await observeTrainer(request)).missingModules).toEqual([]);
  });

  it("are not called missing where that can't be seen: with the system's modules, or without an environment", async () => {
    expect(await missing([], VENV.replace("false", "true"))).toEqual([]);
    const root = await folderWith();
    const facts = await observeTrainer({
      root,
      backend: "rehearsal",
      python: { command: "sh" },
      modules: ["none"],
    });
    expect(facts.missingModules).toEqual([]);
  });
});

describe("observeTrainer for the rehearsal", () => {
  it("needs Python alone, and asks it for its version", async () => {
    const root = await folderWith();
    const python = (await findExecutable("python3")) ?? (await findExecutable("python"));
    const facts = await observeTrainer({ root, backend: "rehearsal" });
    expect(facts.python).toBe(python);
    if (python === undefined) return;
    const version = execFileSync(python, ["-c", "import platform; print(platform.python_version())"], {
      encoding: "utf8",
    });
    expect(facts.pythonVersion).toBe(/^\d+\.\d+\.\d+/.exec(version)?.[0]);
  });

  it("reads the version of virtualenv's and uv's environments where Python does not answer", async () => {
    const root = await folderWith();
    await addEnvironment(root, "v", [], "home = /usr/bin\nversion_info = 3.12.1.final.0\n");
    const facts = await observeTrainer({ root, backend: "rehearsal", python: located("v/bin/python") });
    expect(facts.pythonVersion).toBe("3.12.1");
  });
});

describe("a Python", () => {
  /** A program in Python's place, and what is found wrong with it. */
  async function problemOf(script: string): Promise<string | undefined> {
    const root = await folderWith();
    await writeInto(root, "python", `#!/bin/sh\n${script}\n`, 0o755);
    return (await observeTrainer({ root, backend: "rehearsal", python: located("python") })).problem;
  }

  it.each([
    ["is too old", "echo 3.8.10", "is Python 3.8.10, and 3.10 or newer is needed"],
    ["is of another age", "echo 2.7.18", "is Python 2.7.18, and 3.10 or newer is needed"],
    [
      "is a shim of nothing",
      "echo 'pyenv: python3.9: command not found' >&2; exit 127",
      "ends with code 127: pyenv: python3.9: command not found",
    ],
    [
      "breaks off",
      "echo 'Fatal Python error: init_fs_encoding' >&2; exit 1",
      "ends with code 1: Fatal Python error: init_fs_encoding",
    ],
    ["is none", "echo hello", "says nothing that is a version"],
  ])("that %s is a problem, told by its name", async (_what, script, problem) => {
    expect(await problemOf(script)).toBe(`\`trainer.python\` (python) ${problem}`);
  });

  it("of 3.10 or newer is none, and is asked once", async () => {
    const root = await folderWith();
    const python = await writeInto(
      root,
      "python",
      '#!/bin/sh\necho asked >> "$0.log"\necho loading cuda\necho 3.10.0\n',
      0o755,
    );
    const ask = () => {
      const statCache = openStatCache(join(root, "index.json"), { now: () => Date.now() + 60_000 });
      return observeTrainer({ root, backend: "rehearsal", python: located("python"), statCache }).then(
        async (facts) => {
          await statCache.save();
          return facts;
        },
      );
    };
    for (let time = 0; time < 3; time += 1) {
      expect(await ask()).toMatchObject({ python, pythonVersion: "3.10.0" });
      expect(await ask()).not.toHaveProperty("problem");
    }
    expect(await readFile(`${python}.log`, "utf8")).toBe("asked\n");
  });

  it("that gave a bad answer is asked again: it may hang on more than its file", async () => {
    const root = await folderWith({ version: "3.8.10" });
    await writeInto(root, "python", "#!/bin/sh\ncat version\n", 0o755);
    const statCache = openStatCache(join(root, "index.json"), { now: () => Date.now() + 60_000 });
    const ask = () => observeTrainer({ root, backend: "rehearsal", python: located("python"), statCache });
    expect((await ask()).problem).toContain("3.8.10");
    await writeInto(root, "version", "3.12.1");
    expect(await ask()).not.toHaveProperty("problem");
  });
});
