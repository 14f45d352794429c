/**
 * The settings of one gossip pool: memberlist's names (in camelCase, units last), defaults and presets.
 * Source: memberlist `config.go` (`DefaultLANConfig`, `DefaultWANConfig`, `DefaultLocalConfig`), moby
 * `libnetwork/networkdb/cluster.go` (`docker`). A preset is a complete object; change it with a spread.
 */
import { Fault } from "../base/fault.ts";
import { KiB, seconds } from "../base/units.ts";

export interface GossipConfig {
  /** Deadline for one whole TCP exchange. */
  readonly tcpTimeoutMs: number;
  /** How many other members are asked to probe a member that did not answer. */
  readonly indirectChecks: number;
  /** A broadcast is sent `retransmitMult * ceil(log10(n + 1))` times before it is forgotten. */
  readonly retransmitMult: number;
  /** Shortest suspicion is `suspicionMult * log10(n) * probeIntervalMs`. */
  readonly suspicionMult: number;
  /** Longest suspicion is this many times the shortest. */
  readonly suspicionMaxTimeoutMult: number;
  /** Time between full state exchanges with a random member; 0 turns them off. Stretched above 32 members. */
  readonly pushPullIntervalMs: number;
  /** Time between probes of one member. */
  readonly probeIntervalMs: number;
  /** How long a direct probe waits for its ack before helpers are asked. */
  readonly probeTimeoutMs: number;
  /** Never use the TCP fallback ping. */
  readonly disableTcpPings: boolean;
  /** Upper limit of the local health score, plus one. */
  readonly awarenessMaxMultiplier: number;
  /** Time between gossip rounds; 0 turns them off. */
  readonly gossipIntervalMs: number;
  /** How many random members one gossip round reaches. */
  readonly gossipNodes: number;
  /** Members dead for less than this are still gossiped to, and are remembered at least that long. */
  readonly gossipToTheDeadTimeMs: number;
  /** Refuse what is not encrypted while the keyring holds a key. */
  readonly gossipVerifyIncoming: boolean;
  /** Encrypt what is sent while the keyring holds a key. */
  readonly gossipVerifyOutgoing: boolean;
  /** Compress packets when that makes them smaller, and streams always. */
  readonly enableCompression: boolean;
  /** Domain-separation label in clear text in front of every packet and stream; "" for none. At most 255 bytes. */
  readonly label: string;
  /** Do not expect a label header from peers (something in front strips it). */
  readonly skipInboundLabelCheck: boolean;
  /** State messages that may wait for the engine per priority; more are dropped and counted. */
  readonly handoffQueueDepth: number;
  /** Largest packet before the CRC. */
  readonly udpBufferSize: number;
  /** A member dead for longer may come back under the same name from another address; 0: never. */
  readonly deadNodeReclaimTimeMs: number;
  /** Networks in CIDR notation that packets and members may come from; `undefined`: any, empty: none. */
  readonly cidrsAllowed: readonly string[] | undefined;
  /** Delegate protocol versions [min, max, current] announced in `vsn`. */
  readonly delegateVersions: readonly [min: number, max: number, current: number];
}

/** For nodes of one data centre. */
export const lan: GossipConfig = {
  tcpTimeoutMs: seconds(10),
  indirectChecks: 3,
  retransmitMult: 4,
  suspicionMult: 4,
  suspicionMaxTimeoutMult: 6,
  pushPullIntervalMs: seconds(30),
  probeIntervalMs: seconds(1),
  probeTimeoutMs: 500,
  disableTcpPings: false,
  awarenessMaxMultiplier: 8,
  gossipIntervalMs: 200,
  gossipNodes: 3,
  gossipToTheDeadTimeMs: seconds(30),
  gossipVerifyIncoming: true,
  gossipVerifyOutgoing: true,
  enableCompression: true,
  label: "",
  skipInboundLabelCheck: false,
  handoffQueueDepth: 1024,
  udpBufferSize: 1400,
  deadNodeReclaimTimeMs: 0,
  cidrsAllowed: undefined,
  delegateVersions: [0, 0, 0],
};

/** For nodes far apart: slower, more patient. */
export const wan: GossipConfig = {
  ...lan,
  tcpTimeoutMs: seconds(30),
  suspicionMult: 6,
  pushPullIntervalMs: seconds(60),
  probeIntervalMs: seconds(5),
  probeTimeoutMs: seconds(3),
  gossipNodes: 4,
  gossipIntervalMs: 500,
  gossipToTheDeadTimeMs: seconds(60),
};

/** For nodes on one machine. */
export const local: GossipConfig = {
  ...lan,
  tcpTimeoutMs: seconds(1),
  indirectChecks: 1,
  retransmitMult: 2,
  suspicionMult: 3,
  pushPullIntervalMs: seconds(15),
  probeTimeoutMs: 200,
  gossipIntervalMs: 100,
  gossipToTheDeadTimeMs: seconds(15),
};

/** What Docker Engine's NetworkDB uses: `lan` with the packet size of its control-plane MTU (1500) minus 100. */
export const docker: GossipConfig = { ...lan, udpBufferSize: 1400 };

export const presets = { lan, wan, local, docker } as const;
export type PresetName = keyof typeof presets;

/** Refuse settings that cannot work. Throws `Fault` (`invalid`) naming the setting. */
export function validateGossipConfig(config: GossipConfig): void {
  const positive = [
    "tcpTimeoutMs",
    "retransmitMult",
    "suspicionMult",
    "suspicionMaxTimeoutMult",
    "probeIntervalMs",
    "probeTimeoutMs",
    "awarenessMaxMultiplier",
    "handoffQueueDepth",
  ] as const;
  for (const name of positive) require(config[name] > 0, name, "must be greater than 0");
  const notNegative = [
    "indirectChecks",
    "pushPullIntervalMs",
    "gossipIntervalMs",
    "gossipNodes",
    "gossipToTheDeadTimeMs",
    "deadNodeReclaimTimeMs",
  ] as const;
  for (const name of notNegative) require(config[name] >= 0, name, "must not be negative");
  require(config.probeTimeoutMs <= config.probeIntervalMs, "probeTimeoutMs", "must not exceed probeIntervalMs");
  require(config.udpBufferSize >= 512 && config.udpBufferSize <= 64 * KiB - 512, "udpBufferSize", "must be 512..65024");
  require(new TextEncoder().encode(config.label).length <= 255, "label", "must be at most 255 bytes");
}

function require(condition: boolean, name: keyof GossipConfig, problem: string): void {
  if (!condition) throw new Fault("invalid", `gossip setting ${name} ${problem}`);
}
