/** Asks a running node one thing through its control socket. */
import { connect } from "node:net";
import { Fault } from "../base/fault.ts";
import { MiB } from "../base/units.ts";
import { type ControlRequest, resultOf } from "../cli/gossip-control.ts";
import type { Clock } from "../port/clock.ts";

/** A full table of members fits. */
const RESPONSE_LENGTH_MAX = 64 * MiB;

/** Resolves to the result; rejects with the node's `Fault`, with `unavailable` if no node answers, or with `timeout`. */
export function askNode(path: string, request: ControlRequest, timeoutMs: number, clock: Clock): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: string[] = [];
    let length = 0;
    const cancel = clock.after(timeoutMs, () => {
      socket.destroy(new Fault("timeout", `the node behind ${path} did not answer within ${timeoutMs / 1000} s`));
    });
    socket.setEncoding("utf8");
    socket.write(`${JSON.stringify(request)}\n`);
    socket.on("data", (chunk: string) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > RESPONSE_LENGTH_MAX) socket.destroy(new Fault("unavailable", "the node's answer is too long"));
    });
    socket.on("end", () => resolve(chunks.join("")));
    socket.on("error", (error) => {
      reject(
        error instanceof Fault
          ? error
          : new Fault("unavailable", `no node answers on ${path}: ${error.message}`, error),
      );
    });
    socket.on("close", cancel);
  }).then((text) => resultOf(String(text)));
}
