/**
 * What passes the ports of a lab's switch, written down by tcpdump: one file per port, flushed packet by packet.
 * A packet between two hosts is therefore seen twice, where it enters the switch and where it leaves.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Host } from "./host.ts";
import type { Lab } from "./lab.ts";
import { Program } from "./program.ts";

/** pcap: 24 bytes of file header, 16 bytes in front of each packet. */
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;

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
    await Promise.all(dumps.map(({ program }) => program.line("start", /listening on/, 120_000)));
    return new Capture(dumps);
  }

  /** Stop writing; what was captured so far is complete then. */
  async stop(): Promise<void> {
    await Promise.all(this.#dumps.map(({ program }) => program.stop("SIGINT")));
  }

  /** Every packet of every port so far, as Ethernet frames. */
  async *frames(): AsyncGenerator<Buffer> {
    for (const { file } of this.#dumps) yield* packetsOf(await readFile(file));
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
