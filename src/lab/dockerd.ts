/**
 * A real Docker Engine in a host of a lab: the peer that overlay networks are compared with. Talks to it only through
 * its own command line and its log, as a user would.
 *
 * Each engine has its own data, containerd and sockets in the lab's directory, and a `/run` of its own, where it would
 * otherwise meet the engines of other hosts. Images are copied whole (`vfs`), because overlayfs may not be stacked.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Host } from "./host.ts";
import type { Lab } from "./lab.ts";
import { type Program, type Result, run } from "./program.ts";
import { until } from "./until.ts";

/** The engine's own words at the start of its gossip, with all keys in clear text. */
const GOSSIP_STARTS = /New memberlist node .*nodeID:([0-9a-f]{12}) .*Keys:\[((?:\[[\d ]+\] ?)+)\]/;
const READY = /API listen on/;
const STOP_MS = 15_000;
const IMAGE = "busybox:latest";
/** The client that belongs to the engine; another may come first in the path. */
const CLIENT = "/usr/bin/docker";

export interface EngineGossip {
  /** Its gossip name: 12 hexadecimal digits, new at every start. */
  readonly name: string;
  /** As they stand in its ring: the first is primary. */
  readonly keys: readonly Uint8Array[];
}

/** The part of `docker network inspect --verbose` that tests look at; names are the engine's. */
export interface NetworkInspection {
  readonly Peers?: readonly { readonly Name: string; readonly IP: string }[];
  readonly Services?: Readonly<Record<string, { readonly Tasks: readonly InspectedTask[] }>>;
}

export interface InspectedTask {
  readonly Name: string;
  readonly EndpointIP: string;
  readonly Info: Readonly<Record<string, string>>;
}

export class DockerEngine {
  readonly name: string;
  readonly host: Host;
  readonly #directory: string;
  #program: Program;

  private constructor(name: string, host: Host, directory: string, program: Program) {
    this.name = name;
    this.host = host;
    this.#directory = directory;
    this.#program = program;
  }

  /** Start an engine and wait until it answers. */
  static async start(lab: Lab, host: Host): Promise<DockerEngine> {
    const directory = join(lab.directory, `docker-${host.name}`);
    await mkdir(directory);
    await writeFile(join(directory, "daemon.json"), "{}");
    const engine = new DockerEngine(host.name, host, directory, launch(host, directory));
    await engine.#ready();
    return engine;
  }

  get program(): Program {
    return this.#program;
  }

  /** Run one `docker` command against this engine. */
  async docker(...args: readonly string[]): Promise<Result> {
    return run(CLIENT, ["-H", this.#socket, ...args], { withinMs: 120_000 });
  }

  /** The same for a command that must succeed: what it printed, without the last line end. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args);
    if (code === 0) return stdout.trim();
    throw new Fault("unavailable", `${this.name}: docker ${args.join(" ")} failed with ${code}: ${stderr.trim()}`);
  }

  /** Begin a swarm; the command that others join with needs the answer. */
  async swarmInit(): Promise<string> {
    await this.must("swarm", "init", "--advertise-addr", this.host.address);
    return this.must("swarm", "join-token", "--quiet", "worker");
  }

  async swarmJoin(manager: DockerEngine, token: string): Promise<void> {
    const { address } = this.host;
    await this.must("swarm", "join", "--token", token, "--advertise-addr", address, `${manager.host.address}:2377`);
  }

  /** Make an image of the busybox of this machine, since there is no registry to pull one from. */
  async importImage(): Promise<void> {
    const tar = `tar -C /bin -c busybox --transform 's,^,bin/,' | ${CLIENT} -H ${this.#socket} import - ${IMAGE}`;
    const { code, stderr } = await run("sh", ["-c", tar]);
    if (code !== 0) throw new Fault("unavailable", `${this.name}: no image: ${stderr.trim()}`);
  }

  /** Start a container that sleeps, attached to one network. Its id. */
  async container(name: string, network: string): Promise<string> {
    const args = ["run", "--detach", "--name", name, "--network", network, IMAGE, "/bin/busybox", "sleep", "86400"];
    return this.must(...args);
  }

  /** Run busybox inside a container. */
  async inside(container: string, ...args: readonly string[]): Promise<Result> {
    return this.docker("exec", container, "/bin/busybox", ...args);
  }

  /** What the engine said of its gossip when it last began; waits for it. */
  async gossip(): Promise<EngineGossip> {
    const { text } = await this.#program.line("gossip", GOSSIP_STARTS, 20_000);
    const [, name = "", keys = ""] = GOSSIP_STARTS.exec(text) ?? [];
    const ring = [...keys.matchAll(/\[([\d ]+)\]/g)].map(([, key = ""]) => Uint8Array.from(key.split(" ").map(Number)));
    return { name, keys: ring };
  }

  /** `docker network inspect --verbose`, taken apart. */
  async inspect(network: string): Promise<NetworkInspection> {
    const [first] = JSON.parse(await this.must("network", "inspect", "--verbose", network)) as NetworkInspection[];
    return first ?? {};
  }

  /** End it politely and start it again over the same data. */
  async restart(): Promise<void> {
    await this.#program.stop("SIGTERM", STOP_MS);
    this.#program = launch(this.host, this.#directory);
    await this.#ready();
  }

  /** Remove its containers and end it. Never rejects. */
  async stop(): Promise<void> {
    const ids = (await this.docker("ps", "--all", "--quiet").catch(() => undefined))?.stdout.trim().split("\n") ?? [];
    const containers = ids.filter((id) => id !== "");
    if (containers.length > 0) await this.docker("rm", "--force", ...containers).catch(() => undefined);
    await this.#program.stop("SIGTERM", STOP_MS);
    await run("pkill", ["-KILL", "-f", this.#directory]).catch(() => undefined);
  }

  get #socket(): string {
    return `unix://${join(this.#directory, "docker.sock")}`;
  }

  async #ready(): Promise<void> {
    await this.#program.line("start", READY, 60_000);
    await until(`${this.name} answers`, 20_000, async () => (await this.docker("version")).code === 0);
  }
}

/** Why this machine has no engine to start; `undefined` if it has one. */
export async function dockerObstacle(): Promise<string | undefined> {
  const found = await run("dockerd", ["--version"]).catch(() => undefined);
  if (found?.code !== 0) return "there is no dockerd command";
  const client = await run(CLIENT, ["--version"]).catch(() => undefined);
  if (client?.code !== 0) return `there is no ${CLIENT}`;
  const busybox = await run("/bin/busybox", ["true"]).catch(() => undefined);
  return busybox?.code === 0 ? undefined : "there is no static busybox";
}

function launch(host: Host, directory: string): Program {
  const options = [
    `--config-file=${join(directory, "daemon.json")}`,
    `--data-root=${join(directory, "data")}`,
    `--exec-root=${join(directory, "exec")}`,
    `--pidfile=${join(directory, "pid")}`,
    `--host=unix://${join(directory, "docker.sock")}`,
    "--storage-driver=vfs",
    "--log-level=info",
  ];
  const own = "mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/netns";
  return host.startWithSys(`dockerd ${host.name}`, "sh", ["-c", `${own} && exec dockerd ${options.join(" ")}`]);
}
