/**
 * Hosts with overlay networks: each a namespace on the laboratory's switch with a real driver process, and containers
 * that are namespaces with nothing in them but what the driver puts there.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Host } from "../../src/lab/host.ts";
import { Lab } from "../../src/lab/lab.ts";
import { must, Program, run } from "../../src/lab/program.ts";
import { until } from "../../src/lab/until.ts";
import { systemNamespaces } from "../../src/os/namespace.ts";
import type { Endpoint, Exit, Network, Peer } from "../../src/overlay/messages.ts";
import type { OverlayService } from "../../src/overlay/service.ts";
import type { OverlayNodeOptions, SpokenStatus, SpokenWanted } from "./overlay-language.ts";
import { heardWanted, openOverlay, spokenStatus } from "./overlay-open.ts";

const traffic = fileURLToPath(new URL("traffic.mjs", import.meta.url));
const nodeProgram = fileURLToPath(new URL("overlay-node.ts", import.meta.url));
const NAMESPACES = "/run/netns";

/** How long nothing has to arrive until nothing more is waited for; a machine that is emulated takes its time. */
const SILENCE_MS = 1_000;
const SLOW_SILENCE_MS = 8_000;

export interface Container {
  readonly name: string;
  readonly host: Host;
  readonly namespace: string;
  readonly endpoints: readonly Endpoint[];
}

export interface Attachment {
  readonly network: string;
  readonly addresses: readonly string[];
}

export interface RigOptions {
  readonly port?: number;
  /** Drivers in this process instead of their own. */
  readonly inside?: boolean;
  /** The data path runs on IPv6. */
  readonly ipv6?: boolean;
  readonly drivers?: readonly string[];
}

export class OverlayRig {
  readonly lab: Lab;
  readonly networks: readonly Network[];
  readonly port: number;
  readonly inside: boolean;
  readonly ipv6: boolean;
  /** By host. */
  readonly nodes = new Map<string, OverlayNode>();
  readonly containers: Container[] = [];
  readonly exits: { readonly host: Host; readonly exit: Exit }[] = [];
  keys: SpokenWanted["keys"] = [];
  #sniffs = 0;

  private constructor(
    lab: Lab,
    networks: readonly Network[],
    { port, inside, ipv6 }: Required<Omit<RigOptions, "drivers">>,
  ) {
    this.lab = lab;
    this.networks = networks;
    this.port = port;
    this.inside = inside;
    this.ipv6 = ipv6;
  }

  /** A driver in each host of `drivers`, all by default; the others are outsiders. */
  static async create(
    hosts: readonly string[],
    networks: readonly Network[],
    { port = 4789, inside = false, ipv6 = false, drivers = hosts }: RigOptions = {},
  ): Promise<OverlayRig> {
    const rig = new OverlayRig(await Lab.create(hosts), networks, { port, inside, ipv6 });
    try {
      await Promise.all(drivers.map((host) => rig.start(host)));
      return rig;
    } catch (error) {
      await rig.dispose();
      throw error;
    }
  }

  /** Start the driver of a host, in the namespace of the host but in our own tree of files. */
  async start(hostName: string): Promise<OverlayNode> {
    const host = this.lab.host(hostName);
    const options = { address: this.vtep(host), port: this.port, folder: NAMESPACES, prefix: `${host.namespace}-s` };
    if (this.inside) {
      const node = new InsideNode(host, options);
      this.nodes.set(hostName, node);
      return node;
    }
    const program = new Program(`overlay ${hostName}`, "nsenter", [
      `--net=${NAMESPACES}/${host.namespace}`,
      process.execPath,
      ...["--import", "tsx", nodeProgram, JSON.stringify(options)],
    ]);
    const node = new ProcessNode(host, program);
    this.nodes.set(hostName, node);
    await program.line("start", /"ready":true/, 120_000);
    return node;
  }

