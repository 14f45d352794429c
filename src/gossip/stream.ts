/**
 * One exchange on a TCP stream: the dialler says one message, the listener answers with one at most.
 *
 *   request    label header | frame      frame: 0a | length | version | nonce | ciphertext | tag, when encrypted
 *   response                  frame      no label header, and yet the label is authenticated
 *
 * Inside the frame, or in its place without encryption, stands a message, compressed or not (see stream-parser.ts).
 * A reader takes chunks cut anywhere and refuses as soon as the bytes so far are wrong.
 * Source: memberlist `net.go` (`rawSendMsgStream`, `readStream`), `label.go`.
 */
import { Fault, faultOf } from "../base/fault.ts";
import { NONCE_BYTES } from "../crypt/aead.ts";
import type { Random } from "../port/random.ts";
import { ByteQueue } from "../wire/byte-queue.ts";
import { concatBytes } from "../wire/bytes.ts";
import type { IntegerProfile } from "../wire/msgpack.ts";
import type { CodecConfig, CodecOptions, CodecPorts } from "./codec-options.ts";
import { compress } from "./compression.ts";
import type { Keyring } from "./keyring.ts";
import { Label } from "./label.ts";
import { STREAM_FRAME_BYTES_MAX, STREAM_UNPACKED_BYTES_MAX } from "./limits.ts";
import { encodeStreamMessage } from "./message-codec.ts";
import { MessageType, type StreamMessage, type StreamRequest, type StreamResponse } from "./messages.ts";
import { ReplayCache } from "./replay.ts";
import { type EncryptionVersion, FRAME_HEADER_BYTES, frameLength, openFrame, sealFrame } from "./seal.ts";
import { requestTypes, responseTypes, StreamParser } from "./stream-parser.ts";

export class StreamCodec {
  readonly #config: CodecConfig;
  readonly #keyring: Keyring;
  readonly #version: EncryptionVersion;
  readonly #integers: IntegerProfile;
  readonly #random: Random;
  readonly #label: Label;
  readonly #replay = new ReplayCache();

  constructor(options: CodecOptions, { random }: CodecPorts) {
    const { config, keyring, encryptionVersion = 1, integers = "unsigned" } = options;
    this.#config = config;
    this.#keyring = keyring;
    this.#version = encryptionVersion;
    this.#integers = integers;
    this.#random = random;
    this.#label = new Label(config.label, config.skipInboundLabelCheck);
  }

  /** Nonces that the replay cache had to forget early. */
  get replayEvictions(): number {
    return this.#replay.evicted;
  }

  /** What a dialler writes. Throws `Fault` (`oversize`) for more than peers accept. */
  encodeRequest(message: StreamRequest): Uint8Array {
    return concatBytes(this.#label.header, this.#encode(message));
  }

  /** What a listener answers. Encrypted whenever we encrypt, even to one who did not. Throws as `encodeRequest`. */
  encodeResponse(message: StreamResponse): Uint8Array {
    return this.#encode(message);
  }

  /** For one accepted stream. */
  requestReader(): StreamReader<StreamRequest> {
    return this.#reader(requestTypes, this.#label);
  }

  /** For one dialled stream. */
  responseReader(): StreamReader<StreamResponse> {
    return this.#reader(responseTypes, undefined);
  }

  #encode(message: StreamMessage): Uint8Array {
    let bytes = encodeStreamMessage(message, this.#integers);
    if (bytes.length > STREAM_UNPACKED_BYTES_MAX) throw new Fault("oversize", "a stream message exceeds 40 MiB");
    if (this.#config.enableCompression) bytes = compress(bytes);
    const key = this.#config.gossipVerifyOutgoing ? this.#keyring.primary : undefined;
    if (key !== undefined) {
      return sealFrame(key, this.#version, this.#random.bytes(NONCE_BYTES), bytes, this.#label.bytes);
    }
    if (bytes.length > STREAM_FRAME_BYTES_MAX) throw new Fault("oversize", "a stream message exceeds 20 MiB");
    return bytes;
  }

  #reader<Said extends StreamMessage>(types: ReadonlySet<number>, header: Label | undefined): StreamReader<Said> {
    return new StreamReader<Said>({
      parser: new StreamParser(types),
      header,
      label: this.#label.bytes,
      keyring: this.#keyring,
      mustBeEncrypted: !this.#keyring.isEmpty && this.#config.gossipVerifyIncoming,
      replay: this.#replay,
    });
  }
}

interface ReaderOptions {
  readonly parser: StreamParser;
  /** Whose header comes first; `undefined`: none. */
  readonly header: Label | undefined;
  readonly label: Uint8Array;
  readonly keyring: Keyring;
  readonly mustBeEncrypted: boolean;
  readonly replay: ReplayCache;
}

/** One direction of one stream. */
export class StreamReader<Said extends StreamMessage> {
  readonly #options: ReaderOptions;
  readonly #queue = new ByteQueue();
  /** Where the message or frame starts, once the label header is through. */
  #start: number | undefined;
  /** Nothing can be said before so many bytes are there. */
  #wanted = 1;
  #isDone = false;
  #fault: Fault | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
    if (options.header === undefined) this.#start = 0;
  }

  /** Bytes held for a message that is not complete: what a stranger's stream costs us. */
  get bufferedBytes(): number {
    return this.#queue.length;
  }

  /** Why rows of a state exchange were left out: the first few. */
  get faults(): readonly Fault[] {
    return this.#options.parser.faults;
  }

  /** How many rows of a state exchange were left out. */
  get refusedRows(): number {
    return this.#options.parser.refusedRows;
  }

  /**
   * Take the next chunk, which becomes ours, and return the message once it is complete; later bytes are ignored.
   * Throws `Fault`, and nothing else; the same one again on every later call.
   */
  push(now: number, chunk: Uint8Array): Said | undefined {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#isDone || chunk.length === 0) return undefined;
    this.#queue.append(chunk);
    if (this.#queue.length < this.#wanted) return undefined;
    try {
      const message = this.#read(now, this.#queue.bytes);
      if (message === undefined) return undefined;
      this.#isDone = true;
      this.#queue.clear();
      return message as Said;
    } catch (error) {
      this.#queue.clear();
      this.#fault = faultOf(error);
      throw this.#fault;
    }
  }

  #read(now: number, bytes: Uint8Array): StreamMessage | undefined {
    const { header, mustBeEncrypted, keyring, parser } = this.#options;
    this.#start ??= header?.strip(bytes);
    if (this.#start === undefined || bytes.length === this.#start) return undefined;
    const rest = bytes.subarray(this.#start);
    if (rest[0] !== MessageType.encrypt) {
      if (mustBeEncrypted) throw new Fault("plaintext", "a stream is not encrypted");
      return parser.parse(rest);
    }
    if (keyring.isEmpty) throw new Fault("undecryptable", "a stream is encrypted, and we have no key");
    return this.#readFrame(now, rest, this.#start);
  }

  #readFrame(now: number, rest: Uint8Array, start: number): StreamMessage | undefined {
    const { keyring, label, replay, parser } = this.#options;
    this.#wanted = start + FRAME_HEADER_BYTES;
    if (rest.length < FRAME_HEADER_BYTES) return undefined;
    const length = FRAME_HEADER_BYTES + frameLength(rest);
    this.#wanted = start + length;
    if (rest.length < length) return undefined;
    const { plain, nonce } = openFrame(keyring, rest.subarray(0, length), label);
    if (!replay.accept(now, nonce)) throw new Fault("replayed", "a stream came before");
    return parser.parseWhole(plain);
  }
}
