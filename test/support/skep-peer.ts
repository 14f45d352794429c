/**
 * A process that is one real gossip node with the serf delegate: `node --import tsx skep-peer.ts JSON`, where JSON is
 * `PeerOptions`. Reads one command per line from standard input, and answers with one JSON object per line; ends when
 * its standard input does. `peer.ts` is its other end.
 */
import { createInterface } from "node:readline";
import { addressText } from "../../src/base/ip.ts";
import { SymmetricKey } from "../../src/crypt/aead.ts";
import { lan } from "../../src/gossip/config.ts";
import type { MemberEvent } from "../../src/gossip/effects.ts";
import { Keyring } from "../../src/gossip/keyring.ts";
import { GossipService } from "../../src/gossip/service.ts";
import { systemClock } from "../../src/os/clock.ts";
import { openLog } from "../../src/os/log.ts";
import { systemRandom } from "../../src/os/random.ts";
import { systemResolver } from "../../src/os/resolver.ts";
import { systemStreams } from "../../src/os/tcp.ts";
import { systemDatagrams } from "../../src/os/udp.ts";
import type { PeerCommand, PeerMember, PeerOptions } from "./peer-language.ts";
import { type KeyOperation, SerfDelegate, tagsOf } from "./serf-delegate.ts";
import { listen, say } from "./talker.ts";

/** How long serf's own farewell may travel before memberlist's. */
const LEAVE_INTENT_MS = 700;
const LEAVE_MS = 5_000;

const options = JSON.parse(process.argv[2] ?? "{}") as PeerOptions;
const bytes = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));

/** Keys tell nobody their bytes, and serf wants to see them. */
const spelled = new Map<string, string>();
function keyOf(base64: string): SymmetricKey {
  const key = new SymmetricKey(bytes(base64));
  spelled.set(key.id, base64);
  return key;
}

const keyring = new Keyring(options.keys.map(keyOf));
const changes = {
  "install-key": (key: SymmetricKey) => keyring.install(key),
  "use-key": (key: SymmetricKey) => keyring.use(key),
  "remove-key": (key: SymmetricKey) => keyring.remove(key),
};

const delegate = new SerfDelegate(
  {
    name: options.name,
    endpoint: { address: options.address, port: 7946 },
    send: (to, payload) => service.sendBestEffort(to, payload),
    keys: () => keyring.list().map(({ id }) => spelled.get(id) ?? ""),
    change: (operation, key) => changes[operation](keyOf(Buffer.from(key).toString("base64"))),
    heard: (event) => say({ event: "user", ...event }),
  },
  options.tags,
);

const service = new GossipService(
  {
    name: options.name,
    bind: { address: options.address, port: 7946 },
    advertise: undefined,
    hostAddresses: [],
    config: { ...lan, delegateVersions: [2, 5, 5], enableCompression: options.compression },
    keyring,
  },
  {
    clock: systemClock,
    random: systemRandom(),
    datagrams: systemDatagrams,
    streams: systemStreams(systemClock),
    resolver: systemResolver,
    log: openLog({ level: "info", format: "json" }),
    delegate,
  },
);

service.on((notice) => {
  if (notice.do === "userMessage") delegate.received(notice.payload);
  else if (notice.do === "remoteState") delegate.merged(notice.userState);
  else if (notice.do === "tell") say({ event: "member", ...told(notice.event) });
});

function told(event: MemberEvent): object {
  const { name, state, incarnation } = event.member;
  return { kind: event.kind, name, state, incarnation, ...("from" in event ? { from: event.from } : {}) };
}

function members(): PeerMember[] {
  return service.members().map((member) => ({
    name: member.name,
    address: addressText(member.addr),
    state: member.state,
    tags: tagsOf(member),
  }));
}

async function keyQuery(operation: KeyOperation, key: string): Promise<unknown> {
  const others = service.members().filter(({ state, name }) => state === "alive" && name !== options.name).length;
  const answers = await delegate.keyQuery(operation, bytes(key), others);
  return { others, answers };
}

async function leave(): Promise<boolean> {
  delegate.announceLeave();
  await new Promise((resolve) => setTimeout(resolve, LEAVE_INTENT_MS));
  return service.leave(LEAVE_MS);
}

async function obey(command: PeerCommand): Promise<unknown> {
  if (command.do === "join") return (await service.join([command.target])).joined;
  if (command.do === "members") return members();
  if (command.do === "stats") return service.stats();
  if (command.do === "event") return delegate.event(command.name, command.payload);
  if (command.do === "keys") return keyQuery(command.operation, command.key);
  if (command.do === "keyring") return keyring.list().map(({ id }) => spelled.get(id));
  if (command.do === "leave") return leave();
  delegate.tags = command.tags;
  return service.updateMeta();
}

await service.start();
say({ event: "ready" });
await listen(createInterface({ input: process.stdin }), obey);
await service.stop();
process.exit(0);
