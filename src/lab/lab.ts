/**
 * A laboratory: hosts as network namespaces on one switch (a Linux bridge in a namespace of its own), each with an
 * IPv4 and an IPv6 address. For the demo, tests and benches; a node never uses it, and it may use `ip` and `nft`.
 *
 * Everything a lab makes carries the id of the process that made it (`skep-lab-<pid>-<n>-<host>`), so two runs never
 * collide, and `sweep` removes what a killed run left behind. Because bridge, ports and addresses live in the
 * namespaces, deleting those deletes all. Links are cut and made lossy on the switch, in one nft transaction, so a
 * partition has one moment for all hosts.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host } from "./host.ts";
import { type Links, switchRules } from "./links.ts";
import { must, run } from "./program.ts";

const PREFIX = "skep-lab-";
const NAMESPACES = "/run/netns";
const BRIDGE = "switch";
/** Hosts of one lab: one byte of the address. */
export const HOSTS_MAX = 250;

const labs = new Set<Lab>();
let made = 0;

export class Lab {
  readonly hosts: readonly Host[];
  /** A directory for files of this lab, deleted with it. */
  readonly directory: string;
  readonly #id: string;
  #links: Links = { groups: [], lossPercent: 0 };

  private constructor(id: string, hosts: readonly Host[]) {
    this.#id = id;
    this.hosts = hosts;
    this.directory = mkdtempSync(join(tmpdir(), `${id}-`));
  }

  /** Build a lab with one host per name. Rejects with a `Fault` when the system refuses; then nothing is left. */
  static async create(hostNames: readonly string[]): Promise<Lab> {
    await sweep();
    hookProcess();
    made += 1;
    const id = `${PREFIX}${process.pid}-${made}`;
    const hosts = hostNames.slice(0, HOSTS_MAX).map((name, at) => new Host(name, `${id}-${name}`, at + 1));
    const lab = new Lab(id, hosts);
    labs.add(lab);
    try {
      await lab.#build();
      return lab;
    } catch (error) {
      await lab.dispose();
      throw error;
    }
  }

  /** The name of the namespace that holds the switch; its ports are called like the hosts. */
  get switchNamespace(): string {
    return `${this.#id}-${BRIDGE}`;
  }

  /** The host of this name; there must be one. */
  host(name: string): Host {
    const host = this.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`the lab has no host ${name}`);
    return host;
  }

  /** Cut all links between hosts of different groups, both ways; hosts in no group still reach everybody. */
  async partition(...groups: readonly (readonly Host[])[]): Promise<void> {
    await this.#relink({ ...this.#links, groups });
  }

  /** Every packet between two hosts is lost with this probability, 0..100. */
  async lose(lossPercent: number): Promise<void> {
    await this.#relink({ ...this.#links, lossPercent });
  }

  /** No cuts and no loss. */
  async heal(): Promise<void> {
    await this.#relink({ groups: [], lossPercent: 0 });
  }

  /** Kill what runs in the hosts and remove everything. Never rejects; twice is the same as once. */
  async dispose(): Promise<void> {
    labs.delete(this);
    await Promise.all(this.hosts.map((host) => host.stop()));
    this.removeNow();
  }

  /** The same without waiting, for the last moment of a process. */
  removeNow(): void {
    labs.delete(this);
    for (const { namespace } of this.hosts) removeNamespace(namespace);
    removeNamespace(this.switchNamespace);
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #build(): Promise<void> {
    const namespaces = [this.switchNamespace, ...this.hosts.map((host) => host.namespace)];
    await must("ip", ["-batch", "-"], namespaces.map((name) => `netns add ${name}\n`).join(""));
    const ports = this.hosts.map(
      ({ name, namespace }) =>
        `link add name ${name} type veth peer name eth0 netns ${namespace}\nlink set dev ${name} master ${BRIDGE} up\n`,
    );
    await must(
      "ip",
      ["-n", this.switchNamespace, "-batch", "-"],
      `link add name ${BRIDGE} type bridge mcast_snooping 0 forward_delay 0\nlink set dev ${BRIDGE} up\n${ports.join("")}`,
    );
    for (const host of this.hosts) await host.raiseLinks();
  }

  async #relink(links: Links): Promise<void> {
    this.#links = links;
    await must("ip", ["netns", "exec", this.switchNamespace, "nft", "-f", "-"], switchRules(links));
  }
}

/** Why this machine cannot have a lab; `undefined` if it can. */
export async function labObstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const tool of ["ip", "nft", "tcpdump"]) {
    const found = await run(tool, [tool === "ip" ? "-V" : "--version"]).catch(() => undefined);
    if (found?.code !== 0) return `the ${tool} command is missing`;
  }
  const probe = `${PREFIX}${process.pid}-probe`;
  const added = await run("ip", ["netns", "add", probe]);
  if (added.code !== 0) return `network namespaces are not available: ${added.stderr.trim()}`;
  const rules = await run("ip", ["netns", "exec", probe, "nft", "-f", "-"], {
    input: switchRules({ groups: [], lossPercent: 1 }),
  });
  removeNamespace(probe);
  return rules.code === 0 ? undefined : `the kernel has no nftables for bridges: ${rules.stderr.trim()}`;
}

/** Remove the namespaces (and end the processes in them) of labs whose process is gone. */
export async function sweep(): Promise<void> {
  if (!existsSync(NAMESPACES)) return;
  for (const name of readdirSync(NAMESPACES)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    removeNamespace(name);
  }
}

function removeNamespace(name: string): void {
  if (!existsSync(join(NAMESPACES, name))) return;
  const pids = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" }).stdout ?? "";
  for (const pid of pids.split("\n").filter((text) => text !== "")) killQuietly(Number(pid));
  spawnSync("ip", ["netns", "delete", name]);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself in the meantime.
  }
}

let hooked = false;
/**
 * Labs do not outlive their process: neither a normal end nor Ctrl-C nor a polite kill leaves anything. A program that
 * handles a signal itself decides itself whether to end.
 */
function hookProcess(): void {
  if (hooked) return;
  hooked = true;
  process.on("exit", () => {
    for (const lab of [...labs]) lab.removeNow();
  });
  const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
  for (const [signal, number] of Object.entries(numbers)) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + number);
    });
  }
}
