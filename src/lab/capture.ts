/**
 * What passes the ports of a lab's switch, written down by tcpdump, and the search for words in it.
 * One file per port, flushed packet by packet. The search looks at raw bytes of whole packets, so it needs no parser
 * that could overlook something; text that is split over two packets is not found.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Host } from "./host.ts";
import type { Lab } from "./lab.ts";
import { Program } from "./program.ts";

/** pcap: 24 bytes of file header, 16 bytes in front of each packet. */
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
  /** Each searched text that occurs, with the number of packets it occurs in. */
  readonly found: ReadonlyMap<string, number>;
}

interface Dump {
  readonly file: string;
  readonly program: Program;
}

export class Capture {
  readonly #dumps: readonly Dump[];

  private constructor(dumps: readonly Dump[]) {
    this.#dumps = dumps;
  }

  /** Start writing down what these hosts send and receive; resolves when every tcpdump listens. */
  static async start(lab: Lab, hosts: readonly Host[] = lab.hosts, filter = "ip or ip6"): Promise<Capture> {
    const dumps = hosts.map(({ name }) => {
      const file = join(lab.directory, `${name}.pcap`);
      const args = [
        "-i",
        name,
        "-n",
        "-s",
        "0",
        "-U",
        "--immediate-mode",
        "-B",
        "8192",
        "-Z",
        "root",
        "-w",
        file,
        filter,
      ];
      return {
        file,
        program: new Program(`tcpdump ${name}`, "ip", ["netns", "exec", lab.switchNamespace, "tcpdump", ...args]),
      };
    });
    await Promise.all(dumps.map(({ program }) => program.line("start", /listening on/, 10_000)));
    return new Capture(dumps);
  }

  /** Stop writing; what was captured so far is complete then. */
  async stop(): Promise<void> {
    await Promise.all(this.#dumps.map(({ program }) => program.stop("SIGINT")));
  }

  /** Count the packets and search each for these texts, as UTF-8 bytes. */
  async search(texts: readonly string[]): Promise<Traffic> {
    let packets = 0;
    let bytes = 0;
    const found = new Map<string, number>();
    for (const { file } of this.#dumps) {
      for (const packet of packetsOf(await readFile(file))) {
        packets += 1;
        bytes += packet.length;
        for (const text of texts) if (packet.includes(text)) found.set(text, (found.get(text) ?? 0) + 1);
      }
    }
    return { packets, bytes, found };
  }

  /** Bytes written so far, over all files. */
  async size(): Promise<number> {
    const sizes = await Promise.all(this.#dumps.map(async ({ file }) => (await stat(file)).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}

/** The packets of a little-endian pcap file; a last, incomplete one is left out. */
export function* packetsOf(file: Buffer): Generator<Buffer> {
  let at = FILE_HEADER_BYTES;
  while (at + PACKET_HEADER_BYTES <= file.length) {
    const length = file.readUInt32LE(at + 8);
    const start = at + PACKET_HEADER_BYTES;
    if (start + length > file.length) return;
    yield file.subarray(start, start + length);
    at = start + length;
  }
}
