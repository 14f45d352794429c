/**
 * The user-space ESP of one host in a laboratory, run inside its namespace: takes one order a line on standard input,
 * answers with one line of JSON. For tests and benches; `OverlayHost` is the other end.
 */
import { createInterface } from "node:readline";
import type { Direction } from "../../src/esp/service.ts";
import { startEspNode } from "../../src/main/esp-node.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import type { AssociationId, SecurityAssociation } from "../../src/model/security-association.ts";
import type { Log, LogFields } from "../../src/port/log.ts";

export type HostOrder =
  | { readonly ask: "install"; readonly association: Omit<SecurityAssociation, "material">; readonly material: string }
  | { readonly ask: "transmit"; readonly peer: string; readonly spi: number }
  | { readonly ask: "remove"; readonly id: AssociationId }
  | { readonly ask: "counts" }
  | { readonly ask: "crash"; readonly direction: Direction }
  | { readonly ask: "stop" };

export interface HostAnswer {
  readonly order: number;
  readonly answer?: unknown;
  readonly error?: string;
}

const say = (message: string, fields: LogFields = {}): void => console.error(message, JSON.stringify(fields));
const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
const [device = "", local = ""] = process.argv.slice(2);
const node = startEspNode({ device, local, port: 4789 }, log);
const events: unknown[] = [];
node.service.listen((event) => events.push(event));

createInterface({ input: process.stdin }).on("line", (line) => {
  const { order, ...wanted } = JSON.parse(line) as HostOrder & { readonly order: number };
  const reply = (answer: HostAnswer): void => console.log(JSON.stringify(answer));
  carryOut(wanted).then(
    (answer) => reply({ order, answer }),
    (error: Error) => reply({ order, error: error.message }),
  );
});
console.log("ready");

async function carryOut(order: HostOrder): Promise<unknown> {
  const { service } = node;
  if (order.ask === "install") {
    const limits = { soft: revive(order.association.limits.soft), hard: revive(order.association.limits.hard) };
    const material = new KeyMaterial(Buffer.from(order.material, "hex"));
    return service.install({ ...order.association, limits, material });
  }
  if (order.ask === "transmit") return service.transmit(order.peer, order.spi);
  if (order.ask === "remove") return service.remove(order.id);
  if (order.ask === "counts") {
    return { outbound: service.counts("outbound"), inbound: service.counts("inbound"), events };
  }
  if (order.ask === "crash") return node.crash(order.direction);
  await node.stop();
  setImmediate(() => process.exit(0));
  return undefined;
}

/** JSON has no Infinity. */
function revive(limit: SecurityAssociation["limits"]["soft"]): SecurityAssociation["limits"]["soft"] {
  return { ageMs: limit.ageMs ?? Infinity, packets: limit.packets ?? Infinity, bytes: limit.bytes ?? Infinity };
}
