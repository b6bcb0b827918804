#!/usr/bin/env node
// Stands for `gh api`: pull requests and comments in a file ($GITHUB_AT), and jq for `--jq`, as GitHub's own command has it built in.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const [, , command, ...args] = process.argv;
if (command !== "api") throw new Error(`gh ${command} is not known here`);
let method = "GET";
let path = "";
let jq;
const fields = {};
for (let at = 0; at < args.length; at += 1) {
  const word = args[at];
  if (word === "-X") method = args[++at];
  else if (word === "--jq") jq = args[++at];
  else if (word === "-f" || word === "-F") {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(args[++at]);
    fields[name] = word === "-F" && value.startsWith("@") ? readFileSync(value.slice(1), "utf8") : value;
  } else if (word !== "--paginate") path = word.split("?")[0];
}

const store = JSON.parse(readFileSync(process.env.GITHUB_AT, "utf8"));
const answer = respond();
store.calls.push({ method, path });
writeFileSync(process.env.GITHUB_AT, JSON.stringify(store));
const text = JSON.stringify(answer);
if (jq === undefined) console.log(text);
else {
  const { stdout, stderr, status } = spawnSync("jq", ["-r", jq], { input: text, encoding: "utf8" });
  process.stderr.write(stderr);
  process.stdout.write(stdout);
  process.exitCode = status;
}

function respond() {
  const [, , , of, number, comments] = path.split("/");
  if (of === "pulls") {
    const isAsked = ({ head, state }) =>
      state === fields.state && `${head.repo.owner.login}:${head.ref}` === fields.head;
    return store.pulls.filter(isAsked);
  }
  if (comments === "comments" && method === "GET")
    return store.comments.filter((comment) => comment.on === Number(number));
  if (comments === "comments" && method === "POST") {
    const made = { id: 100 + store.comments.length, on: Number(number), body: fields.body };
    store.comments.push({ ...made, user: { login: "github-actions[bot]" } });
    return made;
  }
  const id = Number(path.split("/").at(-1));
  const comment = store.comments.find((one) => one.id === id);
  if (number !== "comments" || method !== "PATCH" || comment === undefined) throw new Error(`404: ${method} ${path}`);
  comment.body = fields.body;
  return comment;
}
