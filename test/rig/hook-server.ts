import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { type Notification, notificationSchema } from "../../src/core/notification.ts";

/** A server that is told of runs, and the lines of a pipeline that name it. */

export const SECRET = "t0ps3cret-token";

export const withHooks = (hooks: string) => (yaml: string) => `${yaml}\nnotify:\n${hooks}\n`;

export interface HookServer {
  readonly url: string;
  readonly got: readonly Notification[];
  readonly requests: () => number;
}

/** A real server; `answer` may leave a request without one. */
export async function startServer(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void = (_, response) => response.end(),
): Promise<HookServer> {
  const got: Notification[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += String(part);
    requests += 1;
    got.push(notificationSchema.parse(JSON.parse(text)));
    answer(request, response, requests);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hooks/${SECRET}`, got, requests: () => requests };
}