  /** A container that echoes, once the driver has connected it; `settle` makes that so. */
  async addContainer(hostName: string, name: string, attachments: readonly Attachment[]): Promise<Container> {
    const host = this.lab.host(hostName);
    const namespace = `${host.namespace}-c${name}`;
    await must("ip", ["netns", "add", namespace]);
    await must("ip", ["-n", namespace, "link", "set", "lo", "up"]);
    const endpoints = attachments.map(({ network, addresses }, at) => ({
      id: Buffer.from(`${hostName}${name}${at}`).toString("hex").padEnd(64, "0"),
      network,
      addresses,
      mac: macOf(addresses[0] ?? ""),
      container: { namespace: `${NAMESPACES}/${namespace}`, name: `eth${at}` },
    }));
    const container = { name, host, namespace, endpoints };
    this.containers.push(container);
    return container;
  }

  addExit({ host, name, namespace, endpoints }: Container, addresses: readonly string[]): void {
    const link = { namespace: `${NAMESPACES}/${namespace}`, name: `eth${endpoints.length}` };
    this.exits.push({ host, exit: { id: Buffer.from(`exit${name}`).toString("hex"), addresses, container: link } });
  }

  serve({ namespace, name }: { readonly namespace: string; readonly name: string }): Promise<unknown> {
    const program = new Program(`serve ${name}`, "ip", [
      "netns",
      "exec",
      namespace,
      process.execPath,
      traffic,
      "serve",
    ]);
    return program.line("start", /ready/, 120_000);
  }

  /** What the host's driver should want: its part of everything, and all others as peers. */
  wantedOf(host: Host): SpokenWanted {
    const own = this.containers.filter((container) => container.host === host);
    const shared = new Set(own.flatMap(({ endpoints }) => endpoints.map(({ network }) => network)));
    return {
      networks: this.networks.filter(({ id }) => shared.has(id)),
      endpoints: own.flatMap(({ endpoints }) => endpoints),
      exits: this.exits.filter((one) => one.host === host).map(({ exit }) => exit),
      peers: this.containers
        .filter((container) => container.host !== host)
        .flatMap((container) => this.#peersOf(container, shared)),
      keys: this.keys,
    };
  }

  #peersOf({ host, endpoints }: Container, shared: ReadonlySet<string>): Peer[] {
    return endpoints
      .filter(({ network }) => shared.has(network))
      .flatMap(({ id, network, addresses, mac }) =>
        addresses.map((address) => ({ network, endpoint: id, address, mac, vtep: this.vtep(host) })),
      );
  }

  want(): void {
    for (const node of this.nodes.values()) node.want(this.wantedOf(node.host));
  }

  /** Tell every driver what to want and wait until each has it. */
  async settle(): Promise<void> {
    this.want();
    for (const node of this.nodes.values()) await node.settled();
  }

  /** Numbered datagrams there and back. */
  async udp(
    from: { readonly namespace: string },
    address: string,
    how: { count?: number; bytes?: number; gapMs?: number; text?: string } = {},
  ) {
    const { count = 20, bytes = 200, gapMs = 5, text = "" } = how;
    const silenceMs = this.inside ? SLOW_SILENCE_MS : SILENCE_MS;
    const said = await this.#inside(from, "udp", address, `${count}`, `${bytes}`, `${gapMs}`, `${silenceMs}`, text);
    return JSON.parse(said) as { readonly sent: number; readonly came: number; readonly twice: number };
  }

