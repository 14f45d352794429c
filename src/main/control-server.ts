/**
 * The unix socket that a running node answers `skep gossip members|keys|stats|leave` on.
 *
 * Mode 0600 from the first moment: whoever may connect may change keys. One request and one response a connection,
 * one JSON line each; whoever dawdles or talks too long is cut off. A socket left over by a crash is replaced, one
 * that somebody answers on is not.
 */
import { lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Fault } from "../base/fault.ts";
import { type ControlRequest, type ControlResponse, parseRequest, REQUEST_LENGTH_MAX } from "../cli/gossip-control.ts";
import type { Clock } from "../port/clock.ts";
import type { Log } from "../port/log.ts";

const CONNECTIONS_MAX = 32;
/** For the request to arrive; answers may take longer. */
const REQUEST_TIMEOUT_MS = 5_000;
const ONLY_OWNER = 0o177;

export type ControlHandler = (request: ControlRequest) => Promise<unknown>;

export interface ControlServer {
  close(): Promise<void>;
}

/** Rejects with a `Fault`: `conflict` if the path is taken, `unavailable` if it cannot be made. */
export async function serveControl(
  path: string,
  handle: ControlHandler,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<ControlServer> {
  await removeLeftover(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    const cancel = clock.after(REQUEST_TIMEOUT_MS, () => socket.destroy());
    void readLine(socket).then(async (line) => {
      cancel();
      if (line !== undefined) socket.end(`${JSON.stringify(await answer(line, handle, log))}\n`);
    });
    socket.on("close", cancel);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listening(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // What is being answered is flushed first: `end` was called, and closing follows.
        for (const socket of sockets) if (!socket.writableEnded) socket.destroy();
      }),
  };
}

async function answer(line: string, handle: ControlHandler, log: Log): Promise<ControlResponse> {
  try {
    return { ok: true, result: (await handle(parseRequest(line))) ?? null };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, code: error.code, message: error.message };
    log.error("a control request failed", { error: (error as Error).stack ?? String(error) });
    return { ok: false, code: "unavailable", message: "the node failed to answer; see its log" };
  }
}

/** The first line; `undefined` when the peer closes before, or says too much. */
function readLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > REQUEST_LENGTH_MAX) socket.destroy();
    });
    socket.on("close", () => resolve(undefined));
  });
}

/** Binding happens inside `listen`, so the mask holds for it and for nothing else. */
function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new Fault("unavailable", `control socket ${path} cannot be made: ${error.message}`, error)),
    );
    const mask = process.umask(ONLY_OWNER);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
  });
}

async function removeLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Fault("conflict", `${path} is there and is no socket`);
  if (await somebodyAnswers(path)) throw new Fault("conflict", `another node answers on ${path}`);
  await rm(path, { force: true });
}

function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
