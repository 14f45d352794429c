/**
 * A process that is one real NetworkDB node: `node --import tsx tables-peer.ts JSON`, where JSON is `TablesPeerOptions`.
 * Obeys the commands of `tables-node.ts`, its other end.
 */
import { createInterface } from "node:readline";
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { docker } from "../../src/gossip/config.ts";
import { Keyring } from "../../src/gossip/keyring.ts";
import { systemClock } from "../../src/os/clock.ts";
import { openLog } from "../../src/os/log.ts";
import { systemRandom } from "../../src/os/random.ts";
import { systemResolver } from "../../src/os/resolver.ts";
import { systemStreams } from "../../src/os/tcp.ts";
import { systemDatagrams } from "../../src/os/udp.ts";
import {
  decodeEndpointRecord,
  decodePeerRecord,
  ENDPOINT_TABLE,
  encodeEndpointRecord,
  encodePeerRecord,
  OVERLAY_PEER_TABLE,
} from "../../src/tables/records.ts";
import { TablesService } from "../../src/tables/service.ts";
import type { TablesCommand, TablesPeerOptions } from "./tables-node.ts";
import { listen, say } from "./talker.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as TablesPeerOptions;
const symmetric = (hex: string): SymmetricKey => new SymmetricKey(Uint8Array.from(Buffer.from(hex, "hex")));
const endpoint = { address: options.address, port: 7946 };

const service = new TablesService(
  { bind: endpoint, advertise: endpoint, config: docker, keyring: new Keyring(options.keys.map(symmetric)) },
  {
    clock: systemClock,
    random: systemRandom(),
    datagrams: systemDatagrams,
    streams: systemStreams(systemClock),
    resolver: systemResolver,
    log: openLog({ level: "info", format: "json" }),
  },
);

service.watch({}, ({ type, table, network, key, value, owner }) => {
  const record = table === ENDPOINT_TABLE ? decodeEndpointRecord(value) : decodePeerRecord(value);
  say({ event: "entry", type, table, network, key, owner, record });
});

const codecs = { [ENDPOINT_TABLE]: encodeEndpointRecord, [OVERLAY_PEER_TABLE]: encodePeerRecord } as const;

async function obey(command: TablesCommand): Promise<unknown> {
  if (command.do === "join") {
    return (await service.join(command.addresses.map((address) => ({ address, port: 7946 })))).joined;
  }
  if (command.do === "attach") return service.joinNetwork(command.network);
  if (command.do === "detach") return service.leaveNetwork(command.network);
  if (command.do === "change") {
    const { type, network, table, key, record } = command;
    const value = record === undefined ? new Uint8Array(0) : codecs[table](record as never);
    return service.change(type, network, table, key, value);
  }
  if (command.do === "dump") return { ...service.dump(), stats: service.gossipStats() };
  if (command.do === "keys") {
    return service.setKeys(command.keys.map((key, lamportTime) => ({ key: symmetric(key), lamportTime })));
  }
  return service.leave();
}

await service.start();
say({ event: "ready", name: service.name });
await listen(createInterface({ input: process.stdin }), obey);
await service.stop();
process.exit(0);
