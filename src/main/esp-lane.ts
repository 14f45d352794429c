/**
 * What runs on the thread of an ESP lane: the real parts put together around `esp/service-lane.ts`. Descriptors belong
 * to the thread that started this one.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { nodeEspCiphers } from "../crypt/esp-cipher.ts";
import { EspEngine } from "../esp/engine.ts";
import type { Direction } from "../esp/service.ts";
import { Lane } from "../esp/service-lane.ts";
import { systemClock } from "../os/clock.ts";
import { loadEvpCiphers } from "../os/esp-cipher.ts";
import { inboundRing, outboundRing } from "../os/packet-ring.ts";
import { systemRandom } from "../os/random.ts";
import type { EspCiphers } from "../port/esp-cipher.ts";
import { orderOf, type PlainOrder, plainReport } from "./esp-lane-codec.ts";

export interface LaneData {
  readonly direction: Direction;
  /** The UDP port of what is protected. */
  readonly port: number;
  readonly device: number;
  readonly espSocket: number;
  readonly bell: number;
}

const { direction, port, device, espSocket, bell } = workerData as LaneData;
assert(parentPort !== null, "a lane runs on a thread of its own");
const parent = parentPort;
const engine = new EspEngine({ port, ownsMaterial: true }, { ciphers: fastestCiphers(), random: systemRandom() });

new Lane(direction, {
  clock: systemClock,
  ring: direction === "outbound" ? outboundRing(device, espSocket, bell) : inboundRing(device, espSocket, bell),
  engine,
  nextOrder: () => {
    const received = receiveMessageOnPort(parent) as { readonly message: PlainOrder } | undefined;
    return received === undefined ? undefined : orderOf(received.message);
  },
  report: (report) => parent.postMessage(plainReport(report)),
}).run();

function fastestCiphers(): EspCiphers {
  try {
    return loadEvpCiphers();
  } catch (error) {
    if (error instanceof Fault) return nodeEspCiphers;
    throw error;
  }
}
