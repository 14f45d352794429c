/**
 * What goes into packets: answers with rumours on their backs, and gossip rounds, which carry nothing else.
 *
 * Rumours about members come first, then what the layer above has to say, as much as fits into `udpBufferSize`. Not
 * counted are the CRC and what compression saves, as upstream. Source: memberlist `net.go` (`sendMsg`), `state.go`
 * (`gossip`), `broadcast.go` (`getBroadcasts`).
 */
import type { Endpoint } from "../port/endpoint.ts";
import { retransmitLimit } from "./broadcast-queue.ts";
import type { EngineContext } from "./engine-context.ts";
import {
  COMPOUND_HEADER_BYTES,
  COMPOUND_PART_BYTES,
  COMPOUND_PARTS_SENT_MAX,
  PROTOCOL_VERSION_MAX,
  USER_HEADER_BYTES,
} from "./limits.ts";
import type { MemberRecord } from "./member-table.ts";
import { encodedLength } from "./message-codec.ts";
import type { PacketMessage } from "./messages.ts";
import { packetOverheadBytes } from "./packet.ts";

export class PacketEngine {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** Send a message, and rumours with it as far as they fit. */
  sendWithRumours(to: Endpoint, message: PacketMessage): void {
    const rumours = this.#rumours(this.#budget() - encodedLength(message));
    this.send(to, [message, ...rumours], false);
  }

  /** One packet, or several where one cannot hold so many parts. */
  send(to: Endpoint, messages: readonly PacketMessage[], crc: boolean): void {
    for (let first = 0; first < messages.length; first += COMPOUND_PARTS_SENT_MAX) {
      const part = first === 0 && messages.length <= COMPOUND_PARTS_SENT_MAX;
      const parts = part ? messages : messages.slice(first, first + COMPOUND_PARTS_SENT_MAX);
      this.#context.emit({ do: "packet", to, messages: parts, crc });
    }
  }

  /** A user message to one node, whoever it is. A CRC is worth its bytes only where nothing else protects them. */
  sendUser(to: Endpoint, payload: Uint8Array): void {
    const { encrypted, table } = this.#context;
    this.send(to, [{ kind: "user", payload }], !encrypted() && table.all().every(knowsChecksums));
  }

  /** One round of gossip: rumours to a few random members, as long as there are any. */
  gossip(): void {
    const { table, random, config, now, name } = this.#context;
    const { gossipNodes, gossipToTheDeadTimeMs } = config;
    const hears = (record: MemberRecord): boolean => {
      if (record.name === name || record.state === "left") return false;
      return record.state !== "dead" || now - record.changedAt <= gossipToTheDeadTimeMs;
    };
    for (const record of table.pick(random, gossipNodes, hears)) {
      const rumours = this.#rumours(this.#budget());
      if (rumours.length === 0) return;
      this.send(record.endpoint, rumours, knowsChecksums(record));
    }
  }

  #budget(): number {
    const { config, encrypted } = this.#context;
    return config.udpBufferSize - COMPOUND_HEADER_BYTES - packetOverheadBytes(config, encrypted());
  }

  #rumours(limitBytes: number): PacketMessage[] {
    const { queue, delegate, config, table, improvements } = this.#context;
    const transmitsMin = improvements.tellTwice ? 2 * config.retransmitMult : 0;
    const transmitLimit = Math.max(transmitsMin, retransmitLimit(config.retransmitMult, table.size));
    const { messages, bytes } = queue.take({ overheadBytes: COMPOUND_PART_BYTES, limitBytes, transmitLimit });
    const overheadBytes = COMPOUND_PART_BYTES + USER_HEADER_BYTES;
    if (limitBytes - bytes <= overheadBytes) return messages;
    for (const payload of delegate.getBroadcasts(overheadBytes, limitBytes - bytes)) {
      if (payload.length > 0) messages.push({ kind: "user", payload });
    }
    return messages;
  }
}

export function knowsChecksums(record: MemberRecord): boolean {
  return (record.vsn[1] ?? 0) >= PROTOCOL_VERSION_MAX;
}
