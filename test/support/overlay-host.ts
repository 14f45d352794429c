/**
 * One host of a laboratory with a VXLAN network on it, plain or through our ESP: device, static peers, the mark on
 * what has to be protected, and the two guards that let nothing through in clear.
 */
import { fileURLToPath } from "node:url";
import type { Direction, DirectionCounts } from "../../src/esp/service.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Program } from "../../src/lab/program.ts";
import { type AssociationId, type SecurityAssociation, SPI_MIN } from "../../src/model/security-association.ts";
import type { HostAnswer, HostOrder } from "./esp-host.ts";

const PROGRAM = fileURLToPath(new URL("esp-host.ts", import.meta.url));
const DEVICE = "skep-esp";
const MARK = "0xd0c4e3";
const TABLE = "4789";
/** 1500 - 20 IP - 8 ESP - 8 IV - 8 UDP - 8 VXLAN - 14 Ethernet - trailer - ICV, as Docker's, for the largest ICV. */
export const ENCRYPTED_MTU = 1500 - 84;
export const PLAIN_MTU = 1450;

export interface EspCounts {
  readonly outbound: DirectionCounts;
  readonly inbound: DirectionCounts;
  readonly events: readonly { readonly do: string }[];
}

export class OverlayHost {
  readonly host: Host;
  readonly number: number;
  readonly #program: Program | undefined;
  #orders = 0;

  private constructor(host: Host, number: number, program: Program | undefined) {
    this.host = host;
    this.number = number;
    this.#program = program;
  }

  /** Address inside the network. */
  get inside(): string {
    return `10.50.0.${this.number}`;
  }

  /** `number`: its place in the lab, from 1. */
  static async create(host: Host, number: number, kind: "esp" | "plain"): Promise<OverlayHost> {
    let program: Program | undefined;
    if (kind === "esp") {
      program = host.start("esp", process.execPath, ["--import", "tsx", PROGRAM, DEVICE, host.address]);
      await program.line("start", /^ready$/, 120_000);
    }
    const one = new OverlayHost(host, number, program);
    await one.#build(kind);
    return one;
  }

  /** Everything inside `other` is reached through its host. */
  async know(other: OverlayHost): Promise<void> {
    await this.#must(
      "ip",
      "neigh",
      "replace",
      other.inside,
      "lladdr",
      macOf(other.number),
      "dev",
      "vx",
      "nud",
      "permanent",
    );
    const place = ["dev", "vx", "dst", other.host.address, "self", "permanent"];
    await this.#must("bridge", "fdb", "replace", macOf(other.number), ...place);
  }

  async install(association: SecurityAssociation): Promise<void> {
    const { material, ...rest } = association;
    const bytes = material.withBytes((inside) => Buffer.from(inside).toString("hex"));
    await this.#ask({ ask: "install", association: rest, material: bytes });
  }

  async transmit(peer: string, spi: number): Promise<void> {
    await this.#ask({ ask: "transmit", peer, spi });
  }

  async remove(id: AssociationId): Promise<void> {
    await this.#ask({ ask: "remove", id });
  }

  async crash(direction: Direction): Promise<void> {
    await this.#ask({ ask: "crash", direction });
  }

  async counts(): Promise<EspCounts> {
    return (await this.#ask({ ask: "counts" })) as EspCounts;
  }

  async stop(): Promise<void> {
    await this.#ask({ ask: "stop" });
    await this.#program?.ended(5000);
  }

  /** Run a command here that must succeed; its standard output. */
  async run(command: string, ...args: string[]): Promise<string> {
    return this.#must(command, ...args);
  }

  async #build(kind: "esp" | "plain"): Promise<void> {
    const mtu = kind === "esp" ? ENCRYPTED_MTU : PLAIN_MTU;
    const vxlan = ["id", "4097", "dstport", "4789", "local", this.host.address, "nolearning"];
    await this.#must(
      "ip",
      "link",
      "add",
      "vx",
      "address",
      macOf(this.number),
      "mtu",
      String(mtu),
      "type",
      "vxlan",
      ...vxlan,
    );
    await this.#must("ip", "addr", "add", `${this.inside}/24`, "dev", "vx");
    await this.#must("ip", "link", "set", "vx", "up");
    if (kind === "plain") return;
    await this.#must("ip", "rule", "add", "fwmark", MARK, "lookup", TABLE);
    await this.#must("ip", "route", "add", "default", "dev", DEVICE, "table", TABLE, "metric", "1");
    // Where the device is gone, marked datagrams must not find another way.
    await this.#must("ip", "route", "add", "blackhole", "default", "table", TABLE, "metric", "2");
    await this.#must("nft", GUARDS);
  }

  async #ask(order: HostOrder): Promise<unknown> {
    if (this.#program === undefined) throw new Error("a plain host has no ESP");
    this.#orders += 1;
    const number = this.#orders;
    this.#program.write(JSON.stringify({ order: number, ...order }));
    const line = await this.#program.line(`answer to ${order.ask}`, new RegExp(`^\\{"order":${number}[,}]`), 20_000);
    const { answer, error } = JSON.parse(line.text) as HostAnswer;
    if (error !== undefined) throw new Error(error);
    return answer;
  }

  async #must(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.host.run(command, args, 60_000);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }
}

const GUARDS = `table ip guard {
  chain marking {
    type route hook output priority -150
    udp dport 4789 meta mark set ${MARK}
  }
  chain leaving {
    type filter hook postrouting priority 300
    meta mark ${MARK} oifname != "${DEVICE}" counter drop
  }
  chain entering {
    type filter hook input priority -300
    udp dport 4789 iifname != "${DEVICE}" counter drop
  }
}`;

function macOf(number: number): string {
  return `02:42:0a:32:00:${number.toString(16).padStart(2, "0")}`;
}

/** Both ways between two hosts: at each end what it sends with and what it receives with. */
export async function connect(
  one: OverlayHost,
  other: OverlayHost,
  make: (source: string, destination: string, spi: number) => SecurityAssociation,
  round = 0,
): Promise<SecurityAssociation[]> {
  const spi = SPI_MIN + round * 2;
  const there = make(one.host.address, other.host.address, spi);
  const back = make(other.host.address, one.host.address, spi + 1);
  await Promise.all([
    other.install({ ...there, direction: "inbound" }),
    one.install({ ...back, direction: "inbound" }),
  ]);
  await Promise.all([one.install(there), other.install(back)]);
  await Promise.all([one.transmit(there.destination, there.spi), other.transmit(back.destination, back.spi)]);
  return [there, back];
}
