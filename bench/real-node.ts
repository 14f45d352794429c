/** Real gossip nodes on loopback addresses for benchmarks: the service with the system's sockets, silent. */
import { SymmetricKey } from "../src/crypt/aead.ts";
import { type GossipConfig, lan } from "../src/gossip/config.ts";
import type { Delegate } from "../src/gossip/effects.ts";
import { Keyring } from "../src/gossip/keyring.ts";
import { quietDelegate } from "../src/gossip/quiet-delegate.ts";
import { GossipService } from "../src/gossip/service.ts";
import { systemClock } from "../src/os/clock.ts";
import { systemRandom } from "../src/os/random.ts";
import { systemResolver } from "../src/os/resolver.ts";
import { systemStreams } from "../src/os/tcp.ts";
import { systemDatagrams } from "../src/os/udp.ts";
import type { Log } from "../src/port/log.ts";

export const PORT = 7946;
/** Not secret. */
export const benchKey = new Uint8Array(32).fill(7);
/** Delegate versions that serf agents accept. */
export const benchConfig: GossipConfig = { ...lan, delegateVersions: [2, 5, 5] };

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => console.error(message, fields),
  child: () => silent,
};

export interface RealNode {
  readonly service: GossipService;
  /** Announce another meta. */
  update(meta: Uint8Array): void;
}

export const addressOf = (index: number): string => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;

const random = systemRandom();

export async function startNode(index: number, name = `node-${index}`): Promise<RealNode> {
  // What serf takes for "no tags".
  let meta: Uint8Array = Uint8Array.of(0xff, 0x80);
  const delegate: Delegate = { ...quietDelegate, nodeMeta: () => meta };
  const bind = { address: addressOf(index), port: PORT };
  const service = new GossipService(
    {
      name,
      bind,
      advertise: bind,
      hostAddresses: [bind.address],
      config: benchConfig,
      keyring: new Keyring([new SymmetricKey(benchKey)]),
    },
    {
      clock: systemClock,
      random,
      datagrams: systemDatagrams,
      streams: systemStreams(systemClock),
      resolver: systemResolver,
      log: silent,
      delegate,
    },
  );
  await service.start();
  return {
    service,
    update(next) {
      meta = next;
      service.updateMeta();
    },
  };
}
