// Loaded into `wan22` before its own code (`node --import`): makes one system call of its record-keeping fail, or kills the
// process there. What is asked comes as WAN22_FAULT (JSON: site, occurrence, how); every call is told in WAN22_FAULT_LOG.
import { appendFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const fault = JSON.parse(process.env.WAN22_FAULT ?? "{}");
const log = process.env.WAN22_FAULT_LOG;
const met = new Map();

/** The kind of file, whatever the run and the process: `state`, `backup`, `journal`, `plan`, `lock`, `cache`, `folder state`. */
function kindOf(path) {
  const inside = /\/\.wan22\/(state|runs|cache)(?:\/(.*))?$/.exec(String(path));
  if (inside === null) return undefined;
  const [, folder, rest = ""] = inside;
  const name = rest.replace(/\.[0-9a-f]{8}\.\d+\.tmp$/, "").replace(/^[^/]*\//, "");
  const isTemporary = rest.endsWith(".tmp") ? " temporary" : "";
  if (folder === "cache") return name.endsWith(".safetensors") ? `cache${isTemporary}` : undefined;
  if (folder === "runs") return /\.(?:ndjson|json|toml|log)$/.test(name) ? `${name}${isTemporary}` : `folder ${folder}`;
  if (rest === "") return `folder ${folder}`;
  const kind = /\.json\.backup/.test(name) ? "backup" : /\.json/.test(name) ? "state" : "lock";
  return `${kind}${isTemporary}`;
}

function kill() {
  process.kill(process.pid, "SIGKILL");
  // It ends while it waits for its own end.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function refuse(code, syscall, path) {
  return Object.assign(new Error(`${code}: injected, ${syscall} '${path}'`), { code, syscall, path: String(path) });
}

/** Does what was asked at this call, or does the call. `half` does a part of it. */
async function meet(call, path, real, half = real) {
  const kind = kindOf(path);
  if (kind === undefined) return real();
  const site = `${call} ${kind}`;
  const occurrence = (met.get(site) ?? 0) + 1;
  met.set(site, occurrence);
  const isAsked = fault.site === site && fault.occurrence === occurrence;
  if (log !== undefined) appendFileSync(log, `${JSON.stringify({ site, occurrence, isAsked })}\n`);
  if (!isAsked) return real();
  switch (fault.how) {
    case "kill before":
      return kill();
    case "kill after":
      await real();
      return kill();
    case "kill halfway":
      await half();
      return kill();
    // Ctrl-C at this moment, to which a process without a listener ends.
    case "interrupt":
      process.kill(process.pid, "SIGINT");
      return real();
    case "halfway":
      await half();
      throw refuse("ENOSPC", call, path);
    // Done, and the answer was lost: what NFS makes of a call that it repeats.
    case "answer lost":
      await real();
      throw refuse(call === "link" ? "EEXIST" : "ENOENT", call, path);
    default:
      throw refuse(fault.how, call, path);
  }
}

function wrap(name, pathOf = (path) => path) {
  const real = promises[name].bind(promises);
  promises[name] = (...args) => meet(name, pathOf(...args), () => real(...args));
}

wrap("mkdir");
wrap("unlink");
for (const name of ["rename", "link", "copyFile"]) wrap(name, (_from, to) => to);

const realWriteFile = promises.writeFile.bind(promises);
promises.writeFile = (file, text, options) =>
  typeof file === "object"
    ? realWriteFile(file, text, options)
    : meet(
        "write",
        file,
        () => realWriteFile(file, text, options),
        () => realWriteFile(file, halfOf(text), options),
      );

const realOpen = promises.open.bind(promises);
promises.open = async (path, flags, mode) => {
  const handle = await (flags === "r" || flags === undefined || typeof flags === "number"
    ? realOpen(path, flags, mode)
    : meet("open", path, () => realOpen(path, flags, mode)));
  const write = handle.writeFile.bind(handle);
  handle.writeFile = (text, options) =>
    meet(
      "write",
      path,
      () => write(text, options),
      () => write(halfOf(text), options),
    );
  const sync = handle.sync.bind(handle);
  handle.sync = () => meet("fsync", path, sync);
  if (flags !== "r" && flags !== undefined) {
    const close = handle.close.bind(handle);
    // Closed all the same: what fails is the write-back that NFS and quotas leave for this moment.
    handle.close = () => meet("close", path, close, close);
  }
  return handle;
};

function halfOf(text) {
  return text.slice(0, Math.ceil(text.length / 2));
}

syncBuiltinESMExports();
