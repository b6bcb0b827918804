import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { postJson } from "../../../src/host/send.ts";

test("Name and password of a URL are sent as every client sends them", async () => {
  const got: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    got.push(request.headers.authorization);
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const post = (user: string) =>
    postJson(`http://${user}127.0.0.1:${port}/hook`, { text: "{}", signal: new AbortController().signal });
  for (const user of ["ada:p%40ss@", "ada@", "100%:x@", ""]) {
    expect(await post(user), user).toEqual({ problem: undefined, isPassing: false });
  }
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
  expect(got).toEqual([basic("ada:p@ss"), basic("ada:"), basic("100%:x"), undefined]);
});

test("A port that fetch blocks is named", async () => {
  const { problem } = await postJson("http://127.0.0.1:9/hook", { text: "{}", signal: new AbortController().signal });
  expect(problem).toBe(
    "no request is sent to port 9, which the Fetch standard blocks: have its server listen on another",
  );
});