  /** A stream there and back: how much of it came. */
  async tcp(from: { readonly namespace: string }, address: string, bytes: number, text = "stream"): Promise<number> {
    return (JSON.parse(await this.#inside(from, "tcp", address, `${bytes}`, text)) as { came: number }).came;
  }

  /** Everything that an interface of a namespace sees from now on; the result tells whether a text was in it. */
  async sniff(namespace: string, link: string): Promise<(text: string) => Promise<boolean>> {
    this.#sniffs += 1;
    const file = `${this.lab.directory}/sniff-${this.#sniffs}.pcap`;
    const args = ["-i", link, "-n", "-s", "0", "-U", "--immediate-mode", "-Z", "root", "-w", file];
    const program = new Program("sniff", "ip", ["netns", "exec", namespace, "tcpdump", ...args]);
    await program.line("start", /listening on/, 120_000);
    return async (text) => {
      await program.stop("SIGINT");
      return readFileSync(file).includes(text);
    };
  }

  /** Where the data path of a host is. */
  vtep(host: Host): string {
    return this.ipv6 ? host.address6 : host.address;
  }

  /** The namespace that is the sandbox of a network. */
  sandbox(host: Host, network: string): string {
    return `${host.namespace}-s${network}`;
  }

  async #inside({ namespace }: { readonly namespace: string }, ...args: string[]): Promise<string> {
    const all = ["netns", "exec", namespace, process.execPath, traffic, ...args];
    const { code, stdout, stderr } = await run("ip", all, { withinMs: 200_000 });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  async dispose(): Promise<void> {
    const prefix = this.lab.switchNamespace.replace(/switch$/, "");
    await Promise.all([...this.nodes.values()].map((node) => node.kill()));
    for (const name of readdirSync(NAMESPACES).filter((one) => one.startsWith(prefix))) {
      const { stdout } = await run("ip", ["netns", "pids", name]);
      for (const pid of stdout.split("\n").filter((line) => line !== "")) killQuietly(Number(pid));
      if (/-[cs][^-]*$/.test(name)) await run("ip", ["netns", "delete", name]);
    }
    await this.lab.dispose();
  }
}

/** The driver of one host. */
export abstract class OverlayNode {
  readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  abstract want(wanted: SpokenWanted): void;
  /** It has done what it was told last. */
  abstract get isDone(): boolean;
  abstract get status(): SpokenStatus | undefined;
  /** End it without a word. */
  abstract kill(): Promise<unknown>;
  /** What it said last, for messages. */
  abstract tail(): string;

  /** How often something of ours had to be put right. */
  get repairs(): number {
    return Object.values(this.status?.repairs ?? {}).reduce((sum, count) => sum + count, 0);
  }

  async settled(withinMs = 20_000): Promise<SpokenStatus> {
    const { value } = await until(
      `${this.host.name} has what it wants`,
      withinMs,
      () => this.isDone && this.status?.settled === true && this.status,
      () => JSON.stringify(this.status) + this.tail(),
    );
    return value;
  }
}

/** A process of its own. */
export class ProcessNode extends OverlayNode {
  readonly program: Program;
  #wants = 0;

  constructor(host: Host, program: Program) {
    super(host);
    this.program = program;
  }

  want(wanted: SpokenWanted): void {
    this.#wants += 1;
    this.program.write(JSON.stringify(wanted));
  }

  get isDone(): boolean {
    return this.program.lines.filter(({ text }) => text.startsWith('{"done"')).length >= this.#wants;
  }

  get status(): SpokenStatus | undefined {
    const said = this.program.lines.filter(({ text }) => text.startsWith('{"status"'));
    const last = said.at(-1);
    return last === undefined ? undefined : (JSON.parse(last.text) as { status: SpokenStatus }).status;
  }

  kill(): Promise<unknown> {
    return this.program.stop("SIGKILL");
  }

  tail(): string {
    return this.program.tail(8);
  }
}

/** In this process, for machines on which processes are slow to start. */
export class InsideNode extends OverlayNode {
  readonly #service: OverlayService;

  constructor(host: Host, options: OverlayNodeOptions) {
    super(host);
    const current = () => systemNamespaces.open(`${NAMESPACES}/${host.namespace}`);
    this.#service = openOverlay(options, { ...systemNamespaces, current });
  }

  want(wanted: SpokenWanted): void {
    this.#service.want(heardWanted(wanted));
  }

  get isDone(): boolean {
    return true;
  }

  get status(): SpokenStatus | undefined {
    return this.#service.status && (JSON.parse(spokenStatus(this.#service.status)) as SpokenStatus);
  }

  async kill(): Promise<void> {
    this.#service.stop();
  }

  tail(): string {
    return "";
  }
}

/** Docker's rule. */
export function macOf(address: string): string {
  const parts = (address.split("/")[0] ?? "").split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "42", ...parts].join(":");
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}
