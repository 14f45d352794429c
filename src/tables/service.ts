/**
 * One NetworkDB node: the engine on a gossip node with real (or simulated) sockets.
 *
 *   gossip notices --> drive(engine) --> sends and joins of gossip, watchers, pending changes
 *
 * Takes a new name at every start, as peers expect: what an earlier life said is nobody's any more.
 */
import { type Driven, drive } from "../base/drive.ts";
import type { Fault } from "../base/fault.ts";
import { formatEndpoint } from "../base/ip.ts";
import type { GossipConfig } from "../gossip/config.ts";
import type { Keyring } from "../gossip/keyring.ts";
import { type GossipPorts, GossipService, type JoinResult } from "../gossip/service.ts";
import type { GossipStats } from "../gossip/service-stats.ts";
import type { Endpoint } from "../port/endpoint.ts";
import type { ChangeType, EntryChange, RequestId, TablesEffect, TablesInput } from "./effects.ts";
import { TablesEngine } from "./engine.ts";
import type { TablesDump } from "./engine-dump.ts";
import { type DatedKey, setKeys } from "./key-ring.ts";
import type { Signer, Verifier } from "./signature.ts";

export interface TablesOptions {
  readonly bind: Endpoint;
  /** What the others are told. NetworkDB always says so explicitly. */
  readonly advertise: Endpoint;
  readonly config: GossipConfig;
  readonly keyring: Keyring;
}

export interface TablesPorts extends Omit<GossipPorts, "delegate"> {
  readonly signer?: Signer;
  readonly verifier?: Verifier;
}

/** Which entries to watch; without table or network: of all. */
export interface WatchFilter {
  readonly network?: string;
  readonly table?: string;
}

const NAME_BYTES = 6;
const GOSSIP_LEAVE_MS = 1_000;

export class TablesService {
  readonly name: string;
  readonly #options: TablesOptions;
  readonly #ports: TablesPorts;
  readonly #engine: TablesEngine;
  readonly #gossip: GossipService;
  readonly #watchers = new Map<RequestId, (change: EntryChange) => void>();
  readonly #pending = new Map<RequestId, (fault: Fault | undefined) => void>();
  readonly #driven: Driven<TablesInput>;
  #lastRequest: RequestId = 0;
  #leaveSaid: (() => void)[] = [];

  /** Throws `Fault` (`invalid`) as the gossip service does. */
  constructor(options: TablesOptions, ports: TablesPorts) {
    const { config, advertise, bind, keyring } = options;
    this.#options = options;
    this.#ports = ports;
    this.name = hexadecimal(ports.random.bytes(NAME_BYTES));
    this.#engine = new TablesEngine(
      {
        name: this.name,
        endpoint: advertise,
        packetBytes: config.udpBufferSize,
        retransmitMult: config.retransmitMult,
      },
      ports,
    );
    this.#gossip = new GossipService(
      { name: this.name, bind, advertise, hostAddresses: [], config, keyring },
      { ...ports, delegate: this.#engine },
    );
    const { clock, log } = ports;
    this.#driven = drive(this.#engine, clock, (effect) => this.#perform(effect), {
      failed: (error) => log.error("this is a bug", { part: "tables", stack: stackOf(error) }),
    });
    this.#gossip.on((notice) => this.#give({ on: "notice", notice }));
  }

  /** Bind and begin. Rejects as `GossipService.start`. */
  async start(): Promise<void> {
    await this.#gossip.start();
    this.#give({ on: "start" });
  }

  /** Find the cluster by these nodes, now and whenever none of them is a member any more. */
  async join(endpoints: readonly Endpoint[]): Promise<JoinResult> {
    const result = await this.#gossip.join(endpoints.map(formatEndpoint));
    this.#give({ on: "bootstrap", endpoints });
    return result;
  }

  joinNetwork(network: string): void {
    this.#give({ on: "joinNetwork", network });
  }

  leaveNetwork(network: string): void {
    this.#give({ on: "leaveNetwork", network });
  }

  /**
   * Change an entry of ours; of a deletion, `value` does not count. Rejects with a `Fault`: `conflict` (not attached,
   * exists already, somebody else's), `notFound`, `invalid`.
   */
  async change(type: ChangeType, network: string, table: string, key: string, value: Uint8Array): Promise<void> {
    const request = ++this.#lastRequest;
    const fault = await new Promise<Fault | undefined>((resolve) => {
      this.#pending.set(request, resolve);
      this.#give({ on: "change", request, type, network, table, key, value });
    });
    if (fault !== undefined) throw fault;
  }

  /** See entries of others: those that are there first, then every change. Returns the way to stop. */
  watch(filter: WatchFilter, listener: (change: EntryChange) => void): () => void {
    const watch = ++this.#lastRequest;
    this.#watchers.set(watch, listener);
    this.#give({ on: "watch", watch, network: filter.network, table: filter.table });
    return () => {
      this.#watchers.delete(watch);
      this.#give({ on: "unwatch", watch });
    };
  }

  /** Take over a set of three gossip keys. Throws `Fault` (`invalid`). */
  setKeys(keys: readonly DatedKey[]): void {
    setKeys(this.#options.keyring, keys);
  }

  dump(): TablesDump {
    return this.#engine.dump();
  }

  gossipStats(): GossipStats {
    return this.#gossip.stats();
  }

  /** Say goodbye, as far as that goes within a few seconds. */
  async leave(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#leaveSaid.push(resolve);
      this.#give({ on: "leave" });
    });
    await this.#gossip.leave(GOSSIP_LEAVE_MS);
  }

  /** Close everything at once. */
  async stop(): Promise<void> {
    this.#driven.stop();
    for (const said of this.#leaveSaid.splice(0)) said();
    await this.#gossip.stop();
  }

  #give(input: TablesInput): void {
    this.#driven(input);
  }

  #perform(effect: TablesEffect): void {
    if (effect.do === "sendBestEffort") this.#gossip.sendBestEffort(effect.to, effect.payload);
    else if (effect.do === "sendReliable") this.#send(effect.send, effect.to, effect.payload);
    else if (effect.do === "join") this.#join(effect.join, effect.to);
    else if (effect.do === "entry") this.#watchers.get(effect.watch)?.(effect.change);
    else if (effect.do === "changed") {
      this.#pending.get(effect.request)?.(effect.fault);
      this.#pending.delete(effect.request);
    } else if (effect.do === "leaveSaid") for (const said of this.#leaveSaid.splice(0)) said();
    else if (effect.do === "repaired") {
      this.#ports.log.warn("somebody spoke wrongly for this node; set right", {
        what: effect.what,
        detail: effect.detail,
      });
    }
  }

  #send(send: RequestId, to: Endpoint, payload: Uint8Array): void {
    this.#gossip.sendReliable(to, payload).then(
      () => this.#give({ on: "sendDone", send, fault: undefined }),
      (fault: Fault) => this.#give({ on: "sendDone", send, fault }),
    );
  }

  #join(join: RequestId, to: Endpoint): void {
    this.#gossip.join([formatEndpoint(to)]).then(
      ({ joined, faults }) => this.#give({ on: "joinDone", join, fault: joined > 0 ? undefined : faults[0] }),
      (fault: Fault) => this.#give({ on: "joinDone", join, fault }),
    );
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
