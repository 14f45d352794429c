/**
 * What somebody on the wire learns from a capture of gossip, and whether all of it was really encrypted.
 *
 * Words are searched in the raw bytes of every frame, with no parser that could overlook something. Because senders
 * compress, which hides words without protecting them, every datagram is also opened with the cluster's keys: one
 * that no key opens was not encrypted (or not ours). Streams must begin like an encrypted frame.
 */
import { Fault } from "../base/fault.ts";
import type { SymmetricKey } from "../crypt/aead.ts";
import { Keyring } from "../gossip/keyring.ts";
import { MessageType } from "../gossip/messages.ts";
import { PacketCodec } from "../gossip/packet.ts";
import { open } from "../gossip/seal.ts";
import { noBytes } from "../wire/bytes.ts";
import type { Capture } from "./capture.ts";
import { type Segment, segmentOf } from "./frames.ts";

export interface Overheard {
  /** Frames of any kind. */
  readonly frames: number;
  readonly bytes: number;
  /** Datagrams from and to the gossip port. */
  readonly datagrams: number;
  /** Of those: opened by one of the keys. */
  readonly sealed: number;
  /** Of those not opened: understood by somebody who has no key. */
  readonly readable: number;
  /** Directions of TCP connections of the gossip port that said something. */
  readonly streams: number;
  /** Of those: do not begin like an encrypted frame. */
  readonly streamsInClear: number;
  /** Each word that occurs in clear, with the number of frames it occurs in. */
  readonly words: ReadonlyMap<string, number>;
}

/** Look at everything captured so far. `keys`: all that the cluster has used meanwhile. */
export async function overhear(
  capture: Capture,
  words: readonly string[],
  keys: readonly SymmetricKey[],
  port = 7946,
): Promise<Overheard> {
  const ear = new Eavesdropper(words, new Keyring(keys), port);
  for await (const frame of capture.frames()) ear.hear(frame);
  return ear.report();
}

class Eavesdropper {
  readonly #words: readonly string[];
  readonly #ring: Keyring;
  readonly #port: number;
  readonly #plain: PacketCodec;
  readonly #found = new Map<string, number>();
  readonly #flows = new Map<string, boolean>();
  readonly #count = { frames: 0, bytes: 0, datagrams: 0, sealed: 0, readable: 0 };

  constructor(words: readonly string[], ring: Keyring, port: number) {
    this.#words = words;
    this.#ring = ring;
    this.#port = port;
    const config = {
      label: "",
      skipInboundLabelCheck: false,
      enableCompression: true,
      gossipVerifyIncoming: true,
      gossipVerifyOutgoing: true,
    };
    const random = { u32: () => 0, bytes: (length: number) => new Uint8Array(length) };
    this.#plain = new PacketCodec({ config, keyring: new Keyring() }, { random });
  }

  hear(frame: Buffer): void {
    this.#count.frames += 1;
    this.#count.bytes += frame.length;
    for (const word of this.#words) {
      if (frame.includes(word)) this.#found.set(word, (this.#found.get(word) ?? 0) + 1);
    }
    const segment = segmentOf(frame);
    if (segment === undefined || (segment.sourcePort !== this.#port && segment.destinationPort !== this.#port)) return;
    if (segment.transport === "udp") this.#hearDatagram(segment);
    else this.#hearStream(segment);
  }

  report(): Overheard {
    const starts = [...this.#flows.values()];
    return {
      ...this.#count,
      streams: starts.length,
      streamsInClear: starts.filter((encrypted) => !encrypted).length,
      words: this.#found,
    };
  }

  #hearDatagram({ payload }: Segment): void {
    this.#count.datagrams += 1;
    if (this.#opens(payload)) this.#count.sealed += 1;
    else if (this.#isReadable(payload)) this.#count.readable += 1;
  }

  #hearStream({ flow, payload }: Segment): void {
    if (payload.length === 0 || this.#flows.has(flow)) return;
    this.#flows.set(flow, payload[0] === MessageType.encrypt);
  }

  #opens(payload: Buffer): boolean {
    return succeeds(() => open(this.#ring, payload, noBytes));
  }

  #isReadable(payload: Buffer): boolean {
    return succeeds(() => this.#plain.decode(0, payload));
  }
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}
