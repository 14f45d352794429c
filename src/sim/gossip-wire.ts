/**
 * Real bytes between simulated nodes: every packet and stream is encoded, compressed, encrypted, and decoded again
 * with the codecs and the keyring of a real node. Slow (tens of nodes), and proves the whole path.
 */

import { Fault } from "../base/fault.ts";
import type { GossipConfig } from "../gossip/config.ts";
import type { Keyring } from "../gossip/keyring.ts";
import type { PacketMessage, StreamMessage, StreamRequest, StreamResponse } from "../gossip/messages.ts";
import { PacketCodec } from "../gossip/packet.ts";
import { StreamCodec } from "../gossip/stream.ts";
import type { Random } from "../port/random.ts";
import type { Carrier, DatagramPayload, Direction, Packed, StreamPayload } from "./gossip-carrier.ts";

export class WireCarrier implements Carrier {
  /** This node's own: rotate keys here. */
  readonly keyring: Keyring;
  /** Parts of datagrams that were refused while their neighbours were taken. */
  partFaults = 0;
  readonly #packets: PacketCodec;
  readonly #streams: StreamCodec;

  constructor(
    options: { readonly config: GossipConfig; readonly keyring: Keyring },
    ports: { readonly random: Random },
  ) {
    this.keyring = options.keyring;
    this.#packets = new PacketCodec(options, ports);
    this.#streams = new StreamCodec(options, ports);
  }

  pack(messages: readonly PacketMessage[], crc: boolean): Packed<DatagramPayload> {
    const payload = this.#packets.encode(messages, crc);
    return { payload, bytes: payload.length };
  }

  unpack(payload: DatagramPayload, now: number): readonly PacketMessage[] {
    // A duplicated datagram arrives twice as the same object; the codec may hand out views, so each gets its own bytes.
    const { messages, faults } = this.#packets.decode(now, (payload as Uint8Array).slice());
    this.partFaults += faults.length;
    return messages;
  }

  packStream(message: StreamMessage, direction: Direction): Packed<StreamPayload> {
    const payload =
      direction === "request"
        ? this.#streams.encodeRequest(message as StreamRequest)
        : this.#streams.encodeResponse(message as StreamResponse);
    return { payload, bytes: payload.length };
  }

  unpackStream(payload: StreamPayload, direction: Direction, now: number): StreamMessage {
    const reader = direction === "request" ? this.#streams.requestReader() : this.#streams.responseReader();
    const message = reader.push(now, (payload as Uint8Array).slice());
    if (message === undefined) throw new Fault("truncated", "a stream ended inside its message");
    return message;
  }
}
