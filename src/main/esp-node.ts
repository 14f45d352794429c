/**
 * The user-space ESP of a node: the device, the socket, two threads, and the service that owns them.
 *
 * Routing is not done here: datagrams to be sealed have to be routed into the device (by a mark), and what the device
 * brings has to be let in by the packet filter, and by nothing else. docs/esp.md tells the rules.
 */
import { Worker } from "node:worker_threads";
import { type Direction, EspService, type LaneEvents, type RunningLane } from "../esp/service.ts";
import { systemClock } from "../os/clock.ts";
import { close, openBell, openDevice, openEspSocket, ring } from "../os/packet-calls.ts";
import type { Log } from "../port/log.ts";
import type { LaneData } from "./esp-lane.ts";
import { type PlainReport, plainOrder, reportOf } from "./esp-lane-codec.ts";

export interface EspNodeOptions {
  /** Name of the device, at most 15 letters. */
  readonly device: string;
  /** IPv4 address of the data path; packets leave from it. */
  readonly local: string;
  readonly port: number;
}

export interface EspNode {
  readonly service: EspService;
  /** End the thread of a lane as a crash would: for trying what happens then. */
  crash(direction: Direction): void;
  /** Finish what is waiting, end the threads, remove the device. */
  stop(): Promise<void>;
}

/** Throws `Fault` (`unavailable`) where there is no TUN device, no raw socket or no such address. */
export function startEspNode({ device: name, local, port }: EspNodeOptions, log: Log): EspNode {
  const opened: number[] = [];
  const keep = (descriptor: number): number => {
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const device = keep(openDevice(name, local));
    const espSocket = keep(openEspSocket(local));
    const bells = { outbound: keep(openBell()), inbound: keep(openBell()) };
    const lanes = new Map<Direction, RunningLane>();
    const service = new EspService({
      clock: systemClock,
      log,
      startLane: (direction, events) => {
        const lane = startLane({ direction, port, device, espSocket, bell: bells[direction] }, events);
        lanes.set(direction, lane);
        return lane;
      },
    });
    return {
      service,
      crash: (direction) => lanes.get(direction)?.kill(),
      async stop() {
        await service.stop();
        for (const descriptor of opened.splice(0)) close(descriptor);
      },
    };
  } catch (error) {
    for (const descriptor of opened) close(descriptor);
    throw error;
  }
}

/** Threads of Node.js 20 do not inherit what tsx does to the main thread. */
const [tsx, lane] = ["tsx/esm/api", "./esp-lane.ts"].map((name) => JSON.stringify(import.meta.resolve(name)));
const start = `import(${tsx}).then(({ register }) => { register(); return import(${lane}); })`;

function startLane(data: LaneData, events: LaneEvents): RunningLane {
  const worker = new Worker(start, { eval: true, workerData: data, name: `esp ${data.direction}` });
  let failure: Error | undefined;
  worker.on("message", (report: PlainReport) => events.report(reportOf(report)));
  worker.on("error", (error) => {
    failure = error;
  });
  worker.on("exit", () => events.ended(failure));
  return {
    order(order) {
      const { plain, secrets } = plainOrder(order);
      worker.postMessage(plain, secrets);
      ring(data.bell);
    },
    kill() {
      void worker.terminate();
      ring(data.bell);
    },
  };
}
